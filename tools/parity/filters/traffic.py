# SPDX-License-Identifier: Apache-2.0
"""The traffic that every filter meets: what a guest and its peer say, in turns."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from tools.parity.filters import frames as f
from tools.parity.filters.frames import GUEST, GUEST_IP, GUEST_IP6, PEER, PEER_IP, PEER_IP6, Frame

Made = Iterator[Frame]


def turns() -> list[list[Frame]]:
    """Lists of frames; those of one are sent, and waited for, before the next begins."""
    marks = (f"<{number:04d}>".encode() for number in range(10000))
    said = (_guest_begins, _peer_answers_and_begins, _guest_answers)
    return [list(one(lambda: next(marks))) for one in said]


def _guest_begins(mark: Callable[[], bytes]) -> Made:
    yield from _both_ways(mark, "out", GUEST, PEER, (GUEST_IP, PEER_IP), (GUEST_IP6, PEER_IP6))
    for name, source, mac in (
        ("a spoofed IP", "10.0.0.3", GUEST),
        ("another network", "10.1.2.3", GUEST),
        ("a spoofed MAC", GUEST_IP, f.OTHER),
    ):
        datagram = f.udp(5001, 53, mark(), source, PEER_IP)
        packet = f.ip(f.UDP, datagram, source, PEER_IP)
        yield Frame(f"UDP of {name}", "out", f.ethernet(0x800, packet, mac))
    discover = f.udp(68, 67, mark(), "0.0.0.0", "255.255.255.255")
    packet = f.ip(f.UDP, discover, "0.0.0.0", "255.255.255.255")
    yield Frame("DHCP", "out", f.ethernet(0x800, packet, target=f.ALL))
    for port in (22, 53):
        datagram = f.udp(5002, port, mark(), GUEST_IP, f.HOST_IP)
        packet = f.ip(f.UDP, datagram, target=f.HOST_IP)
        yield Frame(f"UDP to the host's {port}", "host", f.ethernet(0x800, packet, target=f.HOST))
    for port in range(1100, 1104):
        segment = f.tcp(port, 80, f.SYN, mark(), GUEST_IP, PEER_IP)
        yield Frame(f"TCP {port} begins to 80", "out", f.ethernet(0x800, f.ip(f.TCP, segment)))


def _peer_answers_and_begins(mark: Callable[[], bytes]) -> Made:
    yield from _answers(mark, "in", PEER, GUEST, (PEER_IP, GUEST_IP), (PEER_IP6, GUEST_IP6))
    yield from _both_ways(
        mark, "in", PEER, GUEST, (PEER_IP, GUEST_IP), (PEER_IP6, GUEST_IP6), base=2000
    )


def _guest_answers(mark: Callable[[], bytes]) -> Made:
    yield from _answers(
        mark, "out", GUEST, PEER, (GUEST_IP, PEER_IP), (GUEST_IP6, PEER_IP6), base=2000
    )


def _both_ways(
    mark: Callable[[], bytes], way: str, source: str, target: str,
    ends: tuple[str, str], ends6: tuple[str, str], base: int = 1000,
) -> Made:  # fmt: skip
    """A frame of each kind."""

    def frame(name: str, kind: int, payload: bytes, to: str = target) -> Frame:
        return Frame(name, way, f.ethernet(kind, payload, source, to))

    def packet(name: str, protocol: int, payload: bytes, tos: int = 0) -> Frame:
        return frame(name, 0x800, f.ip(protocol, payload, *ends, tos=tos))

    def packet6(name: str, protocol: int, payload: bytes) -> Frame:
        return frame(name, 0x86DD, f.ip(protocol, payload, *ends6))

    yield packet("TCP begins to 22", f.TCP, f.tcp(base, 22, f.SYN, mark(), *ends))
    yield packet("TCP goes on, unknown", f.TCP, f.tcp(base + 9, 25, f.ACK, mark(), *ends))
    for dport in (22, 53):
        yield packet(f"UDP to {dport}", f.UDP, f.udp(base, dport, mark(), *ends))
    yield packet("UDP to 99, DSCP 5", f.UDP, f.udp(base, 99, mark(), *ends), tos=20)
    yield packet("echo", f.ICMP, f.icmp(8, 0, mark(), base))
    yield packet("echo, code 1", f.ICMP, f.icmp(8, 1, mark(), base + 1))
    yield packet("unreachable", f.ICMP, f.icmp(3, 1, mark()))
    yield packet("ESP", 50, b"\0\0\1\0\0\0\0\1" + mark())
    yield packet("AH", 51, b"\x3b\2\0\0\0\0\0\1\0\0\0\1\0\0\0\0" + mark())
    yield packet("IGMP", 2, b"\x16\0\0\0" + mark())
    yield packet("UDP-Lite", 136, f.ports(base, 22) + b"\0\0\0\0" + mark())
    yield packet("SCTP", 132, f.ports(base, 22) + bytes(8) + b"\1\0\0\x14" + bytes(16) + mark())
    yield packet6("TCP6 begins to 22", f.TCP, f.tcp(base, 22, f.SYN, mark(), *ends6))
    yield packet6("UDP6 to 53", f.UDP, f.udp(base, 53, mark(), *ends6))
    yield packet6("echo6", f.ICMP6, f.icmp6(128, mark(), *ends6))
    yield packet6("ESP6", 50, b"\0\0\1\0\0\0\0\1" + mark())
    address, other = ends
    yield frame("ARP asks", 0x806, f.arp(1, source, address, other, mark()), f.ALL)
    yield frame("ARP announces", 0x806, f.arp(1, source, address, address, mark()), f.ALL)
    yield frame("ARP answers", 0x806, f.arp(2, source, address, other, mark()))
    yield frame("ARP of another", 0x806, f.arp(2, f.OTHER, "10.0.0.3", other, mark()))
    yield frame("RARP", 0x8035, f.arp(3, source, "0.0.0.0", "0.0.0.0", mark()), f.ALL)
    for number, inner in ((5, 0x800), (6, 0x806)):
        tag = number.to_bytes(2, "big") + inner.to_bytes(2, "big")
        yield frame(f"VLAN {number} with {inner:#x}", 0x8100, tag + mark())
    for kind in (0, 0x80):
        message = f.bridge_message(kind, mark())
        yield frame(f"STP {kind}", len(message), message, f.BRIDGES)
    yield frame("LLDP", 0x88CC, mark() * 4)


def _answers(
    mark: Callable[[], bytes], way: str, source: str, target: str,
    ends: tuple[str, str], ends6: tuple[str, str], base: int = 1000,
) -> Made:  # fmt: skip
    """What answers :func:`_both_ways`."""
    head = f.ethernet(0, b"", source, target)[:12]
    for name, protocol, payload in (
        ("TCP's answer", f.TCP, f.tcp(22, base, f.SYN | f.ACK, mark(), *ends)),
        ("UDP's answer of 22", f.UDP, f.udp(22, base, mark(), *ends)),
        ("UDP's answer of 53", f.UDP, f.udp(53, base, mark(), *ends)),
        ("echo's answer", f.ICMP, f.icmp(0, 0, mark(), base)),
    ):
        yield Frame(name, way, head + b"\x08\0" + f.ip(protocol, payload, *ends))
    for name, protocol, payload in (
        ("TCP6's answer", f.TCP, f.tcp(22, base, f.SYN | f.ACK, mark(), *ends6)),
        ("echo6's answer", f.ICMP6, f.icmp6(129, mark(), *ends6)),
    ):
        yield Frame(name, way, head + b"\x86\xdd" + f.ip(protocol, payload, *ends6))
