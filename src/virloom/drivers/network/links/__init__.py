# SPDX-License-Identifier: Apache-2.0
"""The bridge of a network, its addresses and its routes, by netlink."""
