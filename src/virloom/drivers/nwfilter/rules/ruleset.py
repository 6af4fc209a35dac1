# SPDX-License-Identifier: Apache-2.0
"""From a tree of filters to the table of one port: a pure function.

A frame passes the chain ``out`` (what the guest sends) or ``in`` (what is sent to it). In these,
rules of the chain ``root`` and jumps to the other chains stand by their priorities, lower first;
what comes back from a chain goes on, and what comes to the end passes.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any, NamedTuple

from virloom.drivers.nwfilter.completion import kind_of, matches_of
from virloom.drivers.nwfilter.rules.matches import Expression, expressions
from virloom.drivers.nwfilter.rules.variables import Variables, expansions
from virloom.drivers.nwfilter.values import reader
from virloom.enums.error import ErrorDomain
from virloom.errors import InternalError
from virloom.model.nwfilter import Filter, FilterReference, FilterRule
from virloom.model.nwfilter.rule import Match

Command = dict[str, Any]

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
_SIDES = {"src": "dst", "dst": "src", "arpsrc": "arpdst", "arpdst": "arpsrc"}


class Placed(NamedTuple):
    """A rule, the chain that it is in, and the values of its variables."""

    rule: FilterRule
    chain: str
    chain_priority: int
    variables: Variables


def table_of(device: str) -> str:
    """The name of a port's table."""
    return f"virloom-port-{device}"


def removal(device: str) -> list[Command]:
    """What takes all rules of a port away, whether it has some or not."""
    table = {"table": {"family": "bridge", "name": table_of(device)}}
    return [{"add": table}, {"delete": table}]


def ruleset(
    reference: FilterReference,
    find: Callable[[str], Filter | None],
    device: str,
    variables: Variables,
) -> list[Command]:
    """The commands that give a port the rules of a filter in place of those that it has.

    Args:
        reference: The filter, with values for its variables.
        find: Filters by name.
        device: The port, such as ``vnet0``.
        variables: What is known of the port besides: ``MAC``, ``IP``.

    Raises:
        InternalError: A filter is missing, or a variable has no value.
        ConfigUnsupported: A rule is of a kind that bridges do not have.
    """
    placed = list(_placed(reference, find, variables))
    made = [*removal(device), {"add": {"table": {"family": "bridge", "name": table_of(device)}}}]
    for direction, (hook, key) in _HOOKS.items():
        made += _direction(device, direction, placed)
        base = {"type": "filter", "hook": hook, "prio": _PRIORITY, "policy": "accept"}
        made.append(_chain(device, hook, base))
        port: Expression = {"match": {"op": "==", "left": {"meta": {"key": key}}, "right": device}}
        made.append(_rule(device, hook, [port, {"jump": {"target": direction}}]))
    return made


def _placed(
    reference: FilterReference, find: Callable[[str], Filter | None], outer: Variables
) -> Iterator[Placed]:
    """All rules of a tree; what is said from outside counts more than what a reference says."""
    model = find(reference.filter or "")
    if model is None:
        raise InternalError(
            f"the filter '{reference.filter}' is missing", domain=ErrorDomain.NWFILTER
        )
    variables = {**_values(reference), **outer}
    for entry in model.entries:
        if isinstance(entry, FilterReference):
            yield from _placed(entry, find, variables)
        else:
            yield Placed(entry, model.chain or "root", model.priority or 0, variables)


def _values(reference: FilterReference) -> Mapping[str, list[str]]:
    made: dict[str, list[str]] = {}
    for parameter in reference.parameters:
        made.setdefault(parameter.name or "", []).append(parameter.value or "")
    return made


def _direction(device: str, direction: str, placed: list[Placed]) -> list[Command]:
    """The chains of one direction, those that are jumped to first."""
    wanted = [one for one in placed if one.rule.direction in (direction, "inout")]
    chains: dict[str, list[Placed]] = {}
    for one in wanted:
        chains.setdefault(one.chain, []).append(one)
    root: list[tuple[int, list[list[Expression]]]] = []
    made = [_chain(device, direction, {})]
    for name, members in chains.items():
        members.sort(key=lambda one: one.rule.priority or 0)
        if name == "root":
            root += [(one.rule.priority or 0, _expressions(one, direction)) for one in members]
            continue
        target = f"{direction}-{name}"
        made.append(_chain(device, target, {}))
        for one in members:
            made += [_rule(device, target, found) for found in _expressions(one, direction)]
        jump = [*_kind(name), {"jump": {"target": target}}]
        root.append((min(one.chain_priority for one in members), [jump]))
    for _, rules in sorted(root, key=lambda entry: entry[0]):
        made += [_rule(device, direction, found) for found in rules]
    return made


def _kind(chain: str) -> list[Expression]:
    """What tells the frames that a chain is for."""
    kind = kind_of(chain)
    if kind == "mac":
        return []
    return expressions("mac", {"protocolid": kind or ""}, negated=False)


def _expressions(one: Placed, direction: str) -> list[list[Expression]]:
    """The rules of nftables that a rule becomes: one for each combination of values."""
    verdict: Expression = {_VERDICTS[one.rule.action or ""]: None}
    kinds = matches_of(one.rule)
    if not kinds:
        return [[verdict]]
    protocol, (match,) = next(iter(kinds.items()))
    turned = one.rule.direction == "inout" and direction == "out"
    return [
        [*expressions(protocol, values, negated=match.match == "no"), verdict]
        for values in _expanded(protocol, match, turned, one.variables)
    ]


def _expanded(
    protocol: str, match: Match, turned: bool, variables: Variables
) -> Iterator[dict[str, str]]:
    """Attributes with their values; of a rule for both directions, as it is for what is sent to
    the guest, and with source and destination turned for what the guest sends."""
    texts = {
        _turned(name) if turned else name: text
        for name, text in vars(match).items()
        if isinstance(text, str) and name not in ("match", "comment")
    }
    for values in expansions(texts, variables):
        try:
            yield {name: reader(protocol, name)(text) for name, text in values.items()}
        except ValueError as exc:
            raise InternalError(
                f"a variable of <{protocol}> has a value where {exc} must stand",
                domain=ErrorDomain.NWFILTER,
            ) from None


def _turned(name: str) -> str:
    for side in ("arpsrc", "arpdst", "src", "dst"):
        if name.startswith(side):
            return _SIDES[side] + name.removeprefix(side)
    return name


def _chain(device: str, name: str, more: Mapping[str, object]) -> Command:
    chain = {"family": "bridge", "table": table_of(device), "name": name, **more}
    return {"add": {"chain": chain}}


def _rule(device: str, chain: str, expression: list[Expression]) -> Command:
    rule = {"family": "bridge", "table": table_of(device), "chain": chain, "expr": expression}
    return {"add": {"rule": rule}}
