# SPDX-License-Identifier: Apache-2.0
"""Frames made by hand: each carries a mark of its own, by which it is known where it arrives.

Layouts are those of IEEE 802.3, 802.1Q and 802.1D and of RFC 791, 792, 793, 768, 826, 4302, 4303,
4443 and 8200; checksums are right, as the kernel drops or does not follow what is wrong.
"""

from __future__ import annotations

from ipaddress import ip_address
from typing import NamedTuple

GUEST, PEER, OTHER, HOST = (f"52:54:00:00:00:{end}" for end in ("01", "02", "03", "fe"))
ALL, BRIDGES = "ff:ff:ff:ff:ff:ff", "01:80:c2:00:00:00"
GUEST_IP, PEER_IP, HOST_IP = "10.0.0.1", "10.0.0.9", "192.0.2.1"
GUEST_IP6, PEER_IP6 = "fe80::1", "fe80::9"
TCP, UDP, ICMP, ICMP6 = 6, 17, 1, 58
#: Bits of TCP's flags.
SYN, ACK = 2, 16


class Frame(NamedTuple):
    """A frame to be sent.

    Attributes:
        name: What it is, for people.
        way: ``out`` from the guest to the peer, ``in`` to the guest, ``host`` from the guest to
            the host.
        data: All of it.
    """

    name: str
    way: str
    data: bytes


def ethernet(kind: int, payload: bytes, source: str = GUEST, target: str = PEER) -> bytes:
    """A frame of IEEE 802.3; *kind* is its type, or its length."""
    ends = bytes.fromhex((target + source).replace(":", ""))
    return (ends + kind.to_bytes(2, "big") + payload).ljust(60, b"\0")


def checksum(data: bytes) -> bytes:
    """That of the Internet, RFC 1071."""
    data += b"\0" * (len(data) % 2)
    total = sum(int.from_bytes(data[at : at + 2], "big") for at in range(0, len(data), 2))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return (~total & 0xFFFF).to_bytes(2, "big")


def ip(
    protocol: int, payload: bytes, source: str = GUEST_IP, target: str = PEER_IP, tos: int = 0
) -> bytes:
    """A packet of the version that the addresses are of; *payload* has its checksum."""
    ends = ip_address(source).packed + ip_address(target).packed
    if len(ends) == 32:
        head = (0x60000000 | tos << 20).to_bytes(4, "big") + len(payload).to_bytes(2, "big")
        return head + bytes((protocol, 64)) + ends + payload
    head = bytes((0x45, tos)) + (20 + len(payload)).to_bytes(2, "big") + b"\0\0\x40\0"
    head += bytes((64, protocol))
    return head + checksum(head + b"\0\0" + ends) + ends + payload


def summed(protocol: int, payload: bytes, at: int, source: str, target: str) -> bytes:
    """*payload* with the checksum at *at* that speaks of the addresses too."""
    ends = ip_address(source).packed + ip_address(target).packed
    pseudo = ends + len(payload).to_bytes(4, "big") + protocol.to_bytes(4, "big")
    value = checksum(pseudo + payload)
    return payload[:at] + value + payload[at + 2 :]


def tcp(sport: int, dport: int, flags: int, mark: bytes, source: str, target: str) -> bytes:
    """A segment with the mark as its data."""
    head = (
        ports(sport, dport) + (1).to_bytes(4, "big") + (2 if flags & ACK else 0).to_bytes(4, "big")
    )
    made = head + bytes((0x50, flags)) + b"\x20\0\0\0\0\0" + mark
    return summed(TCP, made, 16, source, target)


def udp(sport: int, dport: int, mark: bytes, source: str, target: str) -> bytes:
    """A datagram with the mark as its data."""
    made = ports(sport, dport) + (8 + len(mark)).to_bytes(2, "big") + b"\0\0" + mark
    return summed(UDP, made, 6, source, target)


def icmp(kind: int, code: int, mark: bytes, number: int = 7) -> bytes:
    """A message of ICMP for IPv4; *number* is that of an echo."""
    body = number.to_bytes(2, "big") + b"\0\1" + mark
    head = bytes((kind, code))
    return head + checksum(head + b"\0\0" + body) + body


def icmp6(kind: int, mark: bytes, source: str, target: str) -> bytes:
    """A message of ICMP for IPv6."""
    return summed(ICMP6, bytes((kind, 0, 0, 0, 0, 7, 0, 1)) + mark, 2, source, target)


def ports(sport: int, dport: int) -> bytes:
    """What begins TCP, UDP, UDP-Lite and SCTP."""
    return sport.to_bytes(2, "big") + dport.to_bytes(2, "big")


def arp(operation: int, mac: str, sender: str, target: str, mark: bytes) -> bytes:
    """What ARP and RARP carry, the mark behind it."""
    head = bytes.fromhex("000108000604") + operation.to_bytes(2, "big")
    hardware = bytes.fromhex(mac.replace(":", ""))
    ends = hardware + ip_address(sender).packed + bytes(6) + ip_address(target).packed
    return head + ends + mark


def bridge_message(kind: int, mark: bytes, cost: int = 0x11223344) -> bytes:
    """What bridges send to each other: 0 a configuration, 0x80 a change of the topology."""
    head = bytes.fromhex("424203000000") + bytes((kind,))
    if kind:
        return head + mark
    root = bytes.fromhex("80000605040302010000"[:16])
    sender = bytes.fromhex("1234060504030201")
    times = b"".join(value.to_bytes(2, "big") for value in (123, 256, 5120, 512, 3840))
    return head + b"\x01" + root + cost.to_bytes(4, "big") + sender + times + mark
