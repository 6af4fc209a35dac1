# SPDX-License-Identifier: Apache-2.0
"""Checks of network interfaces: the other end by type, addresses, port options."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Iterator

from virloom.drivers.qemu.validate.switch_ports import check_given_port
from virloom.drivers.runtime.traffic_rules import check_bandwidth
from virloom.enums.error import ErrorDomain
from virloom.errors import ConfigUnsupported, InternalError, InvalidArg, XmlError
from virloom.model.domain import Interface, InterfaceIp, Route

#: What the source of each type has to name, in the order of libvirt's complaints.
_NEEDS = {
    "network": ("network",),
    "bridge": ("bridge",),
    "direct": ("dev",),
    "internal": ("name",),
    "vdpa": ("dev",),
    "vhostuser": ("type", "path", "mode"),
    "udp": ("address", "port"),
    "client": ("address", "port"),
    "mcast": ("address", "port"),
    "server": ("port",),
}
_MODES = {
    "direct": ("vepa", "private", "bridge", "passthrough"),
    "vhostuser": ("server", "client"),
}
#: Names of drivers, of a card that is the host's and of the part of a virtio one that is.
_DRIVERS, _BACK_ENDS = ("kvm", "vfio", "xen"), ("qemu", "vhost")
_COALESCING = ("network", "bridge")
_VIRTIO_MODELS = ("virtio", "virtio-transitional", "virtio-non-transitional")
_MAC = re.compile(r"[0-9a-fA-F]{1,2}(:[0-9a-fA-F]{1,2}){5}")
_MODEL = re.compile(r"[A-Za-z0-9_-]+")
_LARGEST_PREFIX = {4: 32, 6: 128}
_SLIRP_PREFIXES = range(4, 28)


def check_given_interface(interface: Interface) -> None:
    """An interface as the document has it.

    Raises:
        XmlError: It lacks what its type needs, or a value is none.
        ConfigUnsupported: It asks for what its type does not have.
        InternalError: A vhost-user interface is not a virtio one (libvirt's code for it).
        InvalidArg: Its model cannot be one.
    """
    check_given_mac(interface)
    _check_model(interface)
    for message, domain in _missing(interface):
        raise XmlError(f"interface of type '{interface.type}': {message}", domain=domain)
    for message in _contradictions(interface):
        raise XmlError(
            f"interface of type '{interface.type}': {message}", domain=ErrorDomain.DOMAIN
        )
    for message in _unsupported(interface):
        raise ConfigUnsupported(
            f"interface of type '{interface.type}': {message}", domain=ErrorDomain.DOMAIN
        )
    check_given_port(interface)
    check_bandwidth(interface.bandwidth)
    inbound = interface.bandwidth.inbound if interface.bandwidth is not None else None
    if inbound is not None and inbound.floor is not None and interface.type != "network":
        raise ConfigUnsupported(
            f"interface of type '{interface.type}': only a network is sure of a rate",
            domain=ErrorDomain.NONE,
        )
    model = interface.model.type
    if interface.type == "vhostuser" and model not in _VIRTIO_MODELS:
        raise InternalError(
            f"a vhost-user interface has a virtio model, not '{model}'", domain=ErrorDomain.DOMAIN
        )


def check_given_mac(interface: Interface) -> None:
    """The hardware address, if the document has one.

    Raises:
        XmlError: No card can have it.
    """
    mac = interface.mac.address
    if mac is None:
        return
    if not _MAC.fullmatch(mac):
        raise XmlError(f"'{mac}' is not a MAC address", domain=ErrorDomain.DOMAIN)
    if int(mac.split(":")[0], 16) & 1:
        raise XmlError(
            f"MAC address '{mac}' is a multicast one, which no card can have",
            domain=ErrorDomain.DOMAIN,
        )


def _check_model(interface: Interface) -> None:
    model = interface.model.type
    if model is not None and not _MODEL.fullmatch(model):
        raise InvalidArg(
            f"interface model '{model}' has characters other than letters, digits, _ and -",
            domain=ErrorDomain.DOMAIN,
        )


def _missing(interface: Interface) -> Iterator[tuple[str, ErrorDomain]]:
    """What a card lacks, and whose error that is: an attribute is the XML reader's."""
    there = "source" in interface.__dict__
    source, kind = interface.source, interface.type or ""
    for name in _NEEDS.get(kind, ()):
        if getattr(source, name) is None:
            yield f"<source> has no {name}", ErrorDomain.XML if there else ErrorDomain.DOMAIN
    names = _DRIVERS if kind == "hostdev" else _BACK_ENDS
    if interface.driver.name not in (None, *names) and _has_driver(interface):
        yield f"driver '{interface.driver.name}' is not one of {', '.join(names)}", ErrorDomain.XML
    for message in _lacking(interface):
        yield message, ErrorDomain.DOMAIN


def _has_driver(interface: Interface) -> bool:
    """Whether anybody looks at what its driver is called."""
    return interface.type == "hostdev" or (interface.model.type or "").startswith("virtio")


def _lacking(interface: Interface) -> Iterator[str]:
    source, kind = interface.source, interface.type or ""
    if kind == "hostdev":
        if source.host_address is None:
            yield "<source> has no address of a host device"
        elif source.host_address.type is None:
            yield "the address of a host device has no type"
    modes = _MODES.get(kind)
    if modes is not None and source.mode is not None and source.mode not in modes:
        yield f"mode '{source.mode}' is not one of {', '.join(modes)}"
    if kind == "udp":
        local = source.local
        if local is None or local.address is None or local.port is None:
            yield "<source> has no <local> with address and port"
    if kind == "vhostuser" and source.reconnect.enabled and source.reconnect.timeout is None:
        yield "<reconnect> that is enabled has no timeout"


def _contradictions(interface: Interface) -> Iterator[str]:
    for owner in (interface, interface.source):
        for ip in owner.ips:
            yield from _wrong_ip(ip)
        for route in owner.routes:
            yield from _wrong_route(route)
    for forward in interface.port_forwards:
        if forward.proto is None:
            yield "<portForward> has no proto"
        if forward.address is not None and _ip(forward.address) is None:
            yield f"address '{forward.address}' of <portForward> is none"
        for span in forward.ranges:
            if span.start is None:
                yield "a <range> has no start"
            elif span.exclude and span.to is not None:
                yield "a <range> that is left out leads nowhere"


def _ip(text: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    try:
        return ipaddress.ip_address(text)
    except ValueError:
        return None


def _wrong_ip(ip: InterfaceIp) -> Iterator[str]:
    if ip.address is None:
        yield "<ip> has no address"
        return
    address = _ip(ip.address)
    if address is None:
        yield f"address '{ip.address}' of <ip> is none"
        return
    if ip.family is not None and ip.family != f"ipv{address.version}":
        yield f"address '{ip.address}' is not of family '{ip.family}'"
    if ip.prefix is not None and ip.prefix > _LARGEST_PREFIX[address.version]:
        yield f"prefix {ip.prefix} of <ip>: at most {_LARGEST_PREFIX[address.version]}"
    if ip.peer is not None and _ip(ip.peer) is None:
        yield f"peer '{ip.peer}' of <ip> is no address"


def _wrong_route(route: Route) -> Iterator[str]:
    for what, text in (("address", route.address), ("gateway", route.gateway)):
        if text is None:
            yield f"<route> has no {what}"
        elif _ip(text) is None:
            yield f"{what} '{text}' of <route> is none"
    if route.metric == 0:
        yield "the metric of a <route> counts from 1"


def _unsupported(interface: Interface) -> Iterator[str]:
    source, kind = interface.source, interface.type
    if kind == "vhostuser":
        if source.type != "unix":
            yield f"source type '{source.type}'; there is unix"
        if source.mode == "server" and source.reconnect.enabled:
            yield "one that serves does not connect again"
    rom = interface.rom
    if rom.enabled is False and (rom.bar is not None or rom.file):
        yield "a ROM that is not enabled is not tuned"
    teaming = interface.teaming
    if teaming is not None:
        yield from _teaming(interface)
    if interface.target.managed is not None and kind != "ethernet":
        yield "managed is said of the device of type 'ethernet' only"
    if interface.backend.type == "passt" and kind != "user":
        yield "passt is a back end of type 'user'"


def _teaming(interface: Interface) -> Iterator[str]:
    teaming = interface.teaming
    assert teaming is not None
    if teaming.type == "transient" and not teaming.persistent:
        yield "a transient card of a team names the persistent one"
    if teaming.type == "persistent" and teaming.persistent:
        yield "a persistent card of a team names no other"


def check_interface(interface: Interface) -> None:
    """What QEMU does not do of a completed interface.

    Raises:
        ConfigUnsupported: It asks for it.
        XmlError: The network of a user interface is too large or too small.
    """
    for message in _by_qemu(interface):
        raise ConfigUnsupported(
            f"interface of type '{interface.type}': {message}", domain=ErrorDomain.QEMU
        )
    if interface.type == "user":
        for ip in interface.ips:
            address = _ip(ip.address or "")
            four = address is not None and address.version == 4
            if four and ip.prefix and ip.prefix not in _SLIRP_PREFIXES:
                raise XmlError(
                    f"the network of a user interface has a prefix of 4 to 27, not {ip.prefix}",
                    domain=ErrorDomain.QEMU,
                )


def _by_qemu(interface: Interface) -> Iterator[str]:
    kind, model, driver = interface.type, interface.model.type, interface.driver
    if kind == "user":
        yield from _user(interface)
    elif interface.ips or interface.routes:
        yield "QEMU sets no address within the guest"
    if kind == "vdpa" and model not in _VIRTIO_MODELS:
        yield f"model '{model}' is no virtio one"
    if interface.coalesce is not None and kind not in _COALESCING:
        yield "its interrupts cannot be coalesced"
    if model in _VIRTIO_MODELS:
        for name in ("rx_queue_size", "tx_queue_size"):
            size = getattr(driver, name)
            if size and size & (size - 1):
                yield f"{name} {size} is not a power of two"
    teaming = interface.teaming
    if teaming is not None and teaming.type == "persistent" and model not in _VIRTIO_MODELS:
        yield f"a persistent card of a team is a virtio one, not '{model}'"


def _user(interface: Interface) -> Iterator[str]:
    if interface.routes:
        yield "QEMU sets no route within the guest"
    seen: set[int] = set()
    for ip in interface.ips:
        address = _ip(ip.address or "")
        if address is None:
            continue
        if ip.peer is not None:
            yield "QEMU's own network has no peer"
        if address.version in seen:
            yield f"QEMU's own network has one IPv{address.version} address"
        seen.add(address.version)
