# SPDX-License-Identifier: Apache-2.0
"""Leases on disks: what virtlockd serves."""
