# SPDX-License-Identifier: Apache-2.0
"""What configures a host's interfaces: ifupdown, netplan, NetworkManager, or nobody."""
