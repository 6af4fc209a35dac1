# SPDX-License-Identifier: Apache-2.0
"""From what the kernel says of a device to the document of an interface, as libvirt's udev does it.

Addresses are not in it: libvirt's back end of that kind does not tell them.
"""

from __future__ import annotations

import re
from typing import TypeVar

from virloom.drivers.interface.links import Links
from virloom.model.interface import (
    Arpmon,
    Bond,
    Bridge,
    BridgePort,
    HostInterface,
    InterfaceLink,
    InterfaceVlan,
    Miimon,
    Port,
)

#: Devices of guests, which are no part of a bridge's document.
_GUESTS = re.compile(r"vnet\d+")
#: How drivers say that they do not know their speed (-1), as an unsigned number.
_UNSIGNED = 0xFFFFFFFF
_CARRIERS = {0: "ioctl", 1: "netif"}

P = TypeVar("P", bound=Port)


def describe(links: Links, name: str) -> HostInterface:
    """The document of the device *name*.

    Raises:
        OSError: What the kernel says cannot be read.
    """
    model = HostInterface()
    model.name = name
    model.type = links.kind(name)
    model.mtu.size = links.number(name, "mtu")
    if model.type == "bridge":
        model.bridge = _bridge(links, name)
    elif model.type == "bond":
        model.bond = _bond(links, name)
    elif model.type == "vlan":
        model.vlan = _vlan(links, name)
    else:
        _link(links, name, model.link)
        model.mac.address = links.attribute(name, "address")
    return model


def _link(links: Links, name: str, link: InterfaceLink) -> None:
    """The state, and in Mbit/s the speed, which only a device that is up has."""
    link.state = links.attribute(name, "operstate")
    speed = links.number(name, "speed") if link.state == "up" else None
    if speed:
        link.speed = speed & _UNSIGNED


def _bridge(links: Links, name: str) -> Bridge:
    """The delay is told as the kernel has it: in hundredths of a second."""
    bridge = Bridge()
    bridge.stp = links.attribute(name, "bridge/stp_state") == "1"
    bridge.delay = links.attribute(name, "bridge/forward_delay")
    for port in links.bridge_ports(name):
        if not _GUESTS.fullmatch(port):
            bridge.interfaces.append(_port(links, port, BridgePort()))
    return bridge


def _port(links: Links, name: str, port: P) -> P:
    port.type = "ethernet"
    port.name = name
    _link(links, name, port.link)
    port.mac.address = links.attribute(name, "address")
    return port


def _bond(links: Links, name: str) -> Bond:
    """Times are milliseconds; a monitor with an interval of 0 does not run."""
    bond = Bond()
    bond.mode = _word(links, name, "mode")
    freq = links.number(name, "bonding/miimon")
    if freq:
        bond.miimon = _miimon(links, name, freq)
    interval = links.number(name, "bonding/arp_interval")
    if interval:
        bond.arpmon = _arpmon(links, name, interval)
    for port in (links.attribute(name, "bonding/slaves") or "").split():
        bond.interfaces.append(_port(links, port, Port()))
    return bond


def _word(links: Links, name: str, what: str) -> str | None:
    """The first of ``active-backup 1``."""
    words = (links.attribute(name, f"bonding/{what}") or "").split()
    return words[0] if words else None


def _miimon(links: Links, name: str, freq: int) -> Miimon:
    monitor = Miimon()
    monitor.freq = freq
    monitor.downdelay = links.number(name, "bonding/downdelay")
    monitor.updelay = links.number(name, "bonding/updelay")
    monitor.carrier = _CARRIERS.get(links.number(name, "bonding/use_carrier") or 0)
    return monitor


def _arpmon(links: Links, name: str, interval: int) -> Arpmon:
    monitor = Arpmon()
    monitor.interval = interval
    monitor.target = _word(links, name, "arp_ip_target")
    validate = _word(links, name, "arp_validate")
    monitor.validate = validate if validate in ("none", "active", "backup", "all") else None
    return monitor


def _vlan(links: Links, name: str) -> InterfaceVlan | None:
    found = links.vlan(name)
    if found is None:
        return None
    vlan = InterfaceVlan()
    vlan.tag_, vlan.interface.name = found
    return vlan
