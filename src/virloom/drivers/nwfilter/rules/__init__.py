# SPDX-License-Identifier: Apache-2.0
"""Filters as rules of the kernel: nftables of the bridge family, a table for each port."""
