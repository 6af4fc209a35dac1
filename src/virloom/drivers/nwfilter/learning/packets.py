# SPDX-License-Identifier: Apache-2.0
"""Addresses in frames of a port: DHCP (RFC 2131, 2132), ARP (RFC 826) and IPv4 (RFC 791).

Whoever sends these frames is hostile: everything is bounded by the frame, and what is not whole
is nothing.
"""

from __future__ import annotations

from enum import IntEnum
from ipaddress import IPv4Address
from typing import NamedTuple

_IPV4, _ARP = b"\x08\x00", b"\x08\x06"
_ETHERNET = 14  # the length of its header
_BOOTP = 236  # the length of what stands before the options
_COOKIE = b"\x63\x82\x53\x63"
_PAD, _END = 0, 255
_LEASE_TIME, _KIND, _SERVER = 51, 53, 54
_MOST_OPTIONS = 128


class Kind(IntEnum):
    """Messages of DHCP that tell of leases (RFC 2132, 9.6)."""

    DECLINE = 4
    ACK = 5
    RELEASE = 7


class Message(NamedTuple):
    """A message of DHCP.

    Attributes:
        kind: What it is.
        hardware: The client's MAC address.
        client: The address that the client says it has.
        given: The address that the server gives.
        requested: The address that the client asks for, or declines.
        sender: The address that the packet is from.
        server: By which the server calls itself, in its option or its header.
        seconds: For how long; None where it does not say, 0xffffffff for ever.
    """

    kind: Kind
    hardware: bytes
    client: str
    given: str
    requested: str
    sender: str
    server: str
    seconds: int | None


def usable(address: str) -> bool:
    """Whether a guest may have it: of one host, on a network."""
    found = IPv4Address(address)
    return not (
        found.is_multicast or found.is_unspecified or found.is_loopback or found.is_reserved
    )


def sender_of(frame: bytes) -> str | None:
    """The IPv4 address that a guest uses as its own in a frame; None where it shows none."""
    kind, packet = frame[12:_ETHERNET], frame[_ETHERNET:]
    address = b""
    if kind == _ARP and len(packet) >= 28 and packet[:6] == b"\x00\x01\x08\x00\x06\x04":
        if packet[8:14] == frame[6:12]:  # who asks for somebody else shows nothing of itself
            address = packet[14:18]
    elif kind == _IPV4 and len(packet) >= 20 and packet[0] >> 4 == 4:
        address = packet[12:16]
    if len(address) != 4:
        return None
    text = str(IPv4Address(address))
    return text if usable(text) else None


def message_of(frame: bytes) -> Message | None:
    """The message of DHCP in a frame; None where there is none that tells of leases."""
    packet = frame[_ETHERNET:]
    if frame[12:_ETHERNET] != _IPV4 or len(packet) < 20 or packet[9] != 17:
        return None
    header = (packet[0] & 15) * 4
    body = packet[header + 8 :]
    if header < 20 or len(body) < _BOOTP + 4 or body[_BOOTP : _BOOTP + 4] != _COOKIE:
        return None
    if body[1] != 1 or body[2] != 6:  # not of Ethernet
        return None
    return _message(packet, body, _options(body[_BOOTP + 4 :]))


def _message(packet: bytes, body: bytes, options: dict[int, bytes]) -> Message | None:
    kind = options.get(_KIND, b"")
    if len(kind) != 1 or kind[0] not in Kind.__members__.values():
        return None
    seconds = options.get(_LEASE_TIME, b"")
    server = options.get(_SERVER, b"")
    return Message(
        kind=Kind(kind[0]),
        hardware=body[28:34],
        client=_text(body[12:16]),
        given=_text(body[16:20]),
        requested=_text(options.get(50, b"")),
        sender=_text(packet[12:16]),
        server=_text(server if len(server) == 4 else body[20:24]),
        seconds=int.from_bytes(seconds, "big") if len(seconds) == 4 else None,
    )


def _text(address: bytes) -> str:
    return str(IPv4Address(address)) if len(address) == 4 else "0.0.0.0"


def _options(data: bytes) -> dict[int, bytes]:
    """Options by their codes; the first of a code counts, and one that is cut off ends them."""
    made: dict[int, bytes] = {}
    at = 0
    for _ in range(_MOST_OPTIONS):
        while at < len(data) and data[at] == _PAD:
            at += 1
        if at + 2 > len(data) or data[at] == _END:
            break
        code, length = data[at], data[at + 1]
        value = data[at + 2 : at + 2 + length]
        if len(value) < length:
            break
        made.setdefault(code, value)
        at += 2 + length
    return made
