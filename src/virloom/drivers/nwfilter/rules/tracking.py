# SPDX-License-Identifier: Apache-2.0
"""Rules for packets in the table of their port: kernels that track connections on bridges.

Such a kernel (Linux 5.3, with ``nf_conntrack_bridge``) knows the state of what crosses a bridge
without ``br_netfilter`` handing it to iptables. What a guest sends, on or to the host, meets its
rules behind the tracking; what its bridge is about to send it, where the port is known.

Offsets are those of RFC 791, 8200, 793, 768, 792 and 4443.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from ipaddress import ip_address, ip_network
from typing import Any

from virloom.drivers.nwfilter.rules.commands import (
    Command,
    Expression,
    match,
    new_chain,
    new_rule,
    payload,
)
from virloom.drivers.nwfilter.rules.packets import FROM_GUEST, TO_GUEST, PacketRule
from virloom.drivers.nwfilter.values import PROTOCOLS

#: Where the rules of each chain are met, and by which key the port is told there. Connections are
#: tracked at -200; ``br_netfilter`` has the host's iptables translate addresses at 0, and passes
#: over what else is at 0 then.
_HOOKS = {FROM_GUEST: ("prerouting", 50, "iifname"), TO_GUEST: ("forward", 50, "oifname")}
_TYPES = {"ipv4": 0x800, "ipv6": 0x86DD}
_TYPE = ("ll", 96, 16)
_SENDER = ("ll", 48, 48)
_ADDRESSES = {"ipv4": "ip", "ipv6": "ip6"}
_CLASS = {"ipv4": ("nh", 8, 6), "ipv6": ("nh", 4, 6)}
_PORTS = {"src": ("th", 0, 16), "dst": ("th", 16, 16)}
_FLAGS, _KIND, _KIND_AND_CODE = ("th", 104, 8), ("th", 0, 8), ("th", 0, 16)
_FLAG_BITS = {"FIN": 1, "SYN": 2, "RST": 4, "PSH": 8, "ACK": 16, "URG": 32, "ALL": 63, "NONE": 0}
_STATES = frozenset(("NEW", "ESTABLISHED", "RELATED", "INVALID"))
#: What the bridge family has no match for: sets of iptables, and connections of one address.
_ABSENT = frozenset(("ipset", "connlimit_above"))
_VERDICTS: dict[str, Expression] = {
    "accept": {"accept": None},
    "drop": {"drop": None},
    "return": {"return": None},
    "reject": {"reject": {"type": "icmpx", "expr": "port-unreachable"}},
}
_COMMENT_BYTES = 127  # NFTNL_UDATA_COMMENT_MAXLEN, without its end


def trial() -> list[Command]:
    """What a kernel takes that tracks connections on bridges; to be checked, not to be done."""
    chain = {"type": "filter", "hook": "forward", "prio": 0, "policy": "accept"}
    port = "trial"
    table = {"family": "bridge", "name": "virloom-port-trial"}
    return [
        {"add": {"table": table}},
        new_chain(port, "forward", chain),
        new_rule(port, "forward", [_state(("ESTABLISHED",)), {"accept": None}]),
    ]


def can_have(rules: Iterable[PacketRule]) -> bool:
    """Whether bridges have a match for all that the rules say."""
    return all(_is_possible(rule) for rule in rules)


def _is_possible(rule: PacketRule) -> bool:
    if not _ABSENT.isdisjoint(rule.said) or not _STATES.issuperset(rule.connection.states):
        return False
    # A bridge answers nobody for a port; and a range that ends before it begins has its error.
    answers = rule.verdict == "reject" and rule.chain == TO_GUEST
    return not answers and all(_has_ranges(rule.said, side) for side in _PORTS)


def _has_ranges(said: Mapping[str, str], side: str) -> bool:
    """Whether what is said of addresses and ports does not end before it begins."""
    first, last = said.get(f"{side}portstart"), said.get(f"{side}portend")
    if first is not None and last is not None and int(first, 0) > int(last, 0):
        return False
    begin, end = said.get(f"{side}ipfrom"), said.get(f"{side}ipto")
    return begin is None or end is None or int(ip_address(begin)) <= int(ip_address(end))


def tracked(port: str, family: str, rules: Iterable[PacketRule]) -> Iterator[Command]:
    """The chains of a port's table for packets of one family."""
    by_chain: dict[str, list[PacketRule]] = {}
    for rule in rules:
        by_chain.setdefault(rule.chain, []).append(rule)
    for chain, members in by_chain.items():
        hook, priority, key = _HOOKS[chain]
        name = f"packets-{family}-{hook}"
        yield new_chain(port, f"{chain}-{family}", {})
        for rule in members:
            yield _command(port, family, rule)
        base = {"type": "filter", "hook": hook, "prio": priority, "policy": "accept"}
        yield new_chain(port, name, base)
        yield new_rule(port, name, [
            match({"meta": {"key": key}}, port),
            match(payload(_TYPE), _TYPES[family]),
            {"jump": {"target": f"{chain}-{family}"}},
        ])  # fmt: skip


def _command(port: str, family: str, rule: PacketRule) -> Command:
    expressions = [*_expressions(family, rule), _VERDICTS[rule.verdict]]
    made = new_rule(port, f"{rule.chain}-{family}", expressions)
    if "comment" in rule.said:
        text = rule.said["comment"].encode()[:_COMMENT_BYTES].decode(errors="ignore")
        made["add"]["rule"]["comment"] = text
    return made


def _expressions(family: str, rule: PacketRule) -> Iterator[Expression]:
    said, negated = rule.said, rule.negated
    name = rule.protocol.removesuffix("_ipv6")
    if name != "all":
        yield match({"meta": {"key": "l4proto"}}, PROTOCOLS[name])
    if "srcmacaddr" in said:
        sender = int(said["srcmacaddr"].replace(":", ""), 16)
        yield match(payload(_SENDER), sender, negated=negated)
    for side in ("src", "dst"):
        address = _address(said, side)
        if address is not None:
            left = {"payload": {"protocol": _ADDRESSES[family], "field": f"{side[0]}addr"}}
            yield match(left, address, negated=negated)
    if "dscp" in said:
        yield match(payload(_CLASS[family]), int(said["dscp"], 0), negated=negated)
    yield from _ports(said, negated)
    yield from _kinds(said, negated)
    if rule.connection.states:
        yield _state(rule.connection.states)
    if rule.connection.direction is not None:
        yield match({"ct": {"key": "direction"}}, rule.connection.direction.lower())


def _address(said: Mapping[str, str], side: str) -> Any:
    """One address, a network or a range; a mask or an end by itself says nothing."""
    address, first = said.get(f"{side}ipaddr"), said.get(f"{side}ipfrom")
    if address is not None:
        mask = said.get(f"{side}ipmask")
        if mask is None:
            return address
        network = ip_network(f"{address}/{mask}", strict=False)
        return {"prefix": {"addr": str(network.network_address), "len": network.prefixlen}}
    last = said.get(f"{side}ipto", first)
    return None if first is None else first if first == last else {"range": [first, last]}


def _ports(said: Mapping[str, str], negated: bool) -> Iterator[Expression]:
    for side, field in _PORTS.items():
        if (text := said.get(f"{side}portstart")) is None:
            continue
        first, last = int(text, 0), int(said.get(f"{side}portend", text), 0)
        right = first if first == last else {"range": [first, last]}
        yield match(payload(field), right, negated=negated)


def _kinds(said: Mapping[str, str], negated: bool) -> Iterator[Expression]:
    """Options and flags of TCP; the type of ICMP's messages, with the code or without."""
    if "option" in said:
        # Its kind is its first byte, which is asked for as nft asks whether it is there at all.
        option = {"base": int(said["option"], 0), "offset": 0, "len": 8}
        yield match({"tcp option": option}, not negated)
    if "flags" in said:
        mask, flags = (
            sum({_FLAG_BITS[name] for name in names.split(",")})
            for names in said["flags"].split("/")
        )
        yield match({"&": [payload(_FLAGS), mask]}, flags, negated=negated)
    if "type" in said and "code" in said:
        both = int(said["type"], 0) << 8 | int(said["code"], 0)
        yield match(payload(_KIND_AND_CODE), both, negated=negated)
    elif "type" in said:
        yield match(payload(_KIND), int(said["type"], 0), negated=negated)


def _state(states: Iterable[str]) -> Expression:
    names = [state.lower() for state in states]
    left: Expression = {"ct": {"key": "state"}}
    return {"match": {"op": "in", "left": left, "right": names if len(names) > 1 else names[0]}}
