# SPDX-License-Identifier: Apache-2.0
"""What the codecs refuse, forgive, and say."""

from __future__ import annotations

import struct
import tracemalloc

import pytest

from virloom.procedures.connect import ConnectOpenArgs, NodeGetSecurityModelRet
from virloom.procedures.domain import (
    CONNECT_GET_ALL_DOMAIN_STATS,
    DOMAIN_GET_CPU_STATS,
    DomainGetInfoArgs,
    DomainLookupByNameArgs,
)
from virloom.procedures.record import TypedParamValue
from virloom.procedures.types import NonnullDomain, TypedParam
from virloom.rpc.compiler import encode_chars
from virloom.rpc.xdr import XdrError, codec_for

BY_NAME = codec_for(DomainLookupByNameArgs)
INFO = codec_for(DomainGetInfoArgs)
OPEN = codec_for(ConnectOpenArgs)


def guest(name: str = "vm", uuid: bytes = bytes(16), number: int = 1) -> DomainGetInfoArgs:
    return DomainGetInfoArgs(NonnullDomain(name, uuid, number))


def test_layout() -> None:
    encoded = INFO.encode(guest("guest", b"0123456789abcdef", -1))
    assert encoded == b"\0\0\0\5guest\0\0\0" + b"0123456789abcdef" + b"\xff\xff\xff\xff"


def test_forgiven() -> None:
    # trailing bytes, padding that is not zero, NUL, optional of 2, not UTF-8: as libvirtd takes
    assert BY_NAME.decode(b"\0\0\0\3cap\xffmore").name == "cap"
    assert BY_NAME.decode(b"\0\0\0\5cap\0x\0\0\0").name == "cap"
    assert OPEN.decode(b"\0\0\0\2\0\0\0\1a\0\0\0\0\0\0\0") == ConnectOpenArgs("a", 0)
    foreign = BY_NAME.decode(b"\0\0\0\2\xff\xfe\0\0")
    assert BY_NAME.encode(foreign) == b"\0\0\0\2\xff\xfe\0\0"


@pytest.mark.parametrize(
    ("args", "words"),
    [
        (guest("a\0b"), r"dom\.name: a string cannot hold a NUL"),
        (guest(uuid=b"short"), r"dom\.uuid: unexpected b'short'"),
        (guest(number=2**31), r"dom\.id"),
        (guest("x" * 4194305), r"dom\.name: 4194305 are more than the 4194304 allowed"),
        (guest(None), r"dom\.name"),  # type: ignore[arg-type] # what must be refused
        (guest(number="7"), r"dom\.id"),  # type: ignore[arg-type] # what must be refused
    ],
)
def test_values_that_cannot_travel(args: DomainGetInfoArgs, words: str) -> None:
    with pytest.raises(XdrError, match=words):
        INFO.encode(args)


def test_data_too_short_names_the_field() -> None:
    encoded = INFO.encode(guest())
    with pytest.raises(XdrError, match=r"DomainGetInfoArgs\.dom\.id"):
        INFO.decode(encoded[:-1])
    with pytest.raises(XdrError, match=r"DomainGetInfoArgs\.dom\.name: the data end early"):
        INFO.decode(encoded[:5])
    with pytest.raises(XdrError, match="DomainLookupByNameArgs"):
        BY_NAME.decode(b"\0\0\0\1a\0\0")  # padding belongs to it


def test_limits_on_decoding() -> None:
    with pytest.raises(XdrError, match="4194305 are more than the 4194304 allowed"):
        BY_NAME.decode(struct.pack(">I", 4194305) + bytes(4194308))


def test_typed_parameters() -> None:
    codec = codec_for(DOMAIN_GET_CPU_STATS.ret)
    values: list[tuple[int, int | float | str]] = [
        (1, -5), (2, 2**32 - 1), (3, -(2**63)), (4, 2**64 - 1), (5, 1.5), (6, 1), (7, "text"),
    ]  # fmt: skip
    params = [TypedParam(f"p{kind}", TypedParamValue(kind, value)) for kind, value in values]
    record = DOMAIN_GET_CPU_STATS.ret(params, 7)
    assert codec.decode(codec.encode(record)) == record
    for kind in (0, 8, -1):
        with pytest.raises(XdrError, match=f"unexpected {kind}"):
            codec.encode(DOMAIN_GET_CPU_STATS.ret([TypedParam("p", TypedParamValue(kind, 1))], 1))
        with pytest.raises(XdrError, match=f"unexpected {kind}"):
            codec.decode(struct.pack(">IIii", 1, 0, kind, 0) + bytes(8))


def test_a_char_is_a_signed_word() -> None:
    codec = codec_for(NodeGetSecurityModelRet)
    encoded = codec.encode(NodeGetSecurityModelRet(b"A\xff", b""))
    assert encoded == bytes.fromhex("00000002 00000041 ffffffff 00000000")
    assert codec.decode(encoded).model == b"A\xff"
    assert encode_chars(b"ab", 3) == bytes.fromhex("00000061 00000062 00000000")


def test_a_count_must_be_paid_for() -> None:
    """A few bytes that claim 16384 records make nothing of them."""
    codec = codec_for(CONNECT_GET_ALL_DOMAIN_STATS.ret)
    hostile = struct.pack(">I", 16384) + bytes(400)
    with pytest.raises(XdrError):
        codec.decode(hostile)
    tracemalloc.start()
    try:
        with pytest.raises(XdrError):
            codec.decode(hostile)
        assert tracemalloc.get_traced_memory()[1] < 20_000
    finally:
        tracemalloc.stop()
