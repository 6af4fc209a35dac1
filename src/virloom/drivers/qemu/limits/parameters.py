# SPDX-License-Identifier: Apache-2.0
"""Typed parameters of limits: what is taken, and how they are answered."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from virloom.enums.error import ErrorDomain
from virloom.enums.params import TypedParameterType
from virloom.errors import ArgumentUnsupported, InvalidArg
from virloom.procedures.record import typed_value
from virloom.procedures.types import TypedParam

#: Name and type of each parameter, in libvirt's order.
Kinds = Mapping[str, str]


def checked(params: Sequence[TypedParam], kinds: Kinds) -> dict[str, Any]:
    """The values that a client gives, by name.

    Raises:
        ArgumentUnsupported: One is none of *kinds*.
        InvalidArg: There are none, one is given twice, or has another type.
    """
    if not params:
        raise InvalidArg("no parameters to set are given", domain=ErrorDomain.DOMAIN)
    values: dict[str, Any] = {}
    for param in params:
        kind = kinds.get(param.field)
        if kind is None:
            raise ArgumentUnsupported(
                f"parameter '{param.field}' not supported", domain=ErrorDomain.NONE
            )
        if param.field in values:
            raise InvalidArg(
                f"parameter '{param.field}' occurs multiple times", domain=ErrorDomain.NONE
            )
        given = TypedParameterType(param.value.type).name.lower()
        if given != kind:
            raise InvalidArg(
                f"parameter '{param.field}' is of type '{given}', and '{kind}' is expected",
                domain=ErrorDomain.NONE,
            )
        values[param.field] = param.value.value
    return values


def answer(values: Mapping[str, Any], kinds: Kinds, room: int) -> list[TypedParam]:
    """As many of them as the client has room for."""
    named = list(kinds.items())[:room]
    return [TypedParam(name, typed_value(kind, values[name])) for name, kind in named]
