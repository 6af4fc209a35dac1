# SPDX-License-Identifier: Apache-2.0
"""Which filters take in which, and whether one would take in itself."""

from __future__ import annotations

from collections.abc import Callable

from virloom.model.nwfilter import Filter, FilterReference

#: Filters by name.
Find = Callable[[str], Filter | None]


def loop_of(model: Filter, find: Find) -> list[str] | None:
    """The names along a loop that *model* would close, itself first and last; None for none.

    Each filter is looked at once, however many ways lead to it. Filters that are referenced and
    not there lead nowhere: they may be defined later, and are looked at then.
    """
    name = model.name or ""
    seen: set[str] = set()
    pending = [(one.filter or "", [name]) for one in model.references]
    while pending:
        target, way = pending.pop()
        if target == name:
            return [*way, target]
        if target in seen:
            continue
        seen.add(target)
        found = find(target)
        if found is not None:
            pending += [(one.filter or "", [*way, target]) for one in found.references]
    return None


def filters_of(reference: FilterReference, find: Find) -> set[str]:
    """The names of all filters that a reference leads to, whether they are there or not."""
    seen: set[str] = set()
    pending = [reference.filter or ""]
    while pending:
        name = pending.pop()
        if name not in seen:
            seen.add(name)
            found = find(name)
            if found is not None:
                pending += [one.filter or "" for one in found.references]
    return seen
