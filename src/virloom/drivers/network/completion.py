# SPDX-License-Identifier: Apache-2.0
"""From a client's document to a network: completed and checked."""

from __future__ import annotations

from collections.abc import Iterator
from uuid import uuid4

from virloom.drivers.network.checks import check_network
from virloom.drivers.network.forwarding import check_forward
from virloom.drivers.runtime.traffic_rules import check_bandwidth, check_vlan, complete_vlan
from virloom.enums.error import ErrorDomain
from virloom.errors import InternalError, XmlError
from virloom.model.network import Network
from virloom.model.network.names import Dns
from virloom.model.network.network import (
    DhcpHost,
    DhcpRange,
    ForwardAddress,
    ForwardInterface,
    PortGroup,
)
from virloom.model.network.traffic import Bandwidth
from virloom.model.traffic import Rate
from virloom.xml import holds, parse_document
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
    model.ipv6 = model.ipv6 or None
    model.mac.address = model.mac.address or None
    check_forward(model)
    _fill_forward(model)
    check_network(model)
    if any(option.value is None for option in model.dnsmasq.options):
        raise InternalError("an option of dnsmasq has no value", domain=ErrorDomain.NETWORK)
    _check_traffic(model)
    fill_addresses(model)
    _drop_empty(model)
    mode = forward_mode(model)
    bridge = model.bridge
    if mode in OWN_BRIDGE:
        bridge.stp = True if bridge.stp is None else bridge.stp
        bridge.delay = bridge.delay or 0
    elif bridge.name is not None:
        bridge.stp = bridge.delay = None
    if model.mac.address is not None:
        parts = model.mac.address.lower().split(":")
        model.mac.address = ":".join(part.rjust(2, "0") for part in parts)


def parts_with_traffic(model: Network) -> Iterator[Network | PortGroup]:
    """The network and its classes of ports."""
    yield model
    yield from model.portgroups


def _rates(bandwidth: Bandwidth | None) -> Iterator[Rate]:
    if bandwidth is not None:
        yield from (rate for rate in (bandwidth.inbound, bandwidth.outbound) if rate is not None)


def says_nothing(dns: Dns | None) -> bool:
    """Whether names are served as if nobody had said anything of them."""
    return dns is None or (
        dns.enable is None and dns.forward_plain_names is None and not holds(dns)
    )


def _check_traffic(model: Network) -> None:
    """Refuses rates, VLANs and virtual ports that are none."""
    for part in parts_with_traffic(model):
        check_bandwidth(part.bandwidth)
        check_vlan(part.vlan)
        complete_vlan(part.vlan)
    port = model.virtualport
    if port is not None and port.type is None:
        raise XmlError("<virtualport> has no type", domain=ErrorDomain.NONE)
    if not all(group.name for group in model.portgroups):
        raise XmlError(
            f"a port group of network '{model.name}' has no name", domain=ErrorDomain.NETWORK
        )


def _drop_empty(model: Network) -> None:
    """Forgets elements that say nothing, in place."""
    if model.domain.name is None:
        model.domain.local_only = None
    if says_nothing(model.dns):
        model.dns = None
    for srv in model.dns.srvs if model.dns is not None else ():
        srv.priority, srv.weight = srv.priority or None, srv.weight or None
    for part in parts_with_traffic(model):
        if part.bandwidth is not None:
            part.bandwidth = _said(part.bandwidth)
        if part.virtualport is not None and not holds(part.virtualport):
            part.virtualport = None


def _said(bandwidth: Bandwidth) -> Bandwidth | None:
    """The same without what is 0; its element stays, as by libvirt, when no rate does."""
    if not holds(bandwidth):
        return None
    for side in ("inbound", "outbound"):
        rate: Rate | None = getattr(bandwidth, side)
        if rate is not None:
            rate.peak, rate.burst = rate.peak or None, rate.burst or None
            rate.floor = rate.floor or None
            setattr(bandwidth, side, rate if rate.average or rate.floor else None)
    return bandwidth


def forward_mode(model: Network) -> str | None:
    """Where the network leads; None where it is isolated."""
    return model.forward.mode if model.forward is not None else None


def fill_addresses(model: Network) -> None:
    """Says of what is given to guests what a document may leave out, in place."""
    for ip in model.ips:
        ip.prefix, ip.tftp.root = ip.prefix or None, ip.tftp.root or None
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
        if ip.dhcp.bootp is not None and not ip.dhcp.bootp.file:
            ip.dhcp.bootp = None
        if not (given or ip.dhcp.bootp):
            ip.dhcp = None


def _fill_forward(model: Network) -> None:
    forward = model.forward
    if forward is None:
        return
    forward.mode = forward.mode or "nat"
    forward.dev = forward.dev or None
    forward.managed = bool(forward.managed) if forward.mode == "hostdev" else None
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


def _fill_address(address: ForwardAddress) -> None:
    """The numbers of a PCI address, in libvirt's width."""
    for name, width in (("domain", 4), ("bus", 2), ("slot", 2), ("function", 1)):
        text = getattr(address, name)
        if text is not None:
            setattr(address, name, f"0x{parse_base0(text):0{width}x}")
