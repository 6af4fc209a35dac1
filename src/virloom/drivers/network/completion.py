# SPDX-License-Identifier: Apache-2.0
"""From a client's document to a network: completed and checked."""

from __future__ import annotations

from uuid import uuid4

from virloom.drivers.network.checks import check_network
from virloom.drivers.network.forwarding import check_forward
from virloom.model.network import Network
from virloom.model.network.network import DhcpHost, DhcpRange, ForwardAddress, ForwardInterface
from virloom.xml import parse_document
from virloom.xml.kinds import parse_base0

#: Networks of these have a bridge of their own.
OWN_BRIDGE = (None, "nat", "route", "open")


def parse_network(text: str, *, validate: bool = False) -> Network:
    """The network that a document describes, complete.

    Raises:
        XmlError: It is malformed, or no network's.
        VirloomError: It contradicts itself.
    """
    model = parse_document(Network, text, validate=validate)
    complete(model)
    return model


def complete(model: Network) -> None:
    """Fills in what a parsed document leaves out, in place, and checks it.

    Raises:
        VirloomError: It contradicts itself.
    """
    model.uuid = model.uuid or str(uuid4())
    model.connections = None
    model.mtu.size = model.mtu.size or None
    check_forward(model)
    _fill_forward(model)
    _name_space(model)
    check_network(model)
    fill_addresses(model)
    mode = forward_mode(model)
    bridge = model.bridge
    if mode in OWN_BRIDGE:
        bridge.stp = True if bridge.stp is None else bridge.stp
        bridge.delay = bridge.delay or 0
    elif bridge.name is not None:
        bridge.stp = bridge.delay = None
    if model.mac.address is not None:
        model.mac.address = model.mac.address.lower()


def forward_mode(model: Network) -> str | None:
    """Where the network leads; None where it is isolated."""
    return model.forward.mode if model.forward is not None else None


def fill_addresses(model: Network) -> None:
    """Says of what is given to guests what a document may leave out, in place."""
    for ip in model.ips:
        if ip.dhcp is None:
            continue
        given: list[DhcpRange | DhcpHost] = [*ip.dhcp.ranges, *ip.dhcp.hosts]
        for one in given:
            if one.lease is not None and one.lease.expiry:
                one.lease.unit = one.lease.unit or "minutes"
            elif one.lease is not None and one.lease.expiry is None:
                one.lease = None
            elif one.lease is not None:
                one.lease.unit = None  # for ever, in any unit
        if not (ip.dhcp.ranges or ip.dhcp.hosts or ip.dhcp.bootp):
            ip.dhcp = None


def _fill_forward(model: Network) -> None:
    forward = model.forward
    if forward is None:
        return
    forward.mode = forward.mode or "nat"
    if forward.mode == "none":
        model.forward = None
        return
    for device in (*forward.interfaces, *forward.pfs):
        device.connections = None
    if forward.dev is not None and not any(one.dev == forward.dev for one in forward.interfaces):
        forward.interfaces.insert(0, ForwardInterface(dev=forward.dev))
    if forward.interfaces and not forward.pfs:
        forward.dev = forward.interfaces[0].dev
    for address in forward.addresses:
        address.connections = None
        _fill_address(address)


def _name_space(model: Network) -> None:
    """The name space of dnsmasq's options is declared once, above them."""
    for options in model.dnsmasq_options:
        for name in [name for name in options.attributes if name.startswith("xmlns")]:
            model.xmlns_dnsmasq = model.xmlns_dnsmasq or options.attributes[name]
            del options.attributes[name]


def _fill_address(address: ForwardAddress) -> None:
    """The numbers of a PCI address, in libvirt's width."""
    for name, width in (("domain", 4), ("bus", 2), ("slot", 2), ("function", 1)):
        text = getattr(address, name)
        if text is not None:
            setattr(address, name, f"0x{parse_base0(text):0{width}x}")
