# SPDX-License-Identifier: Apache-2.0
"""dnsmasq, which gives a network's guests their addresses and names."""
