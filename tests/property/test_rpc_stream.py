# SPDX-License-Identifier: Apache-2.0
"""Byte streams of hostile peers: a connection raises FramingError, and nothing else."""

from __future__ import annotations

import contextlib
import struct

from hypothesis import given, settings
from hypothesis import strategies as st

from virloom.errors import VirloomError
from virloom.procedures import VOID, find
from virloom.procedures.connect import CONNECT_GET_LIB_VERSION
from virloom.procedures.domain import DOMAIN_OPEN_CONSOLE
from virloom.procedures.numbers import PROCEDURES
from virloom.procedures.types import NonnullDomain
from virloom.rpc.connection import ClientConnection, ServerConnection
from virloom.rpc.errors import decode_error
from virloom.rpc.messages import Call
from virloom.rpc.packet import FramingError, Header, pack

REMOTE = 0x20008086

_HEADERS = st.builds(
    Header,
    program=st.sampled_from([REMOTE, 0x20008087, 0x6B656570, 0, 2**32 - 1]),
    version=st.sampled_from([1, 1, 1, 0, 2]),
    procedure=st.sampled_from(sorted(PROCEDURES[REMOTE])) | st.integers(-(2**31), 2**31 - 1),
    type=st.integers(-1, 8),
    serial=st.integers(0, 3),
    status=st.integers(-1, 3),
)
_WORDS = st.sampled_from([0, 1, 2, 7, 16, 4096, 2**31, 2**32 - 1])
_PAYLOADS = st.binary(max_size=80) | st.lists(_WORDS, max_size=20).map(
    lambda words: struct.pack(f">{len(words)}I", *words)
)
_PIECES = st.lists(st.builds(pack, _HEADERS, _PAYLOADS) | st.binary(max_size=9), max_size=6)


@settings(max_examples=300, deadline=None, database=None)
@given(pieces=_PIECES, step=st.integers(1, 64))
def test_any_bytes_at_both_ends(pieces: list[bytes], step: int) -> None:
    client, server = ClientConnection(find), ServerConnection(find, [REMOTE])
    _, first = client.call(CONNECT_GET_LIB_VERSION, VOID)
    guest = NonnullDomain("vm", bytes(16), 1)
    _, second = client.call(DOMAIN_OPEN_CONSOLE, DOMAIN_OPEN_CONSOLE.args(guest, None, 0))
    calls = server.receive(first + second)
    assert all(isinstance(call, Call) for call in calls)
    assert isinstance(calls[1], Call)
    client.receive(server.reply(calls[1], VOID))
    stream = b"".join(pieces)
    for end in (client, server):
        with contextlib.suppress(FramingError):
            for at in range(0, len(stream), step):
                for message in end.receive(stream[at : at + step]):
                    if isinstance(message, Call):
                        with contextlib.suppress(VirloomError):
                            message.arguments()
        end.data_to_send()
        end.close()


@settings(max_examples=300, deadline=None, database=None)
@given(payload=_PAYLOADS | st.lists(_WORDS, min_size=11, max_size=40).map(
    lambda words: struct.pack(f">{len(words)}I", *words)
))  # fmt: skip
def test_any_error_structure(payload: bytes) -> None:
    assert isinstance(decode_error(payload), VirloomError)
