# SPDX-License-Identifier: Apache-2.0
"""Devices of a guest: addresses, aliases and what QEMU is told about each."""
