# SPDX-License-Identifier: Apache-2.0
"""What ports are to have in the kernel, in place of what they have."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from virloom.drivers.nwfilter.rules.commands import Command
from virloom.drivers.nwfilter.rules.packets import PacketRule

FAMILIES = ("ipv4", "ipv6")


@dataclass(frozen=True)
class Transaction:
    """The rules of some ports; ``a + b`` is both at once, and what *b* says of a port counts.

    Attributes:
        commands: For ``nft -j -f -``: the rules of frames.
        packets: By family and port, the rules of packets; None takes all away. Which of the
            kernel's filters has them is for :mod:`.loading` to say.
    """

    commands: list[Command] = field(default_factory=list)
    packets: Mapping[str, Mapping[str, list[PacketRule] | None]] = field(default_factory=dict)

    def __add__(self, other: Transaction) -> Transaction:
        packets = {
            family: {**self.packets.get(family, {}), **other.packets.get(family, {})}
            for family in FAMILIES
        }
        return Transaction([*self.commands, *other.commands], packets)
