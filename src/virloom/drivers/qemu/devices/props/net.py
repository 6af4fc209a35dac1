# SPDX-License-Identifier: Apache-2.0
"""The device that a guest sees for a network interface, and the back end behind it."""

from __future__ import annotations

from collections.abc import Sequence

from virloom.drivers.qemu.devices.props.address import (
    Buses,
    Props,
    alias_of,
    virtio_driver,
    virtio_options,
)
from virloom.drivers.qemu.devices.props.forwards import slirp_rules
from virloom.enums.error import ErrorDomain
from virloom.errors import ConfigUnsupported
from virloom.model.domain import Interface

#: QEMU's name of what a socket of each type does.
_SOCKETS = {"server": "listen", "client": "connect", "mcast": "mcast", "udp": "udp"}

#: Kinds of interfaces whose other end is a tap of the host.
TAPS = ("ethernet", "bridge", "network", "direct")


def uses_passt(interface: Interface) -> bool:
    """Whether a process of its own connects it, which QEMU reaches by a socket."""
    return interface.type == "user" and interface.backend.type == "passt"


def needs_host(interface: Interface) -> bool:
    """Whether something is made on the host for it before QEMU is told of it."""
    return interface.type in (*TAPS, "hostdev") or uses_passt(interface)


def netdev_id(interface: Interface) -> str:
    """QEMU's id of the back end."""
    return f"host{alias_of(interface, 'network interface')}"


def net_backend(
    interface: Interface, taps: Sequence[int | str] = (), vhosts: Sequence[int | str] = ()
) -> Props:
    """Properties of the back end.

    Args:
        interface: The interface.
        taps: Descriptors of the host's device, or QEMU's names of them, one for each queue;
            of passt's connection.
        vhosts: The same of the kernel's part of it (vhost-net), if it has one.

    Raises:
        ConfigUnsupported: A connection that nothing here makes.
    """
    kind = interface.type or ""
    if kind in TAPS:
        props: Props = {"type": "tap"}
        props["fds" if len(taps) > 1 else "fd"] = ":".join(map(str, taps))
        if vhosts:
            props["vhost"] = True
            props["vhostfds" if len(vhosts) > 1 else "vhostfd"] = ":".join(map(str, vhosts))
        if interface.tune.sndbuf:
            props["sndbuf"] = interface.tune.sndbuf
    elif uses_passt(interface):
        address = {"type": "fd", "str": str(taps[0])}
        props = {"type": "stream", "addr": address, "server": False}
    elif kind == "user":
        props = _slirp(interface)
    elif kind == "vhostuser":
        props = {"type": "vhost-user", "chardev": f"char{alias_of(interface, 'interface')}"}
        if (interface.driver.queues or 0) > 1:
            props["queues"] = interface.driver.queues
    elif kind in _SOCKETS:
        props = {"type": "socket", **_socket(interface, kind)}
    else:
        raise ConfigUnsupported(
            f"network interface of type '{kind}' cannot be started here", domain=ErrorDomain.QEMU
        )
    props["id"] = netdev_id(interface)
    return props


def _slirp(interface: Interface) -> Props:
    props: Props = {"type": "user"}
    for ip in interface.ips:
        if ip.family == "ipv6":
            props["ipv6-prefix"] = ip.address
            if ip.prefix:
                props["ipv6-prefixlen"] = ip.prefix
        else:
            props["net"] = f"{ip.address}/{ip.prefix}" if ip.prefix else ip.address
    if interface.port_forwards:
        props["hostfwd"] = slirp_rules(interface.port_forwards)
    return props


def _socket(interface: Interface, kind: str) -> Props:
    source = interface.source
    props: Props = {_SOCKETS[kind]: f"{source.address or ''}:{source.port}"}
    if kind == "udp" and source.local is not None:
        props["localaddr"] = f"{source.local.address}:{source.local.port}"
    return props


def net_device(
    interface: Interface, buses: Buses, *, boot: int | None, queues: int | None = None
) -> Props:
    """Properties of the network card of *interface*, which has *queues* in each direction."""
    alias = alias_of(interface, "network interface")
    model = interface.model.type or "rtl8139"
    props: Props = {"driver": model}
    if model.startswith("virtio"):
        props["driver"] = virtio_driver("virtio-net", model, interface.address)
        props.update(_virtio(interface))
        if queues is not None and queues > 1:
            # For each queue a vector in each direction, and two for configuration and control.
            props.update({"mq": True, "vectors": 2 * queues + 2})
    props["netdev"] = netdev_id(interface)
    props["id"] = alias
    props["mac"] = interface.mac.address
    if boot is not None:
        props["bootindex"] = boot
    props.update(buses.place(interface, alias))
    rom = interface.rom
    if rom.enabled is False:
        return {**props, "romfile": ""}
    if rom.bar is not None:
        props["rombar"] = int(rom.bar)
    if rom.file:
        props["romfile"] = rom.file
    return props


def _virtio(interface: Interface) -> Props:
    driver = interface.driver
    props = virtio_options(driver)
    if driver.txmode not in (None, "default"):
        props["tx"] = "bh" if driver.txmode == "iothread" else driver.txmode
    pairs = (("ioeventfd", driver.ioeventfd), ("event_idx", driver.event_idx))
    props.update({key: value for key, value in pairs if value is not None})
    sizes = (("rx_queue_size", driver.rx_queue_size), ("tx_queue_size", driver.tx_queue_size))
    props.update({key: value for key, value in sizes if value})
    others = (("rss", driver.rss), ("hash", driver.rss_hash_report))
    props.update({key: value for key, value in others if value is not None})
    props.update(_offloads(interface))
    if interface.mtu.size:
        props["host_mtu"] = interface.mtu.size
    if interface.teaming is not None and interface.teaming.type == "persistent":
        props["failover"] = True
    return props


def _offloads(interface: Interface) -> Props:
    host, guest = interface.driver.host, interface.driver.guest
    pairs = (
        ("csum", host.csum),
        ("gso", host.gso),
        ("host_tso4", host.tso4),
        ("host_tso6", host.tso6),
        ("host_ecn", host.ecn),
        ("host_ufo", host.ufo),
        ("mrg_rxbuf", host.mrg_rxbuf),
        ("guest_csum", guest.csum),
        ("guest_tso4", guest.tso4),
        ("guest_tso6", guest.tso6),
        ("guest_ecn", guest.ecn),
        ("guest_ufo", guest.ufo),
    )
    return {key: value for key, value in pairs if value is not None}
