# SPDX-License-Identifier: Apache-2.0
"""Every record of every program: round trips, and bytes that a hostile peer could send."""

from __future__ import annotations

import importlib
import struct
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from virloom.procedures.record import Record
from virloom.rpc.xdr import XdrError, codec_for

AREAS = (
    "admin", "connect", "domain", "interface", "lock", "log", "lxc", "network", "nodedev",
    "nwfilter", "qemu", "record", "secret", "storage", "types",
)  # fmt: skip


def _all_records() -> list[type[Record]]:
    modules = [importlib.import_module(f"virloom.procedures.{area}") for area in AREAS]
    return [
        item
        for module in modules
        for item in vars(module).values()
        if isinstance(item, type)
        and issubclass(item, Record)
        and item is not Record
        and item.__module__ == module.__name__
    ]


RECORDS = _all_records()

_BITS = {
    "int": (32, True), "uint": (32, False), "hyper": (64, True), "uhyper": (64, False),
    "char": (8, True), "uchar": (8, False), "ushort": (16, False),
}  # fmt: skip


def _integers(kind: str) -> st.SearchStrategy[int]:
    bits, signed = _BITS[kind]
    low = -(1 << bits - 1) if signed else 0
    return st.integers(low, low + (1 << bits) - 1)


_TEXT = st.text(st.characters(exclude_characters="\0", codec="utf-8"), max_size=9)
_RAW_TEXT = st.binary(max_size=9).map(
    lambda raw: raw.replace(b"\0", b"").decode("utf-8", "surrogateescape")
)
_STRINGS = _TEXT | _RAW_TEXT
_TYPED = st.one_of(
    st.tuples(st.sampled_from([1, 6]), _integers("int")),
    st.tuples(st.just(2), _integers("uint")),
    st.tuples(st.just(3), _integers("hyper")),
    st.tuples(st.just(4), _integers("uhyper")),
    st.tuples(st.just(5), st.floats(allow_nan=False)),
    st.tuples(st.just(7), _STRINGS),
)


def _values(wire: Any) -> st.SearchStrategy[Any]:
    if isinstance(wire, str):
        return _integers(wire)
    if isinstance(wire, type):
        return _of(wire)
    kind, part = wire[0], wire[1]
    if kind == "string":
        return _STRINGS
    if kind == "optional":
        return st.none() | _values(part)
    if kind == "list":
        return st.lists(_values(part), max_size=3)
    if kind in ("fixed", "fixed-chars"):
        return st.binary(min_size=part, max_size=part)
    return st.binary(max_size=9)


def _of(record: type[Any]) -> st.SearchStrategy[Any]:
    if record.WIRE and record.WIRE[0][1] == "typed-param-type":
        return _TYPED.map(lambda pair: record(*pair))
    fields = {name: _values(wire) for name, wire in record.WIRE}
    return st.fixed_dictionaries(fields).map(lambda values: record(**values))


FEW = settings(
    max_examples=8, deadline=None, database=None, suppress_health_check=list(HealthCheck)
)


@pytest.mark.parametrize("record", RECORDS, ids=lambda record: record.__qualname__)
@FEW
@given(data=st.data(), before=st.binary(max_size=5))
def test_round_trip_and_cuts(record: type[Record], data: st.DataObject, before: bytes) -> None:
    value = data.draw(_of(record))
    codec = codec_for(record)
    encoded = codec.encode(value)
    assert len(encoded) % 4 == 0
    assert codec.decode(encoded) == value
    assert codec.decode(memoryview(before + encoded + b"more"), len(before)) == value
    assert codec.encode(codec.decode(encoded)) == encoded
    if encoded:
        with pytest.raises(XdrError):
            codec.decode(encoded[: data.draw(st.integers(0, len(encoded) - 1))])


_WORDS = st.sampled_from([0, 1, 2, 3, 7, 8, 16, 255, 4096, 4194304, 2**31 - 1, 2**31, 2**32 - 1])
_HOSTILE = st.binary(max_size=200) | st.lists(_WORDS, max_size=40).map(
    lambda words: struct.pack(f">{len(words)}I", *words)
)


@pytest.mark.parametrize("record", RECORDS, ids=lambda record: record.__qualname__)
@FEW
@given(data=_HOSTILE)
def test_hostile_bytes(record: type[Record], data: bytes) -> None:
    codec = codec_for(record)
    try:
        value = codec.decode(data)
    except XdrError as exc:
        assert record.__name__ in str(exc)
    else:
        assert codec.decode(codec.encode(value)) == value or "nan" in repr(value)
