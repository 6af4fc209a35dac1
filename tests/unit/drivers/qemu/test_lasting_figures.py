# SPDX-License-Identifier: Apache-2.0
"""Parameters that are kept say on the wire what those say that are made each time."""

from __future__ import annotations

from virloom.drivers.qemu.lasting_figures import lasting_parameters
from virloom.procedures.domain import DomainStatsRecord
from virloom.procedures.record import typed_value
from virloom.procedures.types import NonnullDomain, TypedParam
from virloom.rpc.xdr import codec_for

FIGURES = [
    ("state.state", "int", 5),
    ("block.count", "uint", 1),
    ("block.0.path", "string", "/images/é.qcow2"),
    ("block.0.capacity", "ullong", 1 << 40),
]
DOMAIN = NonnullDomain("one", bytes(16), -1)


def test_the_same_bytes() -> None:
    plain = [TypedParam(name, typed_value(kind, value)) for name, kind, value in FIGURES]
    kept = lasting_parameters(FIGURES)
    assert kept == plain
    codec = codec_for(DomainStatsRecord)
    told = codec.encode(DomainStatsRecord(DOMAIN, kept))
    assert told == codec.encode(DomainStatsRecord(DOMAIN, plain))
    assert codec.decode(told).params == plain


def test_made_once_for_each_value() -> None:
    first, again = (lasting_parameters(FIGURES) for _ in range(2))
    assert all(one is other for one, other in zip(first, again, strict=True))
    assert lasting_parameters([("block.count", "uint", 2)])[0] != first[1]
