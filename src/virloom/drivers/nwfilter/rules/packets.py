# SPDX-License-Identifier: Apache-2.0
"""Rules of the third layer as those of iptables: in which chains, and with which states.

What a rule says is turned for frames that go the other way: a rule for SSH to the guest also speaks
of the guest's answers. Where a rule does not say which connections it is for, one that accepts in
one direction lets new ones pass in that direction alone, and answers in the other. All of this is
as libvirt 9 does it; the tests compare.

A rule becomes words of a command line of ``iptables-restore``; options are those of
``iptables-extensions(8)``.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple

from virloom.drivers.nwfilter.rules.tree import Placed, expanded, turned
from virloom.enums.error import ErrorDomain
from virloom.errors import InternalError

_DOMAIN = ErrorDomain.NWFILTER

#: Beginnings of names of chains, and what goes through them.
FROM_GUEST, TO_GUEST, TO_HOST = "FI", "FO", "HI"
#: The chains by the way that packets go.
_CHAINS = {"out": FROM_GUEST, "in": TO_GUEST}

_NEW = ("-m", "conntrack", "--ctstate", "NEW,ESTABLISHED")
_ORIGINAL = (*_NEW, "-m", "conntrack", "--ctdir", "ORIGINAL")
_REPLY = ("-m", "conntrack", "--ctstate", "ESTABLISHED", "-m", "conntrack", "--ctdir", "REPLY")


class PacketRule(NamedTuple):
    """A rule of one chain.

    Attributes:
        chain: What the chain's name begins with.
        words: What follows it, as arguments that are not quoted yet.
    """

    chain: str
    words: tuple[str, ...]


def family_of(protocol: str) -> str:
    """``ipv4`` or ``ipv6``, by the element's name in the model."""
    return "ipv6" if protocol.endswith("v6") else "ipv4"


def packet_rules(placed: Sequence[Placed]) -> dict[str, list[PacketRule]]:
    """The rules of each family that has some, in their order.

    Those of filters whose chain is ``root`` come first; then their own priority counts, whatever
    that of their chain is.

    Raises:
        InternalError: A variable has no value, or a rule is one that iptables does not have.
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
            states = _states(one, values, way)
            if states is None:
                continue
            is_turned = _is_turned(one, way)
            words = _matches(protocol, values, is_turned=is_turned, negated=match.match == "no")
            if words is not None:
                yield PacketRule(chain, (*words, *states, *_target(one, way)))


def _is_turned(one: Placed, way: str) -> bool:
    """A rule for both directions is written as it is for what is sent to the guest."""
    return way != ("in" if one.rule.direction == "inout" else one.rule.direction)


def _target(one: Placed, way: str) -> tuple[str, str]:
    action = one.rule.action or ""
    if action == "accept" and way == "out":
        return ("-j", "RETURN")  # it may still be for another guest, whose rules come next
    return ("-j", action.upper())


def _states(one: Placed, values: Mapping[str, str], way: str) -> tuple[str, ...] | None:
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
        return ()
    if stated is not None:
        return () if stated == "NONE" else ("-m", "conntrack", "--ctstate", stated)
    if one.rule.action != "accept" or both or one.rule.statematch == "false":
        return ()
    if "type" in values:
        return _NEW
    return _REPLY if is_turned else _ORIGINAL


def _matches(
    protocol: str, values: Mapping[str, str], *, is_turned: bool, negated: bool
) -> tuple[str, ...] | None:
    """The words by which packets are chosen; None for a rule that, turned, would choose all.

    That is one by the sender's hardware address alone: iptables has no match for the receiver's.
    """
    said = turned(values) if is_turned else values
    no = ("!",) if negated else ()
    name = protocol.removesuffix("_ipv6")
    head = () if name == "all" else ("-p", name)
    made: list[str] = []
    for side in ("src", "dst"):
        made += _addresses(said, side, no)
    if "dscp" in said:
        made += ["-m", "dscp", *no, "--dscp", _decimal(said["dscp"])]
    made += _ports(said, no)
    if "flags" in said:
        made += [*no, "--tcp-flags", *said["flags"].split("/")]
    if "type" in said:
        kind = "/".join(_decimal(said[part]) for part in ("type", "code") if part in said)
        made += [*no, "--icmpv6-type" if name == "icmpv6" else "--icmp-type", kind]
    if "connlimit_above" in said:
        made += ["-m", "connlimit", *no, "--connlimit-above", said["connlimit_above"]]
    if "ipset" in said:
        flags = said["ipsetflags"]
        flags = ",".join(_other(one) for one in flags.split(",")) if is_turned else flags
        made += ["-m", "set", *no, "--match-set", said["ipset"], flags]
    if is_turned and "srcmacaddr" in values and not made:
        return None
    mac = ("-m", "mac", *no, "--mac-source", said["srcmacaddr"]) if "srcmacaddr" in said else ()
    comment = ("-m", "comment", "--comment", said["comment"]) if "comment" in said else ()
    return (*head, *mac, *made, *comment)


def _other(flag: str) -> str:
    return "dst" if flag == "src" else "src"


def _addresses(said: Mapping[str, str], side: str, no: tuple[str, ...]) -> list[str]:
    """One address, a network or a range; a mask or an end by itself says nothing."""
    made: list[str] = []
    address, first = said.get(f"{side}ipaddr"), said.get(f"{side}ipfrom")
    if address is not None:
        mask = said.get(f"{side}ipmask")
        made += [*no, f"-{side[0]}", address if mask is None else f"{address}/{mask}"]
    elif first is not None:
        last = said.get(f"{side}ipto", first)
        made += ["-m", "iprange", *no, f"--{side}-range", f"{first}-{last}"]
    return made


def _ports(said: Mapping[str, str], no: tuple[str, ...]) -> list[str]:
    made: list[str] = []
    for side, option in (("src", "--sport"), ("dst", "--dport")):
        first = said.get(f"{side}portstart")
        if first is not None:
            last = said.get(f"{side}portend")
            text = _decimal(first) if last is None else f"{_decimal(first)}:{_decimal(last)}"
            made += [*no, option, text]
    return made


def _decimal(number: str) -> str:
    return str(int(number, 0))
