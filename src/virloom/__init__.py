# SPDX-License-Identifier: Apache-2.0
"""Virloom: libvirt, renewed, in Python."""
