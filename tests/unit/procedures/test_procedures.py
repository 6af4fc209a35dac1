# SPDX-License-Identifier: Apache-2.0
"""The generated procedures say what the protocol tables say."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from virloom import procedures
from virloom.procedures import connect, domain
from virloom.procedures.numbers import PROCEDURES, VERSIONS
from virloom.procedures.record import VOID, Record, TypedParamValue, typed_value

DATA = Path(__file__).resolve().parents[3] / "data" / "protocol"
PROGRAMS = ("remote", "qemu", "lxc", "admin", "lock", "log")


def _table(name: str) -> dict[str, Any]:
    table: dict[str, Any] = json.loads((DATA / f"{name}.json").read_text())
    return table


@pytest.mark.parametrize("program", PROGRAMS)
def test_every_procedure_of_the_tables_is_there(program: str) -> None:
    table = _table(program)
    number = table["program"]["number"]
    assert set(PROCEDURES[number]) == {entry["number"] for entry in table["procedures"]}
    assert number in VERSIONS


def test_find_gives_the_record_of_a_number() -> None:
    found = procedures.find(0x20008086, domain.DOMAIN_CREATE.number)
    assert found is domain.DOMAIN_CREATE


@pytest.mark.parametrize("key", [(0x20008086, 100000), (1, 1)])
def test_find_of_an_unknown_number(key: tuple[int, int]) -> None:
    assert procedures.find(*key) is None


def test_read_only_connections_may_call_exactly_what_the_table_allows() -> None:
    allowed = set(_table("readonly")["allowed"])
    for number in PROCEDURES[0x20008086]:
        found = procedures.find(0x20008086, number)
        assert found is not None
        if found.kind == "call":
            assert found.readonly == (found.name in allowed), found.name


def test_streams_are_marked() -> None:
    assert domain.DOMAIN_OPEN_CONSOLE.stream != "none"
    assert domain.DOMAIN_CREATE.stream == "none"


def test_records_are_compared_by_value() -> None:
    first = connect.ConnectOpenArgs(name="qemu:///embed", flags=0)
    second = connect.ConnectOpenArgs(name="qemu:///embed", flags=0)
    assert first == second
    second.flags = 1
    assert first != second
    assert first != VOID


def test_records_are_mutable_and_so_not_hashable() -> None:
    with pytest.raises(TypeError):
        hash(connect.ConnectOpenArgs(name=None, flags=0))


def test_records_have_no_room_for_a_misspelt_field() -> None:
    record = connect.ConnectOpenArgs(name=None, flags=0)
    with pytest.raises(AttributeError):
        record.flag = 1  # type: ignore[attr-defined] # that is the test


def test_repr_shows_the_fields() -> None:
    shown = repr(connect.ConnectOpenArgs(name="test:///default", flags=1))
    assert shown == "ConnectOpenArgs(name='test:///default', flags=1)"


@pytest.mark.parametrize(
    ("kind", "value", "number"),
    [("int", -1, 1), ("uint", 1, 2), ("llong", -1, 3), ("ullong", 2**63, 4), ("double", 0.5, 5)],
)
def test_typed_values_carry_libvirts_type_number(
    kind: str, value: int | float, number: int
) -> None:
    assert typed_value(kind, value) == TypedParamValue(number, value)


def test_typed_booleans_travel_as_numbers() -> None:
    value = typed_value("boolean", True)
    assert (value.type, value.value, type(value.value)) == (6, 1, int)


def test_every_record_lists_its_slots_in_wire_order() -> None:
    for cls in _records():
        assert sorted(name for name, _ in cls.WIRE) == sorted(cls.__slots__), cls


def _records() -> list[type[Record]]:
    return [
        cls
        for cls in vars(domain).values()
        if isinstance(cls, type) and issubclass(cls, Record) and cls is not Record
    ]
