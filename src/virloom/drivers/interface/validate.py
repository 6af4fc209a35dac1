# SPDX-License-Identifier: Apache-2.0
"""What no host can have: documents of interfaces that are refused before anything is touched."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from ipaddress import ip_address

from virloom.drivers.interface.names import is_device_name
from virloom.enums.error import ErrorDomain
from virloom.errors import XmlError
from virloom.model.interface import (
    Bond,
    Bridge,
    BridgePort,
    HostInterface,
    InterfaceVlan,
    Port,
    Protocol,
)

_MAC = re.compile(r"[0-9a-f]{2}(:[0-9a-f]{2}){5}", re.IGNORECASE)
_WIDTHS = {"ipv4": 32, "ipv6": 128}
#: linux/if_vlan.h: 0 is no VLAN, and 4095 is reserved.
_TAGS = range(1, 4095)
#: The least an IPv4 device may have (linux/if_ether.h), and the most that the kernel counts to.
_MTU = range(68, 65536)
#: Seconds that the kernel takes (net/bridge/br_private_stp.h).
_LONGEST_DELAY = 30.0
#: Modes that cannot watch by ARP (Documentation/networking/bonding.rst of the kernel).
_NO_ARP = frozenset(("802.3ad", "balance-tlb", "balance-alb"))


def validate(model: HostInterface) -> None:
    """Refuses what cannot be.

    Args:
        model: As :func:`~virloom.drivers.interface.completion.parse_interface` returned it.

    Raises:
        XmlError: It cannot be, and why.
    """
    _check_name(model.name, "an interface")
    if model.mtu.size is not None and model.mtu.size not in _MTU:
        raise _wrong(f"mtu {model.mtu.size} is not between {_MTU[0]} and {_MTU[-1]}")
    _check_mac(model.mac.address)
    for protocol in model.protocols:
        _check_protocol(protocol)
    families = [protocol.family for protocol in model.protocols]
    if len(set(families)) != len(families):
        raise _wrong("a protocol is there twice")
    if model.bridge is not None:
        _check_bridge(model.bridge)
    if model.bond is not None:
        _check_bond(model.bond)
    if model.vlan is not None:
        _check_vlan(model.vlan)
    _check_parts(model)


def parts_of(model: HostInterface) -> Iterator[str]:
    """The devices that the document makes parts of its interface, and of those' interfaces.

    What carries a VLAN is none: it stands for itself.
    """
    if model.bond is not None:
        yield from _bond_parts(model.bond)
    for port in model.bridge.interfaces if model.bridge is not None else ():
        yield port.name or ""
        if port.bond is not None:
            yield from _bond_parts(port.bond)


def _bond_parts(bond: Bond) -> Iterable[str]:
    return [port.name or "" for port in bond.interfaces]


def _check_parts(model: HostInterface) -> None:
    seen = {model.name}
    for name in parts_of(model):
        if name == model.name:
            raise _wrong(f"'{name}' cannot be a part of itself")
        if name in seen:
            raise _wrong(f"'{name}' is there twice")
        seen.add(name)
    for vlan in _vlans(model):
        if vlan.interface.name in (model.name,):
            raise _wrong(f"'{model.name}' cannot carry itself")


def _vlans(model: HostInterface) -> Iterator[InterfaceVlan]:
    if model.vlan is not None:
        yield model.vlan
    for port in model.bridge.interfaces if model.bridge is not None else ():
        if port.vlan is not None:
            yield port.vlan


def _check_bridge(bridge: Bridge) -> None:
    if bridge.delay is not None:
        _check_delay(bridge.delay)
    for port in bridge.interfaces:
        _check_port(port, "bridge")
        _check_port_type(port)


def _check_port_type(port: BridgePort) -> None:
    """A port is an ethernet device, a VLAN or a bond."""
    if port.type not in ("ethernet", "vlan", "bond"):
        raise _wrong(f"a bridge cannot have the {port.type} '{port.name}' as a port")
    if port.type == "vlan":
        if port.vlan is None:
            raise _wrong(f"vlan interface '{port.name}' misses the vlan element")
        _check_vlan(port.vlan)
        if port.vlan.interface.name == port.name:
            raise _wrong(f"'{port.name}' cannot carry itself")
    if port.type == "bond":
        if port.bond is None:
            raise _wrong(f"bond interface '{port.name}' misses the bond element")
        _check_bond(port.bond)


def _check_delay(text: str) -> None:
    try:
        delay = float(text)
    except ValueError:
        raise _wrong(f"the bridge's delay '{text}' is no number of seconds") from None
    if not 0 <= delay <= _LONGEST_DELAY:  # which NaN is not either
        raise _wrong(f"the bridge's delay {text} is not between 0 and 30 seconds")


def _check_bond(bond: Bond) -> None:
    for port in bond.interfaces:
        _check_port(port, "bond")
        if port.type != "ethernet":
            raise _wrong(f"a bond cannot have the {port.type} '{port.name}' as a part")
    miimon, arpmon = bond.miimon, bond.arpmon
    if arpmon.interval is None and arpmon.target is None:
        return
    if miimon.freq is not None:
        raise _wrong("a bond watches by miimon or by arpmon, not by both")
    if bond.mode in _NO_ARP:
        raise _wrong(f"a bond of mode {bond.mode} cannot watch by arpmon")
    if not arpmon.interval:
        raise _wrong("arpmon misses the interval attribute")
    if arpmon.target is None:
        raise _wrong("arpmon misses the target attribute")
    if _version(arpmon.target) != 4:
        raise _wrong(f"'{arpmon.target}' is no IPv4 address")


def _check_port(port: Port, whole: str) -> None:
    _check_name(port.name, f"a part of a {whole}")
    _check_mac(port.mac.address)


def _check_vlan(vlan: InterfaceVlan) -> None:
    _check_name(vlan.interface.name, "what carries a vlan")
    if vlan.tag_ not in _TAGS:
        raise _wrong(f"vlan tag {vlan.tag_} is not between 1 and 4094")


def _check_name(name: str | None, what: str) -> None:
    if not name:
        raise _wrong(f"{what} has no name")
    if not is_device_name(name):
        raise _wrong(f"'{name}' cannot be the name of {what}")


def _check_mac(address: str | None) -> None:
    if address is None:
        return
    if not _MAC.fullmatch(address):
        raise _wrong(f"'{address}' is no hardware address")
    if int(address[:2], 16) & 1:
        raise _wrong(f"'{address}' is the address of a group, not of a device")


def _check_protocol(protocol: Protocol) -> None:
    family = protocol.family or ""
    for ip in protocol.ips:
        _check_address(ip.address, family)
        if ip.prefix is not None and ip.prefix > _WIDTHS[family]:
            raise _wrong(f"a prefix of {ip.prefix} bits is too long for {family}")
    if protocol.route.gateway is not None:
        _check_address(protocol.route.gateway, family)
    if protocol.autoconf is not None and family == "ipv4":
        raise _wrong("autoconf is of ipv6 only")


def _check_address(text: str | None, family: str) -> None:
    if _version(text or "") != (4 if family == "ipv4" else 6):
        raise _wrong(f"'{text}' is no {family} address")


def _version(text: str) -> int:
    """4 or 6; 0 for what is no address, or one with a scope."""
    try:
        return 0 if "%" in text else ip_address(text).version
    except ValueError:
        return 0


def _wrong(what: str) -> XmlError:
    return XmlError(what, domain=ErrorDomain.INTERFACE)
