# SPDX-License-Identifier: Apache-2.0
"""From a tree of filters to the table of one port: a pure function.

A frame passes the chain ``out`` (what the guest sends) or ``in`` (what is sent to it). In these,
rules of the chain ``root`` and jumps to the other chains stand by their priorities, lower first;
what comes back from a chain goes on, and what comes to the end passes.
"""

from __future__ import annotations

from collections.abc import Iterator

from virloom.drivers.nwfilter.completion import kind_of
from virloom.drivers.nwfilter.rules.announcements import announcements
from virloom.drivers.nwfilter.rules.commands import (
    Command,
    Expression,
    new_chain,
    new_rule,
    table_of,
)
from virloom.drivers.nwfilter.rules.matches import expressions
from virloom.drivers.nwfilter.rules.packets import packet_rules
from virloom.drivers.nwfilter.rules.transaction import FAMILIES, Transaction
from virloom.drivers.nwfilter.rules.tree import Find, Placed, expanded, placed_rules, turned
from virloom.drivers.nwfilter.rules.variables import Variables
from virloom.enums.error import ErrorDomain
from virloom.errors import InternalError
from virloom.model.nwfilter import FilterReference

#: Where frames from a guest, and to it, are met: before Docker's and firewalld's own.
_HOOKS = {"out": ("prerouting", "iifname"), "in": ("postrouting", "oifname")}
_PRIORITY = -250
_VERDICTS = {
    "accept": "accept",
    "drop": "drop",
    "reject": "drop",  # as libvirt: there is nobody on a bridge to answer
    "return": "return",
    "continue": "continue",
}


def removal(device: str) -> Transaction:
    """What takes all rules of a port away, whether it has some or not."""
    return Transaction(_emptied(device), {family: {device: None} for family in FAMILIES})


def ruleset(
    reference: FilterReference, find: Find, device: str, variables: Variables
) -> Transaction:
    """What gives a port the rules of a filter in place of those that it has.

    Args:
        reference: The filter, with values for its variables.
        find: Filters by name.
        device: The port, such as ``vnet0``.
        variables: What is known of the port besides: ``MAC``, ``IP``.

    Raises:
        InternalError: A filter is missing, a variable has no value, or a rule is one that the
            kernel cannot have.
    """
    placed = list(placed_rules(reference, find, variables))
    found = packet_rules(placed)
    return Transaction(
        _frames(device, placed), {family: {device: found.get(family)} for family in FAMILIES}
    )


def _emptied(device: str) -> list[Command]:
    table = {"table": {"family": "bridge", "name": table_of(device)}}
    return [{"add": table}, {"delete": table}]


def _frames(device: str, placed: list[Placed]) -> list[Command]:
    """The table of nftables; one is there even where it has no rules, to be found by."""
    members = [one for one in placed if not one.is_of_packets]
    made = [*_emptied(device), {"add": {"table": {"family": "bridge", "name": table_of(device)}}}]
    for direction, (hook, key) in _HOOKS.items():
        made += _direction(device, direction, members)
        base = {"type": "filter", "hook": hook, "prio": _PRIORITY, "policy": "accept"}
        made.append(new_chain(device, hook, base))
        port: Expression = {"match": {"op": "==", "left": {"meta": {"key": key}}, "right": device}}
        made.append(new_rule(device, hook, [port, {"jump": {"target": direction}}]))
    return made


def _direction(device: str, direction: str, placed: list[Placed]) -> list[Command]:
    """The chains of one direction, those that are jumped to first."""
    wanted = [one for one in placed if one.rule.direction in (direction, "inout")]
    chains: dict[str, list[Placed]] = {}
    for one in wanted:
        chains.setdefault(one.chain, []).append(one)
    root: list[tuple[int, list[list[Expression]]]] = []
    made = [new_chain(device, direction, {}), *_announcing(device, direction, wanted)]
    for name, members in chains.items():
        members.sort(key=lambda one: one.priority)
        if name == "root":
            root += [(one.priority, list(_expressions(one, direction))) for one in members]
            continue
        target = f"{direction}-{name}"
        made.append(new_chain(device, target, {}))
        for one in members:
            made += [new_rule(device, target, found) for found in _expressions(one, direction)]
        jump = [*_kind(name), {"jump": {"target": target}}]
        root.append((min(one.chain_priority for one in members), [jump]))
    for _, rules in sorted(root, key=lambda entry: entry[0]):
        made += [new_rule(device, direction, found) for found in rules]
    return made


def _kind(chain: str) -> list[Expression]:
    """What tells the frames that a chain is for."""
    kind = kind_of(chain) or ""
    if kind == "mac":
        return []
    if kind == "stp":
        return expressions("stp", {}, negated=False)
    return expressions("mac", {"protocolid": kind}, negated=False)


def _expressions(one: Placed, direction: str) -> Iterator[list[Expression]]:
    """The rules of nftables that a rule becomes: some for each combination of values.

    A rule for both directions is written as it is for what is sent to the guest.
    """
    verdict: Expression = {_VERDICTS[one.rule.action or ""]: None}
    if one.choice is None:
        yield [verdict]
        return
    protocol, match = one.choice
    negated, both = match.match == "no", one.rule.direction == "inout"
    for values in expanded(protocol, match, one.variables):
        if protocol == "stp" and both and "srcmacaddr" in values:
            raise InternalError(
                "<stp> for both directions cannot have srcmacaddr", domain=ErrorDomain.NWFILTER
            )
        said = turned(values) if both and direction == "out" else values
        found = expressions(protocol, said, negated=negated)
        if said.get("gratuitous") == "true":
            yield [*found, {"jump": {"target": _announced(one, direction)}}]
        else:
            yield [*found, verdict]


def _announced(one: Placed, direction: str) -> str:
    """The chain that tells gratuitous frames for a rule: by what it does with them."""
    assert one.choice is not None
    action = one.rule.action or ""
    if action == "return" and one.chain != "root":
        raise InternalError(
            "a rule for gratuitous frames cannot return from a chain of its own",
            domain=ErrorDomain.NWFILTER,
        )
    which = "others" if one.choice[1].match == "no" else "gratuitous"
    return f"{direction}-{which}-{action}"


def _announcing(device: str, direction: str, members: list[Placed]) -> Iterator[Command]:
    """The chains that tell gratuitous frames, each once."""
    made: set[str] = set()
    for one in members:
        if one.choice is None or getattr(one.choice[1], "gratuitous", None) != "true":
            continue
        name = _announced(one, direction)
        if name in made:
            continue
        made.add(name)
        yield new_chain(device, name, {})
        # To return from the root is to let pass: nothing comes after it.
        action = _VERDICTS[one.rule.action or ""].replace("return", "accept")
        negated = one.choice[1].match == "no"
        for found in announcements({action: None}, negated=negated):
            yield new_rule(device, name, found)
