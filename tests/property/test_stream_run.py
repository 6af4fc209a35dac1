# SPDX-License-Identifier: Apache-2.0
"""A stream's data, cut anywhere, comes as it was sent, up to the first other message."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from virloom.rpc.packet import Framer, Header, MessageStatus, MessageType, pack
from virloom.rpc.stream_run import StreamRun

DATA = Header(0x20008086, 1, 209, int(MessageType.STREAM), 7, int(MessageStatus.CONTINUE))
#: What is none of its data: of another stream, the end, a hole, a call, no message at all.
OTHERS = (
    pack(DATA._replace(serial=8), b"another"), pack(DATA._replace(status=0)), pack(DATA),
    pack(DATA._replace(type=6), bytes(12)), pack(DATA._replace(type=0, status=0), b"call"),
    b"\0\0\0\x05" + pack(DATA, b"x")[4:], b"\xff" * 28,
)  # fmt: skip

_PAYLOADS = st.lists(st.binary(min_size=1, max_size=90), max_size=6)


@given(_PAYLOADS, st.sampled_from(OTHERS), _PAYLOADS, st.data())
def test_data_and_the_rest(
    before: list[bytes], other: bytes, after: list[bytes], data: st.DataObject
) -> None:
    sent = b"".join(pack(DATA, payload) for payload in before)
    whole = sent + other + b"".join(pack(DATA, payload) for payload in after)
    begun = data.draw(st.integers(0, len(before[0]) if before else 0))
    run = StreamRun(DATA, len(before[0]) - begun) if begun else StreamRun(DATA)
    at = 28 + begun if begun else 0
    if begun and begun == len(before[0]):
        run = StreamRun(DATA)
    found = before[0][:begun] if begun else b""
    while at < len(whole) and not run.ended:
        size = data.draw(st.integers(1, 100))
        found += b"".join(map(bytes, run.take(memoryview(whole)[at : at + size])))
        at += size
    assert run.ended
    assert run.missing == 0
    assert found == b"".join(before)
    assert run.rest + whole[at:] == whole[len(sent) :]


@given(_PAYLOADS.filter(bool), st.data())
def test_goes_on_where_it_was_left(payloads: list[bytes], data: st.DataObject) -> None:
    """Wherever it stops, a framer that is told how far it came goes on."""
    whole = b"".join(pack(DATA, payload) for payload in payloads)
    cut = data.draw(st.integers(0, len(whole)))
    run = StreamRun(DATA)
    found = b"".join(map(bytes, run.take(memoryview(whole)[:cut])))
    framer = Framer(pieces=True)
    framer.begun = (run.header, run.missing) if run.missing else None
    for packet in framer.feed(run.rest + whole[cut:]):
        found += bytes(getattr(packet, "piece", packet.payload))
    assert found == b"".join(payloads)
    assert framer.between_messages
