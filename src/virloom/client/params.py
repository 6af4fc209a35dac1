# SPDX-License-Identifier: Apache-2.0
"""Typed parameters: libvirt's name → value lists, as plain dictionaries."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from enum import IntEnum
from typing import Any, TypeVar

from virloom.enums.params import TypedParameterType
from virloom.errors import InvalidArg
from virloom.procedures.record import TypedParamValue
from virloom.procedures.types import TypedParam

#: A parameter's value as Python has it. To set one whose type the host does not tell, give a
#: :class:`~virloom.procedures.record.TypedParamValue`.
ParamValue = int | float | str | bool

#: Parameters to set, by name.
ParamsToSet = Mapping[str, ParamValue | TypedParamValue]

E = TypeVar("E", bound=IntEnum)


def member(enum: type[E], number: int) -> E | int:
    """The member of *enum*, or the number itself where a newer host has more of them."""
    try:
        return enum(number)
    except ValueError:
        return number


def decode(params: Sequence[TypedParam]) -> dict[str, ParamValue]:
    """The parameters by name; a boolean becomes one."""
    return {
        p.field: bool(p.value.value)
        if p.value.type == TypedParameterType.BOOLEAN
        else p.value.value
        for p in params
    }


def encode(
    values: Mapping[str, ParamValue | TypedParamValue],
    current: Sequence[TypedParam] = (),
    otherwise: TypedParameterType | None = None,
) -> list[TypedParam]:
    """The parameters to send, each with the type that it has in *current*.

    One that *current* lacks gets the type *otherwise*, or else that of its Python value, unsigned
    64 bit for an int.

    Raises:
        InvalidArg: A value does not fit its type.
    """
    types = {p.field: p.value.type for p in current}
    return [
        TypedParam(name, _typed(name, value, types.get(name, otherwise)))
        for name, value in values.items()
    ]


def _typed(name: str, value: ParamValue | TypedParamValue, kind: int | None) -> TypedParamValue:
    if isinstance(value, TypedParamValue):
        return value
    if kind is None:
        kind = _natural_type(value)
    wanted = _PYTHON_TYPES.get(kind, (int,))
    if not isinstance(value, wanted):
        raise InvalidArg(f"parameter '{name}' cannot be {value!r}: it is of type {_named(kind)}")
    if kind == TypedParameterType.BOOLEAN:
        return TypedParamValue(kind, int(bool(value)))
    return TypedParamValue(kind, float(value) if kind == TypedParameterType.DOUBLE else value)


_PYTHON_TYPES: dict[int, tuple[type, ...]] = {
    TypedParameterType.DOUBLE: (int, float),
    TypedParameterType.STRING: (str,),
}


def _natural_type(value: ParamValue) -> int:
    if isinstance(value, bool):
        return TypedParameterType.BOOLEAN
    if isinstance(value, int):
        return TypedParameterType.LLONG if value < 0 else TypedParameterType.ULLONG
    return TypedParameterType.DOUBLE if isinstance(value, float) else TypedParameterType.STRING


def _named(kind: int) -> str:
    found = member(TypedParameterType, kind)
    return found.name if isinstance(found, TypedParameterType) else str(kind)


async def fetch(ask: Callable[[int], Awaitable[Any]]) -> list[Any]:
    """Runs a getter that is called twice: for the number of parameters (0), then for them.

    *ask* makes the call with a number; its result has ``nparams`` and ``params``.
    """
    number: int = (await ask(0)).nparams
    if number == 0:
        return []
    params: list[Any] = (await ask(number)).params
    return params
