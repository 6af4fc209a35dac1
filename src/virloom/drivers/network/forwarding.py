# SPDX-License-Identifier: Apache-2.0
"""What is refused where a network leads, with libvirt's codes: before anything is filled in."""

from __future__ import annotations

from virloom.drivers.network.checks import parse_address
from virloom.enums.error import ErrorDomain
from virloom.errors import InternalError, XmlDetail, XmlError
from virloom.model.network import Network
from virloom.model.network.network import Forward, ForwardAddress, Nat, NatRange
from virloom.xml.kinds import parse_base0

#: Modes in which the host leads out, for which it must have an address in the network.
_ROUTED = ("nat", "route", "open")
#: Modes of networks whose bridge is their own; None is an isolated one.
_OWN = (None, "none", "nat", "route", "open")
_PORTS = 65535


def check_forward(model: Network) -> None:
    """Refuses a way out that contradicts itself.

    Raises:
        XmlError: Parts do not go together.
        XmlDetail: Ports are none.
        InternalError: A range of addresses is reversed (libvirt's code for it).
    """
    forward = model.forward
    mode = None if forward is None else forward.mode or "nat"
    if forward is not None:
        _check_devices(model, forward, mode)
        _check_nat(model, forward.nat, mode)
    if mode not in _OWN:
        _check_foreign(model, mode)
    if mode in _ROUTED and not model.ips:
        raise _error(model, f"{mode} forwarding needs an <ip>")


def _error(model: Network, what: str) -> XmlError:
    return XmlError(f"network '{model.name}': {what}", domain=ErrorDomain.NETWORK)


def _check_devices(model: Network, forward: Forward, mode: str | None) -> None:
    if len(forward.pfs) > 1:
        raise _error(model, "there is more than one <pf>")
    _check_names(model, forward)
    devices = forward.dev is not None or forward.interfaces
    if mode == "open" and devices:
        raise _error(model, "forward mode 'open' has no device")
    if mode == "bridge" and devices and model.bridge.name is not None:
        raise _error(model, "it has the name of a bridge, or devices, but not both")
    if mode in _ROUTED and len(forward.interfaces) > 1:
        raise _error(model, f"forward mode '{mode}' has one device")


def _check_names(model: Network, forward: Forward) -> None:
    """Devices have names, each its own; the one that is named by itself is the first of them."""
    names = [one.dev for one in forward.interfaces]
    if any(not one.dev for one in forward.pfs) or not all(names):
        raise _error(model, "a device of <forward> has no dev")
    for name in names:
        if names.count(name) > 1:
            raise _error(model, f"the device '{name}' of <forward> is listed twice")
    if forward.dev and names and names[0] != forward.dev:
        raise _error(model, f"<forward dev='{forward.dev}'> is not the first of its devices")
    for address in forward.addresses:
        if address.type is None:
            raise _error(model, "an <address> of <forward> has no type")
        _check_place(address)


def _check_place(address: ForwardAddress) -> None:
    """A PCI address is one (PCI Local Bus Specification 3.0, 3.2.2.3.2)."""
    for name, most in (("domain", 0xFFFF), ("bus", 0xFF), ("slot", 0x1F), ("function", 0xFF)):
        text = getattr(address, name) or "0"
        try:
            number = parse_base0(text)
        except ValueError as exc:
            raise XmlError(
                f"{name} '{text}' of a PCI address is not {exc}", domain=ErrorDomain.XML
            ) from exc
        if number > most:
            raise XmlError(
                f"{name} '{text}' of a PCI address is more than {most}", domain=ErrorDomain.NONE
            )


def _check_nat(model: Network, nat: Nat | None, mode: str | None) -> None:
    if nat is None:
        return
    if mode != "nat":
        raise _error(model, f"<nat> is for forward mode 'nat', not for '{mode}'")
    _check_addresses(model, nat.address)
    _check_ports(model, nat.port)


def _check_addresses(model: Network, pair: NatRange) -> None:
    if pair.start is None and pair.end is None:
        return
    start, end = parse_address(pair.start), parse_address(pair.end)
    if start is None or end is None or start.version != 4 or end.version != 4:
        raise _error(model, f"'{pair.start} - {pair.end}' in <nat> are no IPv4 addresses")
    if int(start) > int(end):
        raise InternalError(f"range {pair.start} - {pair.end} is reversed")


def _check_ports(model: Network, pair: NatRange) -> None:
    if pair.start is None and pair.end is None:
        return
    numbers = [int(text) if text and text.isdecimal() else -1 for text in (pair.start, pair.end)]
    start, end = numbers
    if not 0 <= start <= end <= _PORTS:
        raise XmlDetail(
            f"network '{model.name}': '{pair.start} - {pair.end}' in <nat> are no ports",
            domain=ErrorDomain.NETWORK,
        )


def _check_foreign(model: Network, mode: str | None) -> None:
    bridge = model.bridge
    if bridge.stp is not None or bridge.delay is not None or bridge.zone is not None:
        raise _error(model, f"STP, delay and zone of a bridge are not for mode '{mode}'")
    if model.mtu.size:
        raise _error(model, f"an MTU is not for mode '{mode}'")
