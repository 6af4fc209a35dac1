# SPDX-License-Identifier: Apache-2.0
"""The rules of a tree of filters, each with its chain and the values of its variables."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import NamedTuple

from virloom.drivers.nwfilter.completion import matches_of
from virloom.drivers.nwfilter.rules.variables import Variables, expansions
from virloom.drivers.nwfilter.values import reader
from virloom.enums.error import ErrorDomain
from virloom.errors import InternalError
from virloom.model.nwfilter import Filter, FilterReference, FilterRule
from virloom.model.nwfilter.rule import Match, Transport

Find = Callable[[str], Filter | None]

_DOMAIN = ErrorDomain.NWFILTER
_SIDES = {"src": "dst", "dst": "src", "arpsrc": "arpdst", "arpdst": "arpsrc"}


class Placed(NamedTuple):
    """A rule, the chain that it is in, and the values of its variables.

    Attributes:
        choice: By what the rule chooses: the element and what it says; None for all frames.
    """

    rule: FilterRule
    chain: str
    chain_priority: int
    variables: Variables
    choice: tuple[str, Match] | None

    @property
    def is_of_packets(self) -> bool:
        """Whether it is for the host's packet filter, not for that of its bridges."""
        return self.choice is not None and isinstance(self.choice[1], Transport)

    @property
    def priority(self) -> int:
        """Lower first."""
        return self.rule.priority or 0


def placed_rules(reference: FilterReference, find: Find, outer: Variables) -> Iterator[Placed]:
    """All rules of a tree; what is said from outside counts more than what a reference says.

    Raises:
        InternalError: A filter is missing.
    """
    model = find(reference.filter or "")
    if model is None:
        raise InternalError(f"the filter '{reference.filter}' is missing", domain=_DOMAIN)
    variables = {**_values(reference), **outer}
    for entry in model.entries:
        if isinstance(entry, FilterReference):
            yield from placed_rules(entry, find, variables)
        else:
            chosen = next(((name, found[0]) for name, found in matches_of(entry).items()), None)
            yield Placed(entry, model.chain or "root", model.priority or 0, variables, chosen)


def _values(reference: FilterReference) -> Mapping[str, list[str]]:
    made: dict[str, list[str]] = {}
    for parameter in reference.parameters:
        made.setdefault(parameter.name or "", []).append(parameter.value or "")
    return made


def expanded(protocol: str, match: Match, variables: Variables) -> Iterator[dict[str, str]]:
    """What an element says, normalized: once for each combination of its variables' values.

    Raises:
        InternalError: A variable has no value, or one that cannot stand where it is.
    """
    texts = {
        name: text
        for name, text in vars(match).items()
        if isinstance(text, str) and name not in ("match", "comment")
    }
    comment = {} if match.comment is None else {"comment": match.comment}
    for values in expansions(texts, variables):
        try:
            read = {name: reader(protocol, name)(text) for name, text in values.items()}
        except ValueError as exc:
            raise InternalError(
                f"a variable of <{protocol}> has a value where {exc} must stand", domain=_DOMAIN
            ) from None
        yield read | comment


def turned(values: Mapping[str, str]) -> dict[str, str]:
    """The same for frames that go the other way: source and destination in place of each other."""
    return {_turned(name): value for name, value in values.items()}


def _turned(name: str) -> str:
    for side in ("arpsrc", "arpdst", "src", "dst"):
        if name.startswith(side):
            return _SIDES[side] + name.removeprefix(side)
    return name
