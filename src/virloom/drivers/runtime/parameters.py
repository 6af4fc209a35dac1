# SPDX-License-Identifier: Apache-2.0
"""Lists of typed parameters as handlers read and answer them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from virloom.errors import ArgumentUnsupported, InvalidArg
from virloom.procedures.record import typed_value
from virloom.procedures.types import TypedParam

Value = int | float | str | bool


class Kinds:
    """The parameters of one subject: their names in order, each with the name of its type."""

    def __init__(self, kinds: Mapping[str, str]) -> None:
        self._kinds = dict(kinds)

    @classmethod
    def all_of(cls, kind: str, *names: str) -> Kinds:
        """Parameters of one type."""
        return cls(dict.fromkeys(names, kind))

    def check(self, params: Sequence[TypedParam]) -> dict[str, Any]:
        """The values by name.

        Raises:
            ArgumentUnsupported: One is none of these.
            InvalidArg: One is of another type, or there twice.
        """
        values: dict[str, Any] = {}
        for param in params:
            kind = self._kinds.get(param.field)
            if kind is None:
                raise ArgumentUnsupported(f"parameter '{param.field}' not supported")
            if param.value.type != typed_value(kind, 0).type:
                raise InvalidArg(f"parameter '{param.field}' is not of type '{kind}'")
            if param.field in values:
                raise InvalidArg(f"parameter '{param.field}' occurs more than once")
            values[param.field] = param.value.value
        return values

    def answer(self, values: Mapping[str, Value], room: int) -> Answer:
        """The values in order; without room for them, how many there are."""
        if room == 0:
            return Answer([], len(self._kinds))
        made = [
            TypedParam(name, typed_value(kind, values[name])) for name, kind in self._kinds.items()
        ][:room]
        return Answer(made, len(made))


class Answer(NamedTuple):
    """What a getter of parameters gives."""

    params: list[TypedParam]
    nparams: int
