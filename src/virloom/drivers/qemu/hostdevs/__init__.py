# SPDX-License-Identifier: Apache-2.0
"""Devices of the host that guests have: found, taken from the host, and given back to it."""
