# SPDX-License-Identifier: Apache-2.0
"""Disk images of guests: what they are and how QEMU is told about them."""
