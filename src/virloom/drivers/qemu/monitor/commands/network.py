# SPDX-License-Identifier: Apache-2.0
"""Network devices."""

from __future__ import annotations

from typing import NamedTuple

from virloom.drivers.qemu.monitor.client import Monitor
from virloom.drivers.qemu.monitor.commands.answer import reading


class RxFilter(NamedTuple):
    """Which frames the guest wants.

    Attributes:
        name: The device's id.
        mac: The guest's own address.
        promiscuous: All frames.
        broadcast_allowed: Broadcast frames.
        unicast, multicast, vlan: ``normal`` (the tables decide), ``none``, ``all``.
        unicast_table, multicast_table: Addresses.
        vlan_table: Tags.
        overflow: A table was too small for what the guest asked for.
    """

    name: str
    mac: str
    promiscuous: bool
    broadcast_allowed: bool
    unicast: str
    multicast: str
    vlan: str
    unicast_table: tuple[str, ...]
    multicast_table: tuple[str, ...]
    vlan_table: tuple[int, ...]
    overflow: bool


async def query_rx_filter(monitor: Monitor, alias: str) -> RxFilter:
    """The filter of the device with the id *alias*; QEMU then tells of its next change.

    Raises:
        QmpError: There is no such device, or it has no filter.
    """
    answer = await monitor.execute("query-rx-filter", {"name": alias})
    with reading("query-rx-filter"):
        said = answer[0]
        return RxFilter(
            name=str(said["name"]),
            mac=str(said["main-mac"]),
            promiscuous=bool(said["promiscuous"]),
            broadcast_allowed=bool(said["broadcast-allowed"]),
            unicast=str(said["unicast"]),
            multicast=str(said["multicast"]),
            vlan=str(said["vlan"]),
            unicast_table=tuple(map(str, said["unicast-table"])),
            multicast_table=tuple(map(str, said["multicast-table"])),
            vlan_table=tuple(map(int, said["vlan-table"])),
            overflow=bool(said["unicast-overflow"] or said["multicast-overflow"]),
        )
