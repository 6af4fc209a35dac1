# SPDX-License-Identifier: Apache-2.0
"""What ``virNetwork`` has beyond calls of one procedure with one result."""

from __future__ import annotations

from typing import Any

from libvirt._invoke import invoke

_LEASE = (
    "iface", "expirytime", "type", "mac", "ipaddr", "prefix", "hostname", "clientid", "iaid",
)  # fmt: skip


def DHCPLeases(self: Any, mac: str | None = None, flags: int = 0) -> list[dict[str, Any]]:
    """The leases of the network's DHCP server, of one hardware address or all."""
    rows = invoke(self, "virNetworkGetDHCPLeases", mac, flags).leases
    return [{name: getattr(row, name) for name in _LEASE} for row in rows]
