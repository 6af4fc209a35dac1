# SPDX-License-Identifier: Apache-2.0
"""What a binding asks of the kernel: its filter's rules, or those until an address is known."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from typing import NamedTuple

from virloom.drivers.nwfilter.completion import matches_of
from virloom.drivers.nwfilter.learning.interim import interim
from virloom.drivers.nwfilter.references import Find
from virloom.drivers.nwfilter.rules.ruleset import ruleset
from virloom.drivers.nwfilter.rules.transaction import Transaction
from virloom.enums.error import ErrorDomain
from virloom.errors import InternalError, ParseFailed
from virloom.model.nwfilter import FilterReference, FilterRule

_DOMAIN = ErrorDomain.NWFILTER
_USE = re.compile(r"\$([A-Za-z0-9_]+)")


class Plan(NamedTuple):
    """What to do for a port.

    Attributes:
        rules: The transaction that gives it its rules in place of those that it has.
        learning: How its addresses are found out: ``any``, ``dhcp``; None where all is known.
    """

    rules: Transaction
    learning: str | None


def values_of(reference: FilterReference, name: str) -> list[str]:
    """The values that a reference gives a variable."""
    return [one.value or "" for one in reference.parameters if one.name == name]


def plan(
    port: str, reference: FilterReference, find: Find, addresses: Callable[[str], Sequence[str]]
) -> Plan:
    """The rules of a port.

    Args:
        port: Its name.
        reference: The filter, with values for its variables.
        find: Filters by name.
        addresses: What is found out by now, by the way of finding out.

    Raises:
        InternalError: A filter is missing, or a variable has no value.
        ParseFailed: ``CTRL_IP_LEARNING`` is none of its values.
        ConfigUnsupported: A rule is one that this host cannot have.
    """
    missing = set(_missing(reference, find, frozenset(), set()))
    if not missing:
        return Plan(ruleset(reference, find, port, {}), None)
    mode = _mode(reference) if missing == {"IP"} else "none"
    if mode == "none":
        raise InternalError(
            "Cannot instantiate filter due to unresolvable variables or unavailable list"
            f" elements: {', '.join(sorted(missing))}",
            domain=_DOMAIN,
        )
    known = addresses(mode)
    if known:
        rules = ruleset(reference, find, port, {"IP": list(known)})
        return Plan(rules, None if mode == "any" else mode)
    servers = values_of(reference, "DHCPSERVER")
    stand_in, find_interim = interim(mode, reference, servers)
    return Plan(ruleset(stand_in, find_interim, port, {}), mode)


def _mode(reference: FilterReference) -> str:
    stated = values_of(reference, "CTRL_IP_LEARNING")
    mode = stated[0].lower() if stated else "any"
    if mode not in ("any", "dhcp", "none"):
        raise ParseFailed(
            f"filter '{reference.filter}' learning value '{stated[0]}' invalid.", domain=_DOMAIN
        )
    return mode


def _missing(
    reference: FilterReference,
    find: Find,
    outer: frozenset[str],
    seen: set[tuple[str, frozenset[str]]],
) -> Iterator[str]:
    """The variables of all rules that have no value; *seen* keeps from looking twice."""
    name = reference.filter or ""
    model = find(name)
    if model is None:
        raise InternalError(f"referenced filter '{name}' is missing", domain=_DOMAIN)
    known = outer | {one.name or "" for one in reference.parameters}
    if (name, known) in seen:
        return
    seen.add((name, known))
    for entry in model.entries:
        if isinstance(entry, FilterReference):
            yield from _missing(entry, find, known, seen)
        else:
            yield from (used for used in _used(entry) if used not in known)


def _used(rule: FilterRule) -> Iterator[str]:
    for matches in matches_of(rule).values():
        for match in matches:
            for attribute, text in vars(match).items():
                if isinstance(text, str) and attribute != "comment":
                    found = _USE.match(text)
                    if found is not None:
                        yield found[1]
