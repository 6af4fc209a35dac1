# SPDX-License-Identifier: Apache-2.0
"""Rules of the third layer: which packets they choose in each direction, and with which states.

What a rule says is turned for packets that go the other way: a rule for SSH to the guest also
speaks of the guest's answers. Where a rule does not say which connections it is for, one that
accepts in one direction lets new ones pass in that direction alone, and answers in the other. All
of this is as libvirt 9 does it; the tests compare.

:mod:`.iptables` and :mod:`.tracking` write such rules for the kernel.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple

from virloom.drivers.nwfilter.rules.tree import Placed, expanded, turned
from virloom.enums.error import ErrorDomain
from virloom.errors import InternalError

_DOMAIN = ErrorDomain.NWFILTER

#: What goes through a chain; libvirt begins the names of its chains so.
FROM_GUEST, TO_GUEST = "FI", "FO"
#: The chains by the way that packets go.
_CHAINS = {"out": FROM_GUEST, "in": TO_GUEST}

#: What chooses packets, beside their protocol and the hardware address that they come from.
_CHOICES = frozenset(
    ("srcipaddr", "dstipaddr", "srcipfrom", "dstipfrom", "srcportstart", "dstportstart", "dscp",
     "option", "flags", "type", "connlimit_above", "ipset")
)  # fmt: skip


class Connection(NamedTuple):
    """What a rule asks of a packet's connection.

    Attributes:
        states: Some of ``NEW``, ``ESTABLISHED``, ``RELATED``, ``INVALID``; none for any.
        direction: ``ORIGINAL`` for packets as that which began it, ``REPLY`` for others.
    """

    states: tuple[str, ...] = ()
    direction: str | None = None


_ANY = Connection()
_NEW = Connection(("NEW", "ESTABLISHED"))
_ORIGINAL = Connection(("NEW", "ESTABLISHED"), "ORIGINAL")
_REPLY = Connection(("ESTABLISHED",), "REPLY")


class PacketRule(NamedTuple):
    """A rule of one chain.

    Attributes:
        chain: :data:`FROM_GUEST` or :data:`TO_GUEST`.
        protocol: The element, by its name in the model.
        said: What it says of packets of that chain, normalized.
        negated: Each of these must differ, but for the protocol.
        connection: What it asks of the connection.
        verdict: ``accept``, ``drop``, ``reject`` or ``return``.
    """

    chain: str
    protocol: str
    said: Mapping[str, str]
    negated: bool
    connection: Connection
    verdict: str


def family_of(protocol: str) -> str:
    """``ipv4`` or ``ipv6``, by the element's name in the model."""
    return "ipv6" if protocol.endswith("v6") else "ipv4"


def packet_rules(placed: Sequence[Placed]) -> dict[str, list[PacketRule]]:
    """The rules of each family that has some, in their order.

    Those of filters whose chain is ``root`` come first; then their own priority counts, whatever
    that of their chain is.

    Raises:
        InternalError: A variable has no value, or a rule is one that packets cannot have.
    """
    made: dict[str, list[PacketRule]] = {}
    members = [one for one in placed if one.is_of_packets]
    for one in sorted(members, key=lambda one: (one.chain != "root", one.priority)):
        assert one.choice is not None
        made.setdefault(family_of(one.choice[0]), []).extend(_rules(one))
    return made


def _rules(one: Placed) -> Iterator[PacketRule]:
    assert one.choice is not None
    protocol, match = one.choice
    if one.rule.action == "continue":
        raise InternalError(f"<{protocol}> cannot have the action 'continue'", domain=_DOMAIN)
    for values in expanded(protocol, match, one.variables):
        for way, chain in _CHAINS.items():
            connection = _connection(one, values, way)
            is_turned = _is_turned(one, way)
            if connection is None or (is_turned and _is_of_sender_alone(values)):
                continue
            said = _turned(values) if is_turned else values
            verdict = one.rule.action or ""
            if verdict == "accept" and way == "out":
                verdict = "return"  # it may still be for another guest, whose rules come next
            yield PacketRule(chain, protocol, said, match.match == "no", connection, verdict)


def _turned(values: Mapping[str, str]) -> dict[str, str]:
    made = turned(values)
    if "ipsetflags" in made:
        flags = made["ipsetflags"].split(",")
        made["ipsetflags"] = ",".join("dst" if flag == "src" else "src" for flag in flags)
    return made


def _is_turned(one: Placed, way: str) -> bool:
    """A rule for both directions is written as it is for what is sent to the guest."""
    return way != ("in" if one.rule.direction == "inout" else one.rule.direction)


def _is_of_sender_alone(values: Mapping[str, str]) -> bool:
    """Whether the rule, turned, would choose all: packets do not have the receiver's address."""
    return "srcmacaddr" in values and _CHOICES.isdisjoint(values)


def _connection(one: Placed, values: Mapping[str, str], way: str) -> Connection | None:
    """What a rule asks of connections in one direction; None where it has no part there."""
    both, is_turned = one.rule.direction == "inout", _is_turned(one, way)
    if "connlimit_above" in values and is_turned:
        return None
    if "type" in values and (both or is_turned):
        return None  # an answer has another type
    stated = values.get("state") if one.rule.statematch != "false" else None
    if stated is not None and is_turned and not both:
        return None
    if "connlimit_above" in values and not both:
        return _ANY
    if stated is not None:
        return _ANY if stated == "NONE" else Connection(tuple(stated.split(",")))
    if one.rule.action != "accept" or both or one.rule.statematch == "false":
        return _ANY
    if "type" in values:
        return _NEW
    return _REPLY if is_turned else _ORIGINAL
