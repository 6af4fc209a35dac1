# SPDX-License-Identifier: Apache-2.0
"""Compares what network filters let through: Virloom's rules beside those of libvirt 9."""
