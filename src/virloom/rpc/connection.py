# SPDX-License-Identifier: Apache-2.0
"""The state of one end of a connection: calls by serial, streams, pings. Bytes in, messages out.

Methods that send return the bytes; their caller puts them on the wire in that order, and the
descriptors of a call or reply after its bytes. What the connection says by itself (a pong, a
ping, the end of a stream that nobody wants any more) waits in :meth:`data_to_send`.
"""

from __future__ import annotations

import struct
import time
from collections.abc import Callable, Collection, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any, Literal

from virloom.enums.error import ErrorDomain
from virloom.errors import InternalError, Rpc, VirloomError
from virloom.rpc import keepalive
from virloom.rpc.errors import decode_error, encode_error
from virloom.rpc.messages import (
    Call,
    EventMessage,
    Ignored,
    Incoming,
    Passed,
    Reply,
    StreamAborted,
    StreamData,
    StreamFinished,
    StreamHole,
    StreamPiece,
)
from virloom.rpc.packet import (
    HEADER_SIZE,
    MAX_LENGTH,
    MAX_STREAM_DATA,
    Framer,
    FramingError,
    Header,
    MessageStatus,
    MessageType,
    Packet,
    Piece,
    close_fds,
    head_of,
    pack,
)
from virloom.rpc.stream_run import StreamRun
from virloom.rpc.xdr import XdrError, codec_for

if TYPE_CHECKING:  # the records are above this layer; the owner gives us what finds them
    from virloom.procedures.record import Procedure

#: (program, number) → procedure or None: ``virloom.procedures.find``.
Find = Callable[[int, int], "Procedure[Any, Any] | None"]

#: Every program that we know is of version 1.
VERSION = 1

#: Makes a named tuple without a call of Python's.
_new = tuple.__new__

_HOLE = struct.Struct(">qI")  # length, flags

# Plain numbers: looking up a member of an enum costs more than packing the header.
_CALL, _REPLY, _EVENT = int(MessageType.CALL), int(MessageType.REPLY), int(MessageType.EVENT)
_STREAM, _STREAM_HOLE = int(MessageType.STREAM), int(MessageType.STREAM_HOLE)
_CALL_WITH_FDS, _REPLY_WITH_FDS = int(MessageType.CALL_WITH_FDS), int(MessageType.REPLY_WITH_FDS)
_OK, _ERROR = int(MessageStatus.OK), int(MessageStatus.ERROR)
_CONTINUE = int(MessageStatus.CONTINUE)


class _Connection:
    """What both ends share."""

    def __init__(
        self,
        find: Find,
        clock: Callable[[], float],
        max_length: int,
        takes: Literal["call", "event"],
        *,
        pieces: bool = False,
    ) -> None:
        self._look_up = find
        self._takes = takes
        self._found: dict[tuple[int, int], Procedure[Any, Any]] = {}
        self._clock = clock
        self._framer = Framer(max_length, pieces=pieces)
        self._outbox = bytearray()
        self._keepalive: keepalive.KeepAlive | None = None
        self._streams: dict[int, Header] = {}  # may carry data; by serial
        self._ending: dict[int, Header] = {}  # one side is done, the confirmation is to come

    def _find(self, program: int, number: int) -> Procedure[Any, Any] | None:
        found = self._found.get((program, number))
        if found is None:
            found = self._look_up(program, number)
            if found is not None and found.kind != self._takes:
                return None
            if found is not None:  # so what a peer makes up is not kept
                self._found[program, number] = found
        return found

    # --- bytes ---

    def receive(self, data: bytes, fds: Sequence[int] = ()) -> list[Incoming]:
        """What *data* brings, in order; takes over *fds*. Look at :meth:`data_to_send` after.

        Raises:
            FramingError: Cut the connection, without an answer.
        """
        packets = self._framer.feed(data, fds)
        if self._keepalive is not None:
            self._keepalive.seen(self._clock())
        messages: list[Incoming] = []
        try:
            for packet in packets:
                if packet.header.program == keepalive.PROGRAM and self._pinged(packet.header):
                    continue
                messages.append(self._accept(packet))
        except FramingError:
            for packet in packets:
                close_fds(packet.fds)
            self.close()
            raise
        return messages

    @property
    def between_messages(self) -> bool:
        """Whether all that came was whole messages."""
        return self._framer.between_messages

    def passed_by(self) -> None:
        """Something came from the peer that its owner did not bring here."""
        if self._keepalive is not None:
            self._keepalive.seen(self._clock())

    def data_to_send(self) -> bytes:
        """What the connection itself has to say; ask after :meth:`receive` and :meth:`tick`."""
        if not self._outbox:
            return b""
        data = bytes(self._outbox)
        self._outbox.clear()
        return data

    def limit_length(self, max_length: int) -> None:
        """Sets the longest message to take from now on."""
        self._framer.max_length = min(max_length, MAX_LENGTH)

    def close(self) -> None:
        """Releases descriptors of a message that never became complete; idempotent."""
        self._framer.close()

    def _accept(self, packet: Packet) -> Incoming:
        raise NotImplementedError

    # --- keepalive ---

    def start_keepalive(self, interval: float, count: int) -> None:
        """Pings a quiet peer from now on; see :class:`~virloom.rpc.keepalive.KeepAlive`."""
        self._keepalive = keepalive.KeepAlive(interval, count, self._clock())

    def stop_keepalive(self) -> None:
        """Sends no more pings; those of the peer are answered all the same."""
        self._keepalive = None

    def next_tick(self) -> float | None:
        """When to call :meth:`tick` next, on our clock; None without keepalive."""
        return None if self._keepalive is None else self._keepalive.deadline()

    def tick(self) -> None:
        """Puts a ping into :meth:`data_to_send` if it is time for one.

        Raises:
            TimeoutError: The peer is dead; close the connection.
        """
        if self._keepalive is not None:
            self._outbox += self._keepalive.due(self._clock())

    def _pinged(self, header: Header) -> bool:
        """Answers a ping; False for what is no keepalive message at all."""
        if header.type != _EVENT or header.version != keepalive.VERSION:
            return False
        if header.procedure == keepalive.PING_NUMBER:
            self._outbox += keepalive.PONG
        return True

    # --- streams ---

    def stream_open(self, serial: int) -> bool:
        """Whether data can be sent on a stream."""
        return serial in self._streams

    def stream_data(self, serial: int, data: bytes | memoryview) -> bytes:
        """Packets that carry *data*; nothing where the stream is over by now."""
        header = self._streams.get(serial)
        if header is None:
            return b""
        if len(data) <= MAX_STREAM_DATA:
            return pack(header, bytes(data)) if data else b""
        steps = range(0, len(data), MAX_STREAM_DATA)
        return b"".join(pack(header, bytes(data[at : at + MAX_STREAM_DATA])) for at in steps)

    def stream_head(self, serial: int) -> Callable[[int], bytes] | None:
        """What makes the heads of packets whose data goes out another way, from its size.

        It holds until the stream is over; None where that is so by now. The data of a packet has
        at most :data:`~virloom.rpc.packet.MAX_STREAM_DATA` bytes.
        """
        header = self._streams.get(serial)
        return None if header is None else partial(head_of, header)

    def stream_hole(self, serial: int, length: int, flags: int = 0) -> bytes:
        """A hole in a sparse stream; nothing where the stream is over by now."""
        header = self._streams.get(serial)
        if header is None:
            return b""
        return pack(header._replace(type=_STREAM_HOLE), _HOLE.pack(length, flags))

    def _stream_message(self, packet: Packet, header: Header) -> Incoming | None:
        """Data or a hole for a stream; None for another status."""
        if header.status != _CONTINUE:
            return None
        if header.type == _STREAM:
            return StreamData(header.serial, packet.payload)
        try:
            length, flags = _HOLE.unpack_from(packet.payload)
        except struct.error as exc:
            raise FramingError("a hole in a stream has no length") from exc
        return StreamHole(header.serial, length, flags)


class ClientConnection(_Connection):
    """The client's end.

    Args:
        find: ``virloom.procedures.find``.
        clock: For keepalive; monotonic seconds.
    """

    def __init__(self, find: Find, *, clock: Callable[[], float] = time.monotonic) -> None:
        super().__init__(find, clock, MAX_LENGTH, "event")
        self._serial = -1
        self._pending: dict[int, Procedure[Any, Any]] = {}
        self._abandoned: set[int] = set()

    def call(
        self, procedure: Procedure[Any, Any], args: Any, fds: Sequence[int] = ()
    ) -> tuple[int, bytes]:
        """A call's serial and its bytes; *fds* are to follow them.

        Raises:
            XdrError: The arguments cannot be sent; nothing has happened.
            FramingError: They are longer than any message, or there are too many descriptors.
        """
        payload = codec_for(procedure.args).encode(args)
        serial = self._next_serial()
        kind, count = (_CALL_WITH_FDS, len(fds)) if fds else (_CALL, None)
        header = Header(procedure.program, VERSION, procedure.number, kind, serial, _OK)
        data = pack(header, payload, count)
        self._serial = serial
        self._pending[serial] = procedure
        if procedure.stream != "none":  # from now on: libvirtd's data may overtake its reply
            self._streams[serial] = header._replace(type=_STREAM, status=_CONTINUE)
        return serial, data

    def _next_serial(self) -> int:
        """Serials count from 0, one counter for all programs; one still in use is left out."""
        serial = (self._serial + 1) & 0xFFFFFFFF
        while serial in self._pending or serial in self._streams or serial in self._ending:
            serial = (serial + 1) & 0xFFFFFFFF
        return serial

    @property
    def pending(self) -> list[int]:
        """The serials of calls without an answer, that somebody waits for."""
        return [serial for serial in self._pending if serial not in self._abandoned]

    def abandon(self, serial: int) -> None:
        """Nobody waits for a call any more: its reply is dropped, and a stream it opens ended."""
        if serial in self._pending:
            self._abandoned.add(serial)

    def stream_finish(self, serial: int) -> bytes:
        """Ends a stream in order; the confirmation comes as :class:`StreamFinished`."""
        return self._end_stream(serial, _OK)

    def stream_abort(self, serial: int) -> bytes:
        """Gives a stream up; the confirmation comes as :class:`StreamFinished`."""
        return self._end_stream(serial, _ERROR)

    def _end_stream(self, serial: int, status: int) -> bytes:
        header = self._streams.pop(serial, None)
        if header is None:
            return b""
        self._ending[serial] = header
        return pack(header._replace(status=status))

    def _accept(self, packet: Packet) -> Incoming:
        header = packet.header
        kind = header.type
        if kind in (_REPLY, _REPLY_WITH_FDS):
            return self._reply(packet, header)
        if kind == _EVENT:
            return self._event(packet, header)
        if kind in (_STREAM, _STREAM_HOLE):
            return self._stream(packet, header)
        close_fds(packet.fds)
        return Ignored(header, "a client takes no message of this type")

    def _reply(self, packet: Packet, header: Header) -> Incoming:
        serial = header.serial
        procedure = self._pending.pop(serial, None)
        if procedure is None:
            close_fds(packet.fds)
            return Ignored(header, "a reply to no call of ours")
        if header.procedure != procedure.number or header.program != procedure.program:
            raise FramingError(f"the reply to {procedure.name} is of another procedure: {header}")
        result = self._result(procedure, packet)
        if header.status != _OK:
            self._streams.pop(serial, None)
        if serial in self._abandoned:
            self._abandoned.discard(serial)
            close_fds(packet.fds)
            self._outbox += self.stream_abort(serial)
            return Ignored(header, "the call was given up")
        return Reply(serial, result, packet.fds)

    def _result(self, procedure: Procedure[Any, Any], packet: Packet) -> Any:
        status = packet.header.status
        if status == _OK:
            try:
                return codec_for(procedure.ret).decode(packet.payload)
            except XdrError as exc:
                return Rpc(f"cannot decode the reply: {exc}", domain=ErrorDomain.RPC)
        if status == _ERROR:
            return decode_error(packet.payload)
        return Rpc(
            f"the reply to {procedure.name} has status {status}, not ok or error",
            domain=ErrorDomain.RPC,
        )

    def _event(self, packet: Packet, header: Header) -> Incoming:
        procedure = self._find(header.program, header.procedure)
        if procedure is None:
            return Ignored(header, "an event that we do not know")
        try:
            record = codec_for(procedure.args).decode(packet.payload)
        except XdrError as exc:
            return Ignored(header, f"an event that cannot be decoded: {exc}")
        return EventMessage(procedure, record)

    def _stream(self, packet: Packet, header: Header) -> Incoming:
        serial = header.serial
        if serial in self._abandoned:
            return Ignored(header, "a packet for a call that was given up")
        if serial not in self._streams and serial not in self._ending:
            return Ignored(header, "a packet of no stream of ours")
        message = self._stream_message(packet, header)
        if message is not None:
            return message
        self._streams.pop(serial, None)
        self._ending.pop(serial, None)
        if header.status == _OK:
            return StreamFinished(serial)
        return StreamAborted(serial, decode_error(packet.payload))


class ServerConnection(_Connection):
    """The server's end.

    Args:
        find: ``virloom.procedures.find``.
        programs: The numbers of the programs that are served here.
        clock: For keepalive; monotonic seconds.
        max_length: The longest message to take; :meth:`limit_length` changes it later.
    """

    def __init__(
        self,
        find: Find,
        programs: Collection[int],
        *,
        clock: Callable[[], float] = time.monotonic,
        max_length: int = MAX_LENGTH,
    ) -> None:
        super().__init__(find, clock, max_length, "call", pieces=True)
        self._programs = frozenset(programs)
        self._passed: set[int] = set()  # serials of calls that another server answers

    def usual(self, data: bytes) -> Call | None:
        """The call that *data* is, where it is just that, of a procedure that was called before.

        It need not be received then. None for all else, of which nothing is taken.
        """
        fields = self._framer.whole(data)
        if fields is None:
            return None
        _, program, version, number, kind, _serial, status = fields
        procedure = self._found.get((program, number))
        if procedure is None or kind != _CALL or status != _OK or version != VERSION:
            return None
        if self._keepalive is not None:
            self._keepalive.seen(self._clock())
        header = _new(Header, fields[1:])
        return Call(header, procedure, data[HEADER_SIZE:])

    def pass_on(self, call: Call) -> bytes:
        """The bytes of a call for another server, as it came; its descriptors are to follow.

        What the client sends for a stream of it comes as :class:`Passed` from now on.
        """
        if call.procedure is not None and call.procedure.stream != "none":
            self._passed.add(call.serial)
        return Packet(call.header, call.payload, call.fds).packed()

    def passed_over(self, serial: int) -> None:
        """Nothing more belongs to a call that was passed on."""
        self._passed.discard(serial)

    def reply(self, call: Call, record: Any, fds: Sequence[int] = ()) -> bytes:
        """The answer to a call; *fds* are to follow its bytes.

        A result that cannot be sent becomes an error reply without descriptors; see
        :meth:`try_reply` for who must know.
        """
        try:
            if fds or call.procedure is None or call.procedure.stream != "none":
                return self.try_reply(call, record, fds)
            program, version, number, _, serial, _ = call.header
            payload = codec_for(type(record)).encode(record)
            return pack((program, version, number, _REPLY, serial, _OK), payload)
        except (XdrError, FramingError) as exc:
            return self.error(call, InternalError(f"cannot send the result: {exc}"))

    def try_reply(self, call: Call, record: Any, fds: Sequence[int] = ()) -> bytes:
        """As :meth:`reply`, for who has to know whether the descriptors are to follow.

        Raises:
            XdrError: The result cannot be encoded; answer with an error.
            FramingError: It is longer than any message, or there are too many descriptors.
        """
        program, version, number, _, serial, _ = call.header
        kind, count = (_REPLY_WITH_FDS, len(fds)) if fds else (_REPLY, None)
        payload = codec_for(type(record)).encode(record)
        data = pack((program, version, number, kind, serial, _OK), payload, count)
        if call.procedure is not None and call.procedure.stream != "none":
            header = Header(program, version, number, _STREAM, serial, _CONTINUE)
            self._streams[serial] = header
        return data

    def error(self, call: Call, error: VirloomError) -> bytes:
        """The answer to a call that failed."""
        header = call.header._replace(type=_REPLY, status=_ERROR)
        return pack(header, encode_error(error))

    def event(
        self, procedure: Procedure[Any, Any], record: Any, encoded: bytes | None = None
    ) -> bytes:
        """An event.

        Args:
            encoded: The bytes of *record*, where they are known.

        Raises:
            XdrError: The record cannot be sent.
            FramingError: It is longer than any message.
        """
        payload = codec_for(procedure.args).encode(record) if encoded is None else encoded
        return pack((procedure.program, VERSION, procedure.number, _EVENT, 1, _OK), payload)

    def begin_run(self, serial: int) -> StreamRun | None:
        """What takes a stream's data for who reads in our place, until :meth:`end_run`.

        None where the stream is over, or something else has begun to come.
        """
        header, begun = self._streams.get(serial), self._framer.begun
        if header is None:
            return None
        if begun is not None and begun[0].serial == serial:
            self._framer.begun = None
            return StreamRun(header, begun[1])
        return StreamRun(header) if self._framer.between_messages else None

    def end_run(self, run: StreamRun) -> None:
        """Goes on after what was taken; its rest is to be received."""
        self._framer.begun = (run.header, run.missing) if run.missing else None
        self.passed_by()

    def stream_end_of_data(self, serial: int) -> bytes:
        """Says that nothing more comes; the client then finishes. Nothing if it did already."""
        header = self._streams.get(serial)
        return b"" if header is None else pack(header)

    def stream_finish(self, serial: int) -> bytes:
        """Confirms that a stream is over, after the client finished or aborted it."""
        header = self._forget(serial)
        return b"" if header is None else pack(header._replace(status=_OK))

    def stream_error(self, serial: int, error: VirloomError) -> bytes:
        """Ends a stream with an error; what the client sends for it after that is ignored."""
        header = self._forget(serial)
        return b"" if header is None else pack(header._replace(status=_ERROR), encode_error(error))

    def _forget(self, serial: int) -> Header | None:
        ending = self._ending.pop(serial, None)
        return self._streams.pop(serial, None) or ending

    def _accept(self, packet: Packet) -> Incoming:
        header = packet.header
        kind = header.type
        if kind in (_CALL, _CALL_WITH_FDS):
            return self._call(packet, header)
        if kind in (_STREAM, _STREAM_HOLE):
            return self._stream(packet, header)
        close_fds(packet.fds)
        return Ignored(header, "a server takes no message of this type")

    def _call(self, packet: Packet, header: Header) -> Call:
        """The call, or what is wrong with it, in libvirtd's order and words."""
        procedure = None
        problem = None
        if header.program not in self._programs or header.version != VERSION:
            problem = f"Cannot find program {header.program} version {header.version}"
        elif header.status != _OK:
            problem = f"Unexpected message status {header.status}"
        else:
            procedure = self._find(header.program, header.procedure)
            if procedure is None:
                problem = f"unknown procedure: {header.procedure}"
        if problem is None:
            return Call(header, procedure, packet.payload, packet.fds)
        error = Rpc(problem, domain=ErrorDomain.RPC)
        return Call(header, None, packet.payload, packet.fds, error)

    def _stream(self, packet: Packet, header: Header) -> Incoming:
        serial = header.serial
        piece = packet.piece if isinstance(packet, Piece) else None
        if serial in self._passed:
            return Passed(header, packet.payload if piece is None else bytes(piece))
        opened = self._streams.get(serial)
        if opened is None:
            return Ignored(header, "a packet of no open stream")
        if piece is not None:
            return StreamPiece(serial, piece)
        message = self._stream_message(packet, header)
        if message is not None:
            return message
        self._ending[serial] = self._streams.pop(serial)
        if header.status == _OK:
            return StreamFinished(serial)
        return StreamAborted(serial, None)
