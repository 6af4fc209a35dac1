# SPDX-License-Identifier: Apache-2.0
"""What may pass between a network's guests and the rest, as rules of nftables.

Each network has a table of its own, so that one transaction gives or takes all of its rules, and
nobody else's are touched. What a table accepts can still be dropped by another one (nft(8),
"verdict statement"): a host whose own filter drops by default must let networks pass itself.

Rules are in the JSON form of libnftables-json(5).

=========  ==================================================  ================================
mode       to guests                                           from guests
=========  ==================================================  ================================
``nat``    answers to what they asked                          with an address of the network
``route``  to addresses of the network                         with an address of the network
``open``   no rules                                            no rules
none       nothing                                             nothing
=========  ==================================================  ================================

Guests of one network reach each other. What is refused is answered with an ICMP error.
"""

from __future__ import annotations

from collections.abc import Iterator
from ipaddress import IPv4Network, IPv6Network
from typing import Any

from virloom.drivers.network.completion import OWN_BRIDGE, forward_mode
from virloom.drivers.network.links.bridge import addresses_of
from virloom.model.network import Network
from virloom.model.network.network import Nat, NatRange

FAMILY = "inet"
Object = dict[str, Any]
_Subnet = IPv4Network | IPv6Network

#: What goes to all machines of a link keeps its source: it is never routed on.
_EVERYBODY = {4: ("224.0.0.0/24", "255.255.255.255/32"), 6: ("ff02::/16",)}
#: Ports that guests' connections have outside: those of ordinary programs (libvirt's range).
_PORTS = (1024, 65535)


def table_of(bridge: str) -> str:
    """The name of the table for the network with that bridge."""
    return f"virloom_{bridge}"


def ruleset(model: Network) -> list[Object]:
    """The table's contents: chains, then their rules; empty for a network without rules."""
    mode = forward_mode(model)
    if mode not in OWN_BRIDGE or mode == "open":
        return []
    table = {"family": FAMILY, "table": table_of(model.bridge.name or "")}
    made: list[Object] = [_chain(table, "forward", "filter", "forward", 0)]
    made += [_rule(table, "forward", *parts) for parts in _forward(model)]
    translated = list(_translation(model))
    if translated:
        made.append(_chain(table, "postrouting", "nat", "postrouting", 100))
        made += [_rule(table, "postrouting", *parts) for parts in translated]
    return made


def _chain(table: Object, name: str, kind: str, hook: str, priority: int) -> Object:
    place = {"type": kind, "hook": hook, "prio": priority, "policy": "accept"}
    return {"chain": {**table, "name": name, **place}}


def _rule(table: Object, chain: str, *parts: Object) -> Object:
    return {"rule": {**table, "chain": chain, "expr": list(parts)}}


# -- passing ---------------------------------------------------------------------------------------


def _forward(model: Network) -> Iterator[list[Object]]:
    bridge = model.bridge.name
    outgoing, incoming = _link("iifname", bridge), _link("oifname", bridge)
    yield [outgoing, incoming, _ACCEPT]
    if forward_mode(model) is not None:
        device = _device(model)
        outside_from = [_link("iifname", device)] if device else []
        outside_to = [_link("oifname", device)] if device else []
        for subnet in _subnets(model):
            answers = [_ANSWERS] if _translates(model, subnet) else []
            yield [*outside_from, incoming, _address("daddr", subnet), *answers, _ACCEPT]
            yield [outgoing, *outside_to, _address("saddr", subnet), _ACCEPT]
    yield [incoming, _REFUSE]
    yield [outgoing, _REFUSE]


def _device(model: Network) -> str | None:
    forward = model.forward
    if forward is None:
        return None
    return forward.dev or next((one.dev for one in forward.interfaces), None)


def _subnets(model: Network) -> list[_Subnet]:
    return list(dict.fromkeys(address.network for address in addresses_of(model)))


# -- translation of addresses ----------------------------------------------------------------------


def _translates(model: Network, subnet: _Subnet) -> bool:
    """IPv6 is translated only where the document asks for it."""
    forward = model.forward
    if forward is None or forward.mode != "nat":
        return False
    return subnet.version == 4 or (forward.nat is not None and bool(forward.nat.ipv6))


def _translation(model: Network) -> Iterator[list[Object]]:
    device = _device(model)
    there = [_link("oifname", device)] if device else []
    for subnet in _subnets(model):
        if not _translates(model, subnet):
            continue
        ours = _address("saddr", subnet)
        for target in _EVERYBODY[subnet.version]:
            yield [*there, ours, _address("daddr", _network(target)), {"return": None}]
        outside = [*there, ours, _address("daddr", subnet, "!=")]
        for protocol in ("tcp", "udp"):
            yield [*outside, _protocol(protocol), _translate(model, subnet, ports=True)]
        yield [*outside, _translate(model, subnet, ports=False)]


def show_ports(model: Network) -> None:
    """Has the live document say which ports connections have outside, in place, as libvirt's."""
    forward = model.forward
    if forward is None or not any(_translates(model, subnet) for subnet in _subnets(model)):
        return
    forward.nat = forward.nat or Nat()
    if forward.nat.port.start is None:
        forward.nat.port = NatRange(start=str(_PORTS[0]), end=str(_PORTS[1]))


def _translate(model: Network, subnet: _Subnet, *, ports: bool) -> Object:
    nat = model.forward.nat if model.forward is not None else None
    parts: Object = {}
    # A document's range of addresses is one of IPv4.
    if nat is not None and nat.address.start and subnet.version == 4:
        parts = {"addr": _range(nat.address), "family": "ip"}
    if ports:
        given = nat is not None and nat.port.start is not None
        start, end = (int(nat.port.start or 0), int(nat.port.end or 0)) if nat and given else _PORTS
        parts["port"] = start if start == end else {"range": [start, end]}
    return {"snat" if "addr" in parts else "masquerade": parts or None}


def _range(pair: NatRange) -> Any:
    return pair.start if pair.start == pair.end else {"range": [pair.start, pair.end]}


# -- parts of rules --------------------------------------------------------------------------------

_ACCEPT: Object = {"accept": None}
_REFUSE: Object = {"reject": {"type": "icmpx", "expr": "port-unreachable"}}
_ANSWERS: Object = {
    "match": {"op": "in", "left": {"ct": {"key": "state"}}, "right": ["established", "related"]}
}


def _match(left: Object, right: Any, op: str = "==") -> Object:
    return {"match": {"op": op, "left": left, "right": right}}


def _link(which: str, name: str | None) -> Object:
    return _match({"meta": {"key": which}}, name)


def _protocol(name: str) -> Object:
    return _match({"meta": {"key": "l4proto"}}, name)


def _address(field: str, subnet: _Subnet, op: str = "==") -> Object:
    protocol = "ip" if subnet.version == 4 else "ip6"
    prefix = {"prefix": {"addr": str(subnet.network_address), "len": subnet.prefixlen}}
    value = prefix if subnet.prefixlen < subnet.max_prefixlen else str(subnet.network_address)
    return _match({"payload": {"protocol": protocol, "field": field}}, value, op)


def _network(text: str) -> _Subnet:
    return IPv6Network(text) if ":" in text else IPv4Network(text)
