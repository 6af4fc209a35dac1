# SPDX-License-Identifier: Apache-2.0
"""Leases on the disks of guests: what is claimed, and of whom."""
