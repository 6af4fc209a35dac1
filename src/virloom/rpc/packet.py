# SPDX-License-Identifier: Apache-2.0
"""Messages in a byte stream: a length word, a header of six words, a payload.

Layout and bounds are of ``data/protocol/framing.json``. A message with descriptors has their
number between header and payload, and each descriptor comes after the message, with one byte
that no length counts.
"""

from __future__ import annotations

import contextlib
import os
import struct
from collections import deque
from collections.abc import Sequence
from enum import IntEnum
from typing import NamedTuple


class MessageType(IntEnum):
    """What a message is (``virNetMessageType``)."""

    CALL = 0
    REPLY = 1
    EVENT = 2
    STREAM = 3
    CALL_WITH_FDS = 4
    REPLY_WITH_FDS = 5
    STREAM_HOLE = 6


class MessageStatus(IntEnum):
    """How a message ended, or that more follows (``virNetMessageStatus``)."""

    OK = 0
    ERROR = 1
    CONTINUE = 2


#: Length word and header together: also the shortest message.
HEADER_SIZE = 28
#: What the length word may say at most; it counts itself.
MAX_LENGTH = 33554436
MAX_FDS = 32
#: What one stream packet carries at most, in either direction.
MAX_STREAM_DATA = 262120

#: The types that say how many descriptors follow.
WITH_FDS = (int(MessageType.CALL_WITH_FDS), int(MessageType.REPLY_WITH_FDS))
_HEAD = struct.Struct(">IIIiiIi")
#: Makes a named tuple without a call of Python's.
_new = tuple.__new__
_FIELDS = struct.Struct(">IIiiIi")  # the same without the length
_WORD = struct.Struct(">I")


class FramingError(ValueError):
    """The stream is not made of messages, or one is too long; the connection must be cut."""


class Header(NamedTuple):
    """Who is meant by a message. ``type`` and ``status`` are plain numbers: a peer's may be new."""

    program: int
    version: int
    procedure: int
    type: int
    serial: int
    status: int


class Packet:
    """One message. Its descriptors belong to whoever has it."""

    __slots__ = ("fds", "header", "payload")

    def __init__(self, header: Header, payload: bytes, fds: Sequence[int] = ()) -> None:
        self.header = header
        self.payload = payload
        self.fds = fds

    def packed(self) -> bytes:
        """Its bytes, for who passes it on; its descriptors are to follow."""
        count = len(self.fds) if self.header.type in WITH_FDS else None
        return pack(self.header, self.payload, count)

    def __repr__(self) -> str:
        return f"<{self.header} and {len(self.payload)} bytes, {len(self.fds)} descriptors>"


class Piece(Packet):
    """Some bytes of a stream packet whose others came before or are still to come."""

    __slots__ = ("piece",)

    def __init__(self, header: Header, piece: memoryview) -> None:
        super().__init__(header, b"")
        self.piece = piece


#: The fields of a :class:`Header`, for who makes one of its own for each message.
Fields = tuple[int, int, int, int, int, int]


def pack(header: Fields, payload: bytes = b"", fd_count: int | None = None) -> bytes:
    """The bytes of a message; its descriptors are to follow, each with a byte of its own.

    Args:
        fd_count: The number of descriptors, for the two types that carry them; else None.

    Raises:
        FramingError: The payload is longer than any message may be, or too many descriptors.
    """
    if fd_count is not None:
        if fd_count > MAX_FDS:
            raise FramingError(f"{fd_count} descriptors are more than the {MAX_FDS} of a message")
        payload = _WORD.pack(fd_count) + payload
    length = HEADER_SIZE + len(payload)
    if length > MAX_LENGTH:
        raise FramingError(f"a message of {length} bytes is longer than {MAX_LENGTH}")
    return _HEAD.pack(length, *header) + payload


def head_of(header: Header, size: int) -> bytes:
    """The bytes of a message before its payload of *size* bytes, which is to follow."""
    return _HEAD.pack(HEADER_SIZE + size, *header)


def is_whole(data: bytes) -> bool:
    """Whether *data* is just one message, in the words of its length."""
    return HEADER_SIZE <= len(data) == int.from_bytes(data[:4], "big") <= MAX_LENGTH


#: A piece of a message.
Part = bytes | bytearray | memoryview

#: Bytes below which a part is not kept as it came.
_SMALL = 4096
#: Bytes of a stream packet that are worth a piece of their own.
_SMALLEST_PIECE = 256
_STREAM_DATA = int(MessageType.STREAM), int(MessageStatus.CONTINUE)


def add_part(parts: list[Part], data: bytes) -> None:
    """Keeps a part; small ones together: who dribbles costs no object for each byte."""
    if len(data) >= _SMALL:
        parts.append(data)
    elif parts and isinstance(parts[-1], bytearray):
        parts[-1] += data
    else:
        parts.append(bytearray(data))


def header_of(data: Part) -> Header:
    """The header of a message, of which at least that is there."""
    return Header._make(_FIELDS.unpack_from(data, 4))


def close_fds(fds: Sequence[int]) -> None:
    """Closes descriptors that nobody wants."""
    for fd in fds:
        with contextlib.suppress(OSError):  # closing must go on; a bad one is gone anyway
            os.close(fd)


class Framer:
    """Cuts what a socket brings into messages.

    Args:
        max_length: What a length word may say; lower it while a peer is not to be trusted with
            the memory, and set the attribute later.
        pieces: The data of a stream packet that is not all there comes as :class:`Piece`, of which
            no copy was made, rather than with the packet.
    """

    def __init__(self, max_length: int = MAX_LENGTH, *, pieces: bool = False) -> None:
        self.max_length = max_length
        self._pieces = pieces
        self._begun: tuple[Header, int] | None = None  # a packet in pieces, and its missing bytes
        self._parts: list[Part] = []  # of a message that is not all there
        self._have = self._need = 0  # bytes of them, and bytes with which something can be cut
        self._fds: deque[int] = deque()
        self._awaiting: tuple[Header, bytes, int] | None = None  # its descriptors are to come

    @property
    def buffered(self) -> int:
        """Bytes of a message that is not complete yet."""
        return self._have

    @property
    def between_messages(self) -> bool:
        """Whether all that came was whole messages."""
        return not (self._have or self._fds or self._begun) and self._awaiting is None

    @property
    def begun(self) -> tuple[Header, int] | None:
        """The packet of which pieces came, and its missing bytes; setting it goes on from there."""
        return self._begun

    @begun.setter
    def begun(self, begun: tuple[Header, int] | None) -> None:
        self._begun = begun

    def feed(self, data: bytes, fds: Sequence[int] = ()) -> list[Packet]:
        """The messages that *data* completes; takes over *fds*.

        Raises:
            FramingError: Cut the connection. All descriptors are closed.
        """
        fields = None if fds else self.whole(data)
        if fields is not None:
            return [Packet(_new(Header, fields[1:]), data[HEADER_SIZE:])]
        packets: list[Packet] = []
        try:
            self._feed(data, fds, packets)
        except FramingError:
            for packet in packets:  # whole before the wrong one, and nobody will get them
                close_fds(packet.fds)
            self.close()
            raise
        return packets

    def _feed(self, data: bytes, fds: Sequence[int], packets: list[Packet]) -> None:
        if fds:
            self._fds.extend(fds)
            if len(self._fds) > MAX_FDS:
                raise FramingError(f"more than {MAX_FDS} descriptors came")
        left: bytes | memoryview = data
        if self._begun is not None:
            left = self._add_piece(self._begun[0], self._begun[1], memoryview(data), packets)
        if self._have:
            self._have += len(data)
            if self._have < self._need:
                add_part(self._parts, data)
                return
            left = self._end_begun(data, packets)
        used = self._cut(left, packets)
        if not (self._pieces and self._begin_pieces(memoryview(left)[used:], packets)):
            self._keep(left, used)
        if self._fds and not self._have and self._awaiting is None:
            self._drop_fds()  # nobody announced them

    def _begin_pieces(self, rest: memoryview, packets: list[Packet]) -> bool:
        """Adds what is there of a stream packet's data; False where *rest* is something else."""
        if len(rest) < HEADER_SIZE + _SMALLEST_PIECE or self._awaiting is not None:
            return False
        header = header_of(rest)
        if (header.type, header.status) != _STREAM_DATA:
            return False
        self._parts, self._have = [], 0
        missing = _WORD.unpack_from(rest)[0] - HEADER_SIZE
        self._add_piece(header, missing, rest[HEADER_SIZE:], packets)
        return True

    def _add_piece(
        self, header: Header, missing: int, data: memoryview, packets: list[Packet]
    ) -> memoryview:
        """Adds the next piece of a packet; what is left of *data*."""
        piece = data[:missing]
        if piece:
            packets.append(Piece(header, piece))
        missing -= len(piece)
        self._begun = (header, missing) if missing else None
        return data[len(piece) :]

    def _end_begun(self, data: bytes, packets: list[Packet]) -> bytes | memoryview:
        """Adds the message that *data* completes, copied once; what is still to be cut."""
        first = self._parts[0]
        if self._awaiting is None and len(first) >= HEADER_SIZE:
            header = header_of(first)
            if header.type not in WITH_FDS:
                missing = self._need - (self._have - len(data))
                begin, view = memoryview(first)[HEADER_SIZE:], memoryview(data)
                payload = b"".join((begin, *self._parts[1:], view[:missing]))
                packets.append(Packet(header, payload))
                return view[missing:]
        return b"".join((*self._parts, data))

    def _keep(self, data: bytes | memoryview, used: int) -> None:
        """Keeps what could not be cut."""
        self._have = len(data) - used
        if not self._have:
            self._parts = []
            return
        rest = memoryview(data)[used:]
        # A small rest is copied, so that it does not keep all that came with it.
        self._parts = [bytes(rest) if self._have < len(data) // 4 else rest]
        if self._awaiting is not None:
            self._need = self._awaiting[2]
        else:
            self._need = 4 if self._have < 4 else _WORD.unpack_from(rest)[0]

    def whole(self, data: bytes) -> tuple[int, ...] | None:
        """Length and header, where *data* is just one message and nothing was begun before.

        Nearly all that a daemon reads is; it need not be fed then. None for all else, and for a
        message with descriptors.
        """
        if self._have or self._begun is not None or self._fds or self._awaiting is not None:
            return None
        length = len(data)
        if not HEADER_SIZE <= length <= self.max_length:
            return None
        fields = _HEAD.unpack_from(data)
        return fields if fields[0] == length and fields[4] not in WITH_FDS else None

    def _cut(self, data: bytes | memoryview, packets: list[Packet]) -> int:
        """Adds the whole messages of *data* to *packets*; how many bytes they took."""
        at, end = 0, len(data)
        while True:
            if self._awaiting is not None:
                header, payload, count = self._awaiting
                if end - at < count:
                    break
                at += count
                self._awaiting = None
                packets.append(Packet(header, payload, self._take_fds(count)))
                continue
            if end - at < 4:
                break
            (length,) = _WORD.unpack_from(data, at)
            if not HEADER_SIZE <= length <= self.max_length:
                raise FramingError(f"a message of {length} bytes is out of bounds")
            if end - at < length:
                break
            header = Header._make(_FIELDS.unpack_from(data, at + 4))
            payload = bytes(data[at + HEADER_SIZE : at + length])
            at += length
            if header.type in WITH_FDS:
                self._announced(header, payload)
            else:
                packets.append(Packet(header, payload))
        return at

    def _announced(self, header: Header, payload: bytes) -> None:
        if len(payload) < 4:
            raise FramingError("a message with descriptors does not say how many")
        (count,) = _WORD.unpack_from(payload)
        if count > MAX_FDS:
            raise FramingError(f"{count} descriptors are more than the {MAX_FDS} of a message")
        self._awaiting = header, payload[4:], count

    def _take_fds(self, count: int) -> list[int]:
        if len(self._fds) < count:
            raise FramingError(f"{count} descriptors were announced, {len(self._fds)} came")
        return [self._fds.popleft() for _ in range(count)]

    def _drop_fds(self) -> None:
        close_fds(self._fds)
        self._fds.clear()

    def close(self) -> None:
        """Forgets what was begun; closes descriptors that no message got. Idempotent."""
        self._drop_fds()
        self._awaiting = None
        self._begun = None
        self._parts = []
        self._have = 0
