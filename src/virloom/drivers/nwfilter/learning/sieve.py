# SPDX-License-Identifier: Apache-2.0
"""Which frames of a port the kernel hands to us: programs of classic BPF (linux/filter.h).

What is for others never wakes the daemon, however much of it passes.
"""

from __future__ import annotations

import struct
from typing import NamedTuple

#: Operations of linux/bpf_common.h: ``ld``, ``ldh`` and ``ldb`` load 4, 2 and 1 bytes.
_LD, _LDH, _LDB = 0x20, 0x28, 0x30
_LD_X, _LDH_X = 0x40, 0x48  # from the offset in X on
_LDX_HEADER = 0xB1  # X = 4 * (byte & 15): the length of an IPv4 header
_JEQ, _JSET = 0x15, 0x45
_RET = 0x06

#: ``SKF_AD_OFF + SKF_AD_PKTTYPE``, and ``PACKET_OUTGOING`` of linux/if_packet.h: to the guest.
_PACKET_TYPE, _OUTGOING = 0xFFFFF004, 4
_IPV4, _ARP, _UDP = 0x800, 0x806, 17
_SERVER_PORT, _CLIENT_PORT = 67, 68
_ACCEPT, _DROP = "accept", "drop"


class _Step(NamedTuple):
    """An instruction, with labels to jump to; None goes on with the next one."""

    code: int
    value: int
    true: str | None = None
    false: str | None = None
    label: str | None = None


def frames_of_interest(mac: bytes, *, any_frame: bool) -> bytes:
    """The program for a guest's card, as an array of ``struct sock_filter``.

    It passes what servers of DHCP send to the guest, and of what the guest sends what it says to
    such servers; all of its ARP and IPv4 besides where *any_frame* is true.
    """
    high, low = int.from_bytes(mac[:4], "big"), int.from_bytes(mac[4:], "big")
    steps = [
        _Step(_LD, _PACKET_TYPE),
        _Step(_JEQ, _OUTGOING, "server"),
        _Step(_LD, 6),
        _Step(_JEQ, high, None, _DROP),
        _Step(_LDH, 10),
        _Step(_JEQ, low, None, _DROP),
        *(_any() if any_frame else _dhcp(_CLIENT_PORT, _SERVER_PORT, [])),
        _Step(_LDH, 12, label="server"),
        *_dhcp(_SERVER_PORT, _CLIENT_PORT, _hardware(high, low))[1:],
        _Step(_RET, 0xFFFF, label=_ACCEPT),
        _Step(_RET, 0, label=_DROP),
    ]
    return _assembled(steps)


def _any() -> list[_Step]:
    return [
        _Step(_LDH, 12),
        _Step(_JEQ, _IPV4, _ACCEPT),
        _Step(_JEQ, _ARP, _ACCEPT, _DROP),
    ]


def _dhcp(source: int, target: int, more: list[_Step]) -> list[_Step]:
    """From the type of the frame on; nothing of a packet but its first fragment."""
    return [
        _Step(_LDH, 12),
        _Step(_JEQ, _IPV4, None, _DROP),
        _Step(_LDB, 23),
        _Step(_JEQ, _UDP, None, _DROP),
        _Step(_LDH, 20),
        _Step(_JSET, 0x1FFF, _DROP),
        _Step(_LDX_HEADER, 14),
        _Step(_LDH_X, 14),
        _Step(_JEQ, source, None, _DROP),
        _Step(_LDH_X, 16),
        _Step(_JEQ, target, None if more else _ACCEPT, _DROP),
        *more,
    ]


def _hardware(high: int, low: int) -> list[_Step]:
    """``chaddr``, which says for whom a server's message is: also when it goes to all."""
    return [
        _Step(_LD_X, 14 + 8 + 28),
        _Step(_JEQ, high, None, _DROP),
        _Step(_LDH_X, 14 + 8 + 32),
        _Step(_JEQ, low, _ACCEPT, _DROP),
    ]


def _assembled(steps: list[_Step]) -> bytes:
    places = {step.label: place for place, step in enumerate(steps) if step.label}
    made = b""
    for place, step in enumerate(steps):
        true, false = (
            places[label] - place - 1 if label else 0 for label in (step.true, step.false)
        )
        made += struct.pack("=HBBI", step.code, true, false, step.value)
    return made
