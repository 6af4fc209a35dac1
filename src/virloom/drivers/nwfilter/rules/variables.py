# SPDX-License-Identifier: Apache-2.0
"""Variables of rules: one rule for each combination of their values."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from itertools import product

from virloom.enums.error import ErrorDomain
from virloom.errors import InternalError

#: The values of each variable.
Variables = Mapping[str, Sequence[str]]

_DOMAIN = ErrorDomain.NWFILTER
_ACCESS = re.compile(r"\$([A-Za-z0-9_]+)(?:\[(@?)(\d+)\])?")


def expansions(texts: Mapping[str, str], variables: Variables) -> Iterator[dict[str, str]]:
    """*texts* once for each combination of values of the variables that they name.

    Those of one iterator go along with each other, those of several are combined; ``$NAME`` has
    the iterator 0, and ``$NAME[2]`` is the third value alone.

    Raises:
        InternalError: A variable has no value, or those of one iterator differ in their number.
    """
    iterated: dict[int, dict[str, Sequence[str]]] = {}
    fixed: dict[str, str] = {}
    for name, text in texts.items():
        found = _ACCESS.fullmatch(text)
        if found is None:
            fixed[name] = text
            continue
        values = _values(found[1], variables)
        if found[3] is not None and not found[2]:
            fixed[name] = _element(found[1], values, int(found[3]))
        else:
            iterated.setdefault(int(found[3] or 0), {})[name] = values
    for rows in product(*(_rows(one) for one in iterated.values())):
        made = dict(fixed)
        for row in rows:
            made |= row
        yield made


def _values(name: str, variables: Variables) -> Sequence[str]:
    values = variables.get(name)
    if not values:
        raise InternalError(f"the variable '{name}' has no value", domain=_DOMAIN)
    return values


def _element(name: str, values: Sequence[str], index: int) -> str:
    if index >= len(values):
        raise InternalError(
            f"the variable '{name}' has {len(values)} values, and none at {index}", domain=_DOMAIN
        )
    return values[index]


def _rows(columns: Mapping[str, Sequence[str]]) -> list[dict[str, str]]:
    if len({len(values) for values in columns.values()}) > 1:
        raise InternalError(
            f"{' and '.join(columns)} have lists of values of different length", domain=_DOMAIN
        )
    count = len(next(iter(columns.values())))
    return [{name: values[row] for name, values in columns.items()} for row in range(count)]
