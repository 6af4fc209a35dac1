# SPDX-License-Identifier: Apache-2.0
"""The same rules for iptables, where a host has no nft: texts for ``iptables-restore --noflush``.

The objects of :mod:`virloom.drivers.network.firewall.rules` are said in iptables' words, in chains
that are the network's own: ``VIRLOOM_FWI_BRIDGE`` and so on, entered from the kernel's before
anything that is there. Since all share the kernel's tables, what a network accepts no later rule
refuses: a host whose filter drops by default lets guests ask for addresses and names, and pass.
Therefore what comes to a network is looked at first, by the chains of all networks
(``VIRLOOM_FWI``), and only then what comes from one (``VIRLOOM_FWO``).

Formats: iptables-save(8), iptables-extensions(8). The longest name of a chain is 28 characters.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import Any, Literal, NamedTuple

from virloom.drivers.network.completion import OWN_BRIDGE, forward_mode
from virloom.drivers.network.firewall.rules import ruleset
from virloom.enums.error import ErrorDomain
from virloom.errors import InternalError
from virloom.model.network import Network

Version = Literal[4, 6]


class _Place(NamedTuple):
    """A chain of the kernel's, that of all networks which it enters, and the table of both."""

    table: str
    hook: str
    shared: str

    def chain(self, bridge: str) -> str:
        """The chain of one network."""
        return f"{self.shared}_{bridge}"


_FROM = _Place("filter", "FORWARD", "VIRLOOM_FWO")
_TO = _Place("filter", "FORWARD", "VIRLOOM_FWI")
_INPUT = _Place("filter", "INPUT", "VIRLOOM_INP")
_OUTPUT = _Place("filter", "OUTPUT", "VIRLOOM_OUT")
_TRANSLATION = _Place("nat", "POSTROUTING", "VIRLOOM_NAT")
#: Each is entered before those that precede it here.
_PLACES = (_FROM, _TO, _INPUT, _OUTPUT, _TRANSLATION)

#: Protocol and port of what guests ask the host: names, addresses (DHCP, DHCPv6), boot files.
_SERVICES: dict[Version, tuple[tuple[str, int], ...]] = {
    4: (("udp", 53), ("tcp", 53), ("udp", 67), ("udp", 69)),
    6: (("udp", 53), ("tcp", 53), ("udp", 547), ("udp", 69)),
}
#: Where the host's answers with addresses go.
_CLIENTS: dict[Version, int] = {4: 68, 6: 546}


def chain_rules(model: Network, version: Version) -> dict[str, list[str]]:
    """The rules of each chain of the network's, as ``iptables -A CHAIN`` takes them.

    Returns:
        By the chain's name; empty for a network without rules.

    Raises:
        InternalError: The name of a link could be taken for something else.
    """
    objects = ruleset(model)
    if not objects or forward_mode(model) not in OWN_BRIDGE:
        return {}
    bridge = model.bridge.name or ""
    found: dict[str, list[str]] = {place.chain(bridge): [] for place in _PLACES}
    for rule in (entry["rule"] for entry in objects if "rule" in entry):
        words = _words(rule["expr"], version)
        if words is not None:
            place = _TRANSLATION if rule["chain"] == "postrouting" else _direction(words, bridge)
            found[place.chain(bridge)].append(words)
    found[_INPUT.chain(bridge)] = [
        f"-i {bridge} -p {protocol} --dport {port} -j ACCEPT"
        for protocol, port in _SERVICES[version]
    ]
    found[_OUTPUT.chain(bridge)] = [f"-o {bridge} -p udp --dport {_CLIENTS[version]} -j ACCEPT"]
    return found


def _direction(words: str, bridge: str) -> _Place:
    return _TO if f"-o {bridge}" in words else _FROM


def restoration(saved: str, bridge: str, chains: dict[str, list[str]]) -> str:
    """What gives a network its rules, or takes them if there are none.

    Args:
        saved: What ``iptables-save`` says: all that is there.
        bridge: The network's.
        chains: As :func:`chain_rules`.

    Returns:
        For ``iptables-restore --noflush``; empty if nothing is to be done.
    """
    return "".join(
        f"*{table}\n{text}COMMIT\n"
        for table in ("filter", "nat")
        if (text := _table_text(_lines(saved, table), table, bridge, chains))
    )


def _table_text(
    present: Sequence[str], table: str, bridge: str, chains: dict[str, list[str]]
) -> str:
    lines: list[str] = []
    for place in (place for place in _PLACES if place.table == table):
        rules = chains.get(place.chain(bridge))
        lines += _added(present, place, bridge, rules) if rules else _gone(present, place, bridge)
    return "".join(f"{line}\n" for line in lines)


def _added(
    present: Sequence[str], place: _Place, bridge: str, rules: Sequence[str]
) -> Iterator[str]:
    chain = place.chain(bridge)
    # One that is there already is emptied by that, in the same transaction.
    yield f":{chain} - [0:0]"
    yield from (f"-A {chain} {rule}" for rule in rules)
    if not _has_chain(present, place.shared):
        yield f":{place.shared} - [0:0]"
    for parent, child in ((place.shared, chain), (place.hook, place.shared)):
        if f"-A {parent} -j {child}" not in present:
            yield f"-I {parent} -j {child}"


def _gone(present: Sequence[str], place: _Place, bridge: str) -> Iterator[str]:
    """The chain of all networks goes with the last one."""
    chain = place.chain(bridge)
    entries = [line for line in present if line.startswith(f"-A {place.shared} ")]
    mine = [line for line in entries if line == f"-A {place.shared} -j {chain}"]
    yield from (line.replace("-A", "-D", 1) for line in mine)
    if _has_chain(present, chain):
        yield from (f"-F {chain}", f"-X {chain}")
    if mine == entries and _has_chain(present, place.shared):
        entered = f"{place.hook} -j {place.shared}"
        yield from [f"-D {entered}"] * present.count(f"-A {entered}")
        # Empty by now; and nft's iptables takes no -F after a -D in the same chain.
        yield f"-X {place.shared}"


def _has_chain(present: Sequence[str], name: str) -> bool:
    return any(line.startswith(f":{name} ") for line in present)


def is_held(saved: str, bridge: str, chains: dict[str, list[str]]) -> bool:
    """Whether all rules are there that :func:`restoration` gave: each chain, entered, complete."""
    for place in _PLACES:
        chain, present = place.chain(bridge), _lines(saved, place.table)
        rules = chains.get(chain, [])
        if sum(line.startswith(f"-A {chain} ") for line in present) != len(rules):
            return False
        entries = (f"-A {place.shared} -j {chain}", f"-A {place.hook} -j {place.shared}")
        if rules and not all(entry in present for entry in entries):
            return False
    return True


def _lines(saved: str, table: str) -> list[str]:
    found: list[str] = []
    inside = False
    for line in saved.splitlines():
        if line.startswith("*"):
            inside = line == f"*{table}"
        elif inside:
            found.append(line)
    return found


# -- one rule ------------------------------------------------------------------------------------


def _words(parts: Sequence[dict[str, Any]], version: Version) -> str | None:
    """The rule in iptables' words, unquoted; None if it is not for that version of IP."""
    found: list[str] = []
    for part in parts:
        ((kind, value),) = part.items()
        if kind != "match":
            found += _target(kind, value)
            continue
        ((what, left),) = value["left"].items()
        if what == "payload" and (left["protocol"] == "ip") != (version == 4):
            return None
        found += _match(what, left, value["right"], value["op"])
    return " ".join(found)


#: Names that are no option, no other word, and no pattern (iptables(8): a last "+" is one).
_LINK = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.:@-]*")
_OPTIONS = {"iifname": "-i", "oifname": "-o", "l4proto": "-p", "saddr": "-s", "daddr": "-d"}


def _match(what: str, left: dict[str, str], right: Any, op: str) -> Iterator[str]:
    if what == "ct":
        yield from ("-m", "conntrack", "--ctstate", ",".join(right).upper())
        return
    if op == "!=":
        yield "!"
    yield _OPTIONS[left.get("field") or left["key"]]
    if isinstance(right, dict):
        right = f"{right['prefix']['addr']}/{right['prefix']['len']}"
    if what == "meta" and _LINK.fullmatch(right) is None:
        raise InternalError(
            f"iptables cannot be told of a link '{right}'", domain=ErrorDomain.FIREWALL
        )
    yield str(right)


def _target(kind: str, value: Any) -> list[str]:
    """A verdict; what is refused is answered with "port unreachable", as that is the default."""
    given = value or {}
    ports = _span(given.get("port"))
    if kind == "masquerade":
        return ["-j", "MASQUERADE", *(["--to-ports", ports] if ports else [])]
    if kind == "snat":
        source = _span(given["addr"]) + (f":{ports}" if ports else "")
        return ["-j", "SNAT", "--to-source", source]
    return ["-j", kind.upper()]


def _span(value: Any) -> str:
    if isinstance(value, dict):
        return "-".join(str(end) for end in value["range"])
    return "" if value is None else str(value)
