# SPDX-License-Identifier: Apache-2.0
"""What QEMU could have, and no start here can give: parts of the host that nothing serves yet.

A definition keeps all of it, and the command line shows it; a start is refused with its path, so
that no guest comes up as another than its document says.
"""

from __future__ import annotations

from collections.abc import Iterator

from virloom.drivers.qemu.devices.props.net import TAPS
from virloom.drivers.qemu.validate.host_ends import check_host_end
from virloom.enums.error import ErrorDomain
from virloom.errors import ConfigUnsupported
from virloom.model.domain import (
    BackingStore,
    Disk,
    DiskSource,
    Domain,
    Interface,
)

_INTERFACES = (
    *("user", "udp", "mcast", "server", "client", "vhostuser"),
    *("network", "bridge", "ethernet", "direct", "hostdev"),
)
_DISKS = ("file", "block", "dir", "network", "vhostuser")
_PROTOCOLS = (None, "raw", "telnet")
#: Protocols of disks by which QEMU says who asks.
_LOGINS = ("iscsi", "rbd")


def check_served(dom: Domain) -> None:
    """Refuses what this host has nobody for.

    Raises:
        ConfigUnsupported: With the paths of all of it, or what a card's switch has not.
        InternalError: As :func:`check_host_end`.
    """
    for interface in dom.devices.interfaces:
        if interface.type != "network":  # which knows its switch when it has a port
            check_host_end(interface)
    paths = not_served(dom)
    if paths:
        raise ConfigUnsupported(
            f"domain '{dom.name}' cannot start: nothing here serves {', '.join(paths)}",
            domain=ErrorDomain.QEMU,
        )


def not_served(dom: Domain) -> list[str]:
    """The paths of what no start can give yet."""
    return list(_found(dom))


def _found(dom: Domain) -> Iterator[str]:
    devices = dom.devices
    for number, disk in enumerate(devices.disks, 1):
        yield from (f"domain/devices/disk[{number}]/{path}" for path in _disk(disk))
    for number, interface in enumerate(devices.interfaces, 1):
        yield from (f"domain/devices/interface[{number}]/{path}" for path in _interface(interface))
    for number, filesystem in enumerate(devices.filesystems, 1):
        if filesystem.idmap is not None:
            yield f"domain/devices/filesystem[{number}]/idmap"
        if filesystem.space_hard_limit is not None or filesystem.space_soft_limit is not None:
            yield f"domain/devices/filesystem[{number}]/space_hard_limit"
    yield from _characters(dom)
    for number, graphics in enumerate(devices.graphics, 1):
        if graphics.type == "dbus" and not graphics.p2p and not graphics.address:
            yield f"domain/devices/graphics[{number}] of type 'dbus' without p2p or address"
    for number, video in enumerate(devices.videos, 1):
        if video.driver.name == "vhostuser":
            yield f"domain/devices/video[{number}]/driver/@name='vhostuser'"
        if video.model.acceleration.accel3d:
            yield f"domain/devices/video[{number}]/model/acceleration/@accel3d"


def _characters(dom: Domain) -> Iterator[str]:
    devices = dom.devices
    groups = (devices.serials, devices.parallels, devices.consoles, devices.channels)
    for group in groups:
        for number, device in enumerate(group, 1):
            path = f"domain/devices/{device.tag}[{number}]"
            if device.protocol.type not in _PROTOCOLS:
                yield f"{path}/protocol/@type='{device.protocol.type}'"
            if device.type == "nmdm":
                yield f"{path}/@type='nmdm'"


def _disk(disk: Disk) -> Iterator[str]:
    if disk.type not in (*_DISKS, "volume"):
        yield f"@type='{disk.type}'"
    if disk.transient is not None:
        yield "transient"
    if disk.backenddomain.name:
        yield "backenddomain"
    if disk.auth is not None and disk.source.protocol not in (*_LOGINS, None):
        yield "auth"
    yield from (f"source/{path}" for path in _source(disk.source))
    store: BackingStore | None = disk.backing_store
    path = "backingStore"
    while store is not None:
        if store.type not in (None, *_DISKS):
            yield f"{path}/@type='{store.type}'"
        yield from (f"{path}/source/{part}" for part in _source(store.source))
        store, path = store.backing_store, f"{path}/backingStore"


def _source(source: DiskSource) -> Iterator[str]:
    if source.auth is not None and source.protocol not in (*_LOGINS, None):
        yield "auth"
    if source.reservations is not None and source.reservations.managed:
        yield "reservations/@managed='yes'"
    if source.identity.keyfile or source.identity.agentsock:
        yield "identity"
    if source.known_hosts.path:
        yield "knownHosts"


def _interface(interface: Interface) -> Iterator[str]:
    if interface.type not in _INTERFACES:
        yield f"@type='{interface.type}'"
    if interface.port_forwards and interface.type != "user":
        yield "portForward"
    if interface.bandwidth is not None and interface.type not in TAPS:
        yield "bandwidth"
    if interface.backenddomain.name:
        yield "backenddomain"
    if interface.source.ips or interface.source.routes:
        yield "source/ip"
