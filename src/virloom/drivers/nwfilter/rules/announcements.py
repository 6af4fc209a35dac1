# SPDX-License-Identifier: Apache-2.0
"""Gratuitous ARP: frames that tell of the address that they ask for.

nftables cannot compare two fields of a frame. So a chain compares them bit by bit: two rules for
each of the 32 bits that addresses of IPv4 have, which ARP frames alone go through.
"""

from __future__ import annotations

from collections.abc import Iterator

from virloom.drivers.nwfilter.rules.commands import Expression, match, payload

#: Bits from the start of ARP's header (RFC 826): the sender's address, and the one asked for.
_SENDER, _TARGET, _LENGTH = 112, 192, 32


def announcements(verdict: Expression, *, negated: bool) -> list[list[Expression]]:
    """The rules of a chain that gives its verdict on gratuitous frames; *negated*: on others."""
    if negated:
        return [[*differing, verdict] for differing in _differing()]
    return [[*differing, {"return": None}] for differing in _differing()] + [[verdict]]


def _differing() -> Iterator[list[Expression]]:
    for bit in (1 << place for place in range(_LENGTH)):
        for sender, target in ((bit, 0), (0, bit)):
            yield [_bit(_SENDER, bit, sender), _bit(_TARGET, bit, target)]


def _bit(offset: int, bit: int, value: int) -> Expression:
    return match({"&": [payload(("nh", offset, _LENGTH)), bit]}, value)
