# SPDX-License-Identifier: Apache-2.0
"""Which type a parameter is sent with."""

from __future__ import annotations

import pytest

from virloom.client.params import ParamValue, encode
from virloom.enums.params import TypedParameterType as Type
from virloom.errors import InvalidArg
from virloom.procedures.record import typed_value
from virloom.procedures.types import TypedParam

CURRENT = (TypedParam("known", typed_value("int", 1)),)


@pytest.mark.parametrize(
    ("name", "value", "otherwise", "kind"),
    [
        ("known", 5, None, Type.INT),
        ("known", 5, Type.UINT, Type.INT),
        ("new", 5, Type.UINT, Type.UINT),
        ("new", 5, None, Type.ULLONG),
        ("new", "text", None, Type.STRING),
    ],
)
def test_types(name: str, value: ParamValue, otherwise: Type | None, kind: Type) -> None:
    (sent,) = encode({name: value}, CURRENT, otherwise)
    assert (sent.field, sent.value.type, sent.value.value) == (name, kind, value)


def test_a_value_of_another_type() -> None:
    with pytest.raises(InvalidArg, match="'new' cannot be 'much': it is of type UINT"):
        encode({"new": "much"}, otherwise=Type.UINT)
