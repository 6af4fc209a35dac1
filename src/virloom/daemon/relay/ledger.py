# SPDX-License-Identifier: Apache-2.0
"""The calls of one client that are with another daemon: who still waits for what, and the end."""

from __future__ import annotations

from typing import Any

from virloom.errors import VirloomError
from virloom.procedures.record import Procedure
from virloom.rpc.errors import encode_error
from virloom.rpc.packet import (
    HEADER_SIZE,
    Header,
    MessageStatus,
    MessageType,
    header_of,
    is_whole,
    pack,
)

_REPLY, _REPLY_WITH_FDS = int(MessageType.REPLY), int(MessageType.REPLY_WITH_FDS)
_STREAM, _STREAM_HOLE = int(MessageType.STREAM), int(MessageType.STREAM_HOLE)
_REPLY_WORD = _REPLY.to_bytes(4, "big")
_OK, _ERROR = int(MessageStatus.OK), int(MessageStatus.ERROR)
_CONTINUE = int(MessageStatus.CONTINUE)

_Call = tuple[Header, Procedure[Any, Any]]


class Ledger:
    """What is to come for calls that were passed on.

    Attributes:
        registrations: How often the client asked to be told of something there.
    """

    def __init__(self) -> None:
        self.registrations = 0
        self._plain: dict[bytes, bytes] = {}  # serial → header, of calls that are nothing else
        self._waiting: dict[int, _Call] = {}
        self._streams: dict[int, _Call] = {}

    def ask(self, data: bytes) -> None:
        """An answer to this whole call is to come; it opens no stream and registers nothing."""
        self._plain[data[20:24]] = data[:HEADER_SIZE]

    def expect(self, header: Header, procedure: Procedure[Any, Any]) -> None:
        """An answer to this call is to come, and maybe a stream."""
        self._waiting[header.serial] = header, procedure

    def forget(self, serial: int) -> _Call:
        """A call of :meth:`expect` was not passed on after all."""
        return self._waiting.pop(serial)

    def knows(self, serial: int) -> bool:
        """Whether something may go to the stream of a call."""
        return serial in self._streams or serial in self._waiting

    def is_plain_answer(self, data: bytes) -> bool:
        """Whether it is just the answer to a call of :meth:`ask`; nothing then waits for it."""
        if data[16:20] != _REPLY_WORD or not is_whole(data):
            return False
        return self._plain.pop(data[20:24], None) is not None

    def note(self, header: Header) -> bool:
        """What a message of the daemon means; True where a stream, or the hope for it, is over."""
        kind = header.type
        if kind in (_REPLY, _REPLY_WITH_FDS):
            return self._note_reply(header)
        if kind in (_STREAM, _STREAM_HOLE) and header.status != _CONTINUE:
            self._streams.pop(header.serial, None)
            return True
        return False

    def _note_reply(self, header: Header) -> bool:
        call = self._waiting.pop(header.serial, None)
        if call is None:
            self._plain.pop(header.serial.to_bytes(4, "big"), None)
            return False
        procedure = call[1]
        if header.status == _OK:
            self.registrations += registers(procedure)
        if procedure.stream == "none":
            return False
        if header.status != _OK:
            return True
        self._streams[header.serial] = call
        return False

    def close(self, error: VirloomError) -> tuple[list[int], bytes]:
        """Nothing comes any more: the serials of streams that are over, and what ends all calls."""
        output = [failure(header_of(head), error) for head in self._plain.values()]
        output += [failure(header, error) for header, _ in self._waiting.values()]
        output += [failure(header, error, _STREAM) for header, _ in self._streams.values()]
        serials = [*self._waiting, *self._streams]
        for calls in (self._plain, self._waiting, self._streams):
            calls.clear()
        return serials, b"".join(output)


def registers(procedure: Procedure[Any, Any]) -> int:
    """How a call changes the number of things that the client is told of."""
    name = procedure.name
    if "UNREGISTER" in name or "DEREGISTER" in name:
        return -1
    event = "_EVENT_" in name and "_REGISTER" in name
    return int(event or name == "CONNECT_REGISTER_CLOSE_CALLBACK")


def failure(header: Header, error: VirloomError, kind: int = _REPLY) -> bytes:
    """The end of a call, or of its stream."""
    return pack(header._replace(type=kind, status=_ERROR), encode_error(error))
