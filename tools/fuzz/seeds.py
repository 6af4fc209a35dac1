# SPDX-License-Identifier: Apache-2.0
"""Where fuzzing begins: what libvirt's two ends said to each other, and a few documents."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

from virloom.errors import NoDomain, system_failure
from virloom.procedures import find
from virloom.procedures.numbers import PROCEDURES
from virloom.rpc.errors import encode_error
from virloom.rpc.packet import Header, MessageStatus, MessageType, pack
from virloom.testing.documents import paused_guest_xml

_CAPTURES = Path(__file__).parent.parent.parent / "data/protocol/captures.json"
_PROGRAMS = {"remote": 0x20008086, "qemu": 0x20008087, "keepalive": 0x6B656570}
_WHOLE = b"\xff"
"""The first byte of a stream for the protocol cores: reads of 256 bytes."""

_URIS = (
    "qemu:///system", "qemu+ssh://root@host:22/system?keyfile=/k&no_verify=1",
    "qemu+unix:///session?socket=/run/s", "test:///default", "qemu+tcp://[::1]:16509/system",
    "qemu:///embed?root=/srv/%7Eguests",
)  # fmt: skip
_CONFIG = b'# c\nmax_clients = 20\nlog_outputs = "3:file:/x"\nlist = [ "a", "b" ]\n'


def seeds(target: str) -> Iterator[bytes]:
    """Inputs for a target."""
    if target in ("server", "planted", "daemon"):
        yield from _streams("client->server", target)
    elif target in ("client", "endpoint"):
        yield from _streams("server->client", target)
    elif target == "records":
        yield from _records()
    elif target == "error":
        for cause in (NoDomain("web"), system_failure("cannot write", OSError(28, "full"))):
            yield encode_error(cause)
    elif target == "uri":
        yield from (uri.encode() for uri in _URIS)
    elif target == "config":
        yield _CONFIG
    elif target == "xml":
        yield paused_guest_xml("fuzz").encode()


def _streams(direction: str, target: str) -> Iterator[bytes]:
    """The messages one by one, and in conversations of eight."""
    head = b"" if target in ("daemon", "endpoint") else _WHOLE
    packed = [pack(header, payload) for header, payload in _messages(direction)]
    for message in dict.fromkeys(packed):
        yield head + message
    for at in range(0, len(packed), 8):
        yield head + b"".join(packed[at : at + 8])


def _messages(direction: str) -> Iterator[tuple[Header, bytes]]:
    """Those whose payload was short enough to be captured whole."""
    captures = json.loads(_CAPTURES.read_text())
    for session in (*captures["virsh"], *captures["python"]):
        for message in session["messages"]:
            program = _PROGRAMS.get(message.get("program", ""))
            number = _number(program, message.get("procedure", ""))
            if message["direction"] != direction or number is None or program is None:
                continue
            payload = bytes.fromhex(message.get("payload_hex", ""))
            # Descriptors cannot be among bytes; the fuzzer finds those types by itself.
            if len(payload) != message["payload_len"] or message["type"].endswith("_WITH_FDS"):
                continue
            kind, status = MessageType[message["type"]], MessageStatus[message["status"]]
            yield Header(program, 1, number, kind, message["serial"], status), payload


def _number(program: int | None, name: str) -> int | None:
    if program == _PROGRAMS["keepalive"]:
        return {"PING": 1, "PONG": 2}.get(name)
    for number in PROCEDURES.get(program or 0, ()):
        procedure = find(program or 0, number)
        if procedure is not None and procedure.name == name:
            return number
    return None


def _records() -> Iterator[bytes]:
    """Zeros of several lengths for some kinds of record."""
    for which in range(0, 1400, 50):
        for length in (4, 32, 128):
            yield which.to_bytes(2, "big") + bytes(length)
