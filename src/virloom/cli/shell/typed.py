# SPDX-License-Identifier: Apache-2.0
"""Typed parameters on the command line: shown, and made of texts."""

from __future__ import annotations

import re
from collections.abc import Mapping

from virloom.cli.shell.session import Session
from virloom.client.params import ParamValue
from virloom.enums.params import TypedParameterType as Type
from virloom.errors import InvalidArg
from virloom.procedures.record import TypedParamValue

LAYOUT = "{:<15}: {}"
"""Of a parameter on its line."""

_INTEGERS = {
    Type.INT: ("int", range(-(2**31), 2**31)),
    Type.UINT: ("unsigned int", range(-(2**32) + 1, 2**32)),
    Type.LLONG: ("long long", range(-(2**63), 2**63)),
    Type.ULLONG: ("unsigned long long", range(-(2**64) + 1, 2**64)),
}
_DECIMAL = re.compile(r"\s*[+-]?[0-9]+")


def show_params(session: Session, values: Mapping[str, ParamValue]) -> None:
    """Prints parameters, a line for each."""
    session.output.fields([(name, shown(value)) for name, value in values.items()], LAYOUT)


def shown(value: ParamValue) -> ParamValue:
    """A value as virsh writes it."""
    if isinstance(value, bool):
        return "yes" if value else "no"
    return f"{value:f}" if isinstance(value, float) else value


def of_text(name: str, text: str, kind: int) -> TypedParamValue:
    """The value of type *kind* that a text stands for.

    Raises:
        InvalidArg: It stands for none.
    """
    if kind == Type.STRING:
        return TypedParamValue(kind, text)
    if kind == Type.DOUBLE:
        try:
            return TypedParamValue(kind, float(text))
        except ValueError:
            raise _wrong(name, "double") from None
    if kind == Type.BOOLEAN:
        if text not in ("0", "1"):
            raise _wrong(name, "boolean") from None
        return TypedParamValue(kind, int(text))
    words, allowed = _INTEGERS[Type(kind)]
    if _DECIMAL.fullmatch(text) is None or int(text) not in allowed:
        raise _wrong(name, words)
    return TypedParamValue(kind, _wrapped(int(text), kind))


def _wrapped(number: int, kind: int) -> int:
    """As C does, which counts negative numbers from the end of the unsigned ones."""
    if kind in (Type.UINT, Type.ULLONG):
        return number % (2**32 if kind == Type.UINT else 2**64)
    return number


def _wrong(name: str, words: str) -> InvalidArg:
    return InvalidArg(f"Invalid value for field '{name}': expected {words}")
