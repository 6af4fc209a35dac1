# SPDX-License-Identifier: Apache-2.0
"""Ports of the host that lead into a guest's user network, as passt and QEMU are told."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple

from virloom.enums.error import ErrorDomain
from virloom.errors import ConfigUnsupported
from virloom.model.domain.devices.interface_parts import PortForward, PortRange

_PORTS = range(1, 65536)
#: QEMU has each port told by itself; a socket listens for each.
_MOST_OF_QEMU = 1024


class Span(NamedTuple):
    """Ports of the host, and the first of those in the guest.

    Attributes:
        start, end: The first and the last; both are meant.
        to: Where the first leads to.
        exclude: Whether these are left out of all others.
    """

    start: int
    end: int
    to: int
    exclude: bool


def spans(forward: PortForward) -> list[Span]:
    """The ranges of a document.

    Raises:
        ConfigUnsupported: One has ports that there are not.
    """
    return [_span(one) for one in forward.ranges]


def _span(one: PortRange) -> Span:
    start = one.start or 0
    end = start if one.end is None else one.end
    to = start if one.to is None else one.to
    if start not in _PORTS or end not in _PORTS or end < start:
        raise _wrong(f"there are no ports {start} to {end} to forward")
    if to not in _PORTS or to + end - start not in _PORTS:
        raise _wrong(f"there are no ports from {to} on to forward {start} to {end} to")
    return Span(start, end, to, bool(one.exclude))


def passt_ports(forward: PortForward) -> str:
    """The value of passt's ``--tcp-ports`` or ``--udp-ports``: ``ADDRESS%DEVICE/SPANS``.

    Raises:
        ConfigUnsupported: A range has ports that there are not.
    """
    place = forward.address or ""
    if forward.dev:
        place += f"%{forward.dev}"
    told = ",".join(_passt_span(one) for one in spans(forward)) or "all"
    return f"{place}/{told}" if place else told


def _passt_span(one: Span) -> str:
    words = str(one.start) if one.end == one.start else f"{one.start}-{one.end}"
    if one.exclude:
        return f"~{words}"
    if one.to == one.start:
        return words
    last = one.to + one.end - one.start
    return f"{words}:{one.to}" if last == one.to else f"{words}:{one.to}-{last}"


def slirp_rules(forwards: Sequence[PortForward]) -> list[dict[str, str]]:
    """The value of ``hostfwd`` of QEMU's own user network.

    libvirt leaves the ports out in silence where there is no passt.

    Raises:
        ConfigUnsupported: It cannot do what is asked for.
    """
    rules = [rule for forward in forwards for rule in _rules(forward)]
    if len(rules) > _MOST_OF_QEMU:
        raise _wrong(f"QEMU forwards at most {_MOST_OF_QEMU} ports here, not {len(rules)}")
    return [{"str": rule} for rule in rules]


def _rules(forward: PortForward) -> Iterator[str]:
    if forward.dev or ":" in (forward.address or "") or not forward.ranges:
        raise _wrong("QEMU forwards ports by number, of IPv4 addresses only")
    asked = spans(forward)
    left_out = {port for one in asked if one.exclude for port in range(one.start, one.end + 1)}
    for one in asked:
        if one.exclude:
            continue
        for port in range(one.start, one.end + 1):
            if port not in left_out:
                inside = one.to + port - one.start
                yield f"{forward.proto}:{forward.address or ''}:{port}-:{inside}"


def _wrong(what: str) -> ConfigUnsupported:
    return ConfigUnsupported(
        what, domain=ErrorDomain.QEMU, remedy="<backend type='passt'/> may do it"
    )
