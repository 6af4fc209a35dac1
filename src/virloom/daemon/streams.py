# SPDX-License-Identifier: Apache-2.0
"""The streams of one client: a pump for each, and the one that a thread moves."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence

from virloom.daemon.intake import Intake
from virloom.daemon.memory import keep_for_streams
from virloom.daemon.outbox import Outbox
from virloom.daemon.pump import Pump, PumpOwner
from virloom.endpoint.dispatch import Call
from virloom.endpoint.stream import FilePart, StreamEnd, StreamWriter
from virloom.enums.error import ErrorDomain
from virloom.errors import VirloomError, system_failure
from virloom.rpc.connection import ServerConnection
from virloom.rpc.messages import StreamAborted, StreamData, StreamFinished, StreamHole, StreamPiece
from virloom.rpc.packet import MAX_STREAM_DATA, close_fds
from virloom.transport.base import Transport

#: What comes for a stream.
StreamMessage = StreamPiece | StreamData | StreamHole | StreamFinished | StreamAborted


class StreamsOwner(ABC):
    """The client that has them."""

    @abstractmethod
    def streams_room(self) -> None:
        """How much of the client's data waits has changed."""

    @abstractmethod
    def streams_cut(self, why: str) -> None:
        """Cuts the client off: it does not keep to the protocol."""

    @abstractmethod
    def streams_leave(self, rest: bytes, fds: Sequence[int]) -> None:
        """What came behind the data of a stream that a thread took."""

    @abstractmethod
    def may_be_read_by_thread(self, taken: int) -> bool:
        """Whether nobody else waits for what comes.

        Args:
            taken: So many of the bytes that wait, the thread takes first.
        """

    @abstractmethod
    async def writable(self) -> None:
        """Waits while the client does not read."""


class Streams(PumpOwner):
    """Moves what a client's streams say, until each has ended.

    Args:
        owner: The client.
        connection: Its end of the protocol.
        transport: Where files are sent, and bytes are read by a thread.
        outbox: Sends what streams say, in the order of what else the client is told.
    """

    def __init__(
        self,
        owner: StreamsOwner,
        connection: ServerConnection,
        transport: Transport,
        outbox: Outbox,
    ) -> None:
        self._owner = owner
        self._connection = connection
        self._transport = transport
        self._outbox = outbox
        self._pumps: dict[int, Pump] = {}
        self._intake: Intake | None = None  # a thread reads what comes

    def __len__(self) -> int:
        """How many there are."""
        return len(self._pumps)

    @property
    def waiting(self) -> int:
        """Bytes of the client that no driver has taken yet."""
        return sum(pump.waiting for pump in self._pumps.values())

    @property
    def read_by_thread(self) -> bool:
        """Whether what comes does not come to the client now."""
        return self._intake is not None

    def attach(self, serial: int, end: StreamEnd, call: Call) -> None:
        """Begins a stream, whose call has been answered.

        Args:
            end: The driver's end of it.
        """
        if self._transport.closed or not self._connection.stream_open(serial):
            end.abort()  # nobody is there any more, or the reply became an error
            return
        keep_for_streams()
        reads = call.procedure.stream == "server-to-client"
        self._pumps[serial] = Pump(self, serial, end, reads=reads, sparse=call.sparse)

    def take(self, message: StreamMessage) -> None:
        """Gives its stream what the client says."""
        pump = self._pumps.get(message.serial)
        if isinstance(message, StreamAborted):
            if pump is not None:
                pump.abort()
            self.stream_finished(message.serial)
        elif pump is None:  # it failed on our side meanwhile
            return
        elif isinstance(message, (StreamPiece, StreamData)):
            pump.feed(message.data)
        elif isinstance(message, StreamHole):
            if pump.sparse:
                pump.feed_hole(message.length, message.flags)
            else:  # as libvirtd does
                self._owner.streams_cut("it sent a hole in a stream without holes")
        else:
            pump.finish()

    def abort(self) -> None:
        """Ends them all: the client has gone."""
        for pump in self._pumps.values():
            pump.abort()
        self._pumps.clear()

    # -- what the pumps need -------------------------------------------------------------------

    def stream_data(self, serial: int, data: bytes) -> None:
        self._outbox.send(self._connection.stream_data(serial, data))

    @property
    def sends_files(self) -> bool:
        return self._transport.carries_files

    async def stream_file(self, serial: int, part: FilePart) -> None:
        head = self._connection.stream_head(serial)
        if head is None:
            return
        self._outbox.release()  # what was said before comes before
        try:
            await self._transport.send_file(head, MAX_STREAM_DATA, *part)
        except OSError as exc:
            doing = "cannot send what is read"
            raise system_failure(doing, exc, domain=ErrorDomain.STREAMS) from exc

    def stream_hole(self, serial: int, length: int) -> None:
        self._outbox.send(self._connection.stream_hole(serial, length))

    def stream_end_of_data(self, serial: int) -> None:
        self._outbox.send(self._connection.stream_end_of_data(serial))

    def stream_finished(self, serial: int) -> None:
        self._pumps.pop(serial, None)
        self._outbox.send(self._connection.stream_finish(serial))
        self._owner.streams_room()

    def stream_failed(self, serial: int, error: VirloomError) -> None:
        self._pumps.pop(serial, None)
        self._outbox.send(self._connection.stream_error(serial, error))
        self._owner.streams_room()  # what waited for it does not fill the client any more

    def stream_taken(self) -> None:
        self._owner.streams_room()

    async def writable(self) -> None:
        await self._owner.writable()

    # -- by a thread ---------------------------------------------------------------------------

    async def stream_by_thread(
        self, serial: int, parts: Sequence[memoryview], writer: StreamWriter
    ) -> bool:
        intake = self._begin_intake(serial, parts, writer)
        if intake is None:
            writer.close()
            return False
        try:
            await intake.done
        finally:
            intake.give_up()
        return True

    def _begin_intake(
        self, serial: int, parts: Sequence[memoryview], writer: StreamWriter
    ) -> Intake | None:
        """Leaves what comes to a thread; None where it might be for others, or there is none."""
        if self._intake is not None or not self._owner.may_be_read_by_thread(sum(map(len, parts))):
            return None
        run = self._connection.begin_run(serial)
        if run is None:
            return None
        intake = Intake(self._connection, run, parts, writer, self._left)
        if not self._transport.take_by_thread(intake.take, intake.taken):
            self._connection.end_run(run)
            return None
        self._intake = intake
        return intake

    def _left(self, rest: bytes, fds: Sequence[int]) -> None:
        """What a thread did not take comes to the client."""
        self._intake = None
        if self._transport.closed:
            close_fds(fds)
        elif rest or fds:
            self._owner.streams_leave(rest, fds)
