# SPDX-License-Identifier: Apache-2.0
"""A connection to QEMU's monitor.

One non-blocking socket on the running loop: commands are written when they are submitted, replies
and events are handled in the read event that brought them. There is no task, no thread and no
stream object; commands need not wait for each other's reply.

Everything here belongs to the loop that the monitor was made on.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import socket
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from enum import Enum
from typing import Any

from virloom.drivers.qemu.monitor.dialogue import Dialogue
from virloom.drivers.qemu.monitor.protocol import (
    Codec,
    Event,
    Failure,
    Greeting,
    Limits,
    ProtocolViolation,
    Reply,
    Side,
)
from virloom.enums.error import ErrorDomain
from virloom.errors import InternalError, OperationFailed, OperationTimeout, VirloomError
from virloom.host.files import Directory

#: Seconds that a command may take if neither its caller nor who made the monitor says; commands
#: of QEMU answer at once, but a host in trouble may hold its main loop for long.
TIMEOUT = 30.0


class Usual(Enum):
    """A limit that the caller leaves to the monitor."""

    LIMIT = "limit"


_READ = 256 << 10

EventCallback = Callable[[Event], object]
CloseCallback = Callable[[VirloomError | None], object]


class QmpError(InternalError):
    """QEMU refused a command, or failed to do it.

    Attributes:
        command: Its name.
        kind: QEMU's class of the error: ``GenericError``, ``CommandNotFound``, ``DeviceNotFound``,
            ``DeviceNotActive``, ``KVMMissingCap``.
        description: QEMU's words.
    """

    def __init__(self, command: str, failure: Failure) -> None:
        self.command = command
        self.kind = failure.kind
        self.description = failure.description
        super().__init__(
            f"unable to execute QEMU command '{command}': {failure.description}",
            domain=ErrorDomain.QEMU,
        )


class _Waiter:
    """A command whose reply is awaited."""

    __slots__ = ("command", "future", "timer")

    def __init__(self, command: str, future: asyncio.Future[Any]) -> None:
        self.command = command
        self.future = future
        self.timer: asyncio.TimerHandle | None = None


class Monitor:
    """A conversation with one QEMU.

    Making one sends the negotiation at once; commands may be submitted right behind it, before
    QEMU has said anything. :meth:`connect` does all of it and waits for the greeting.

    Args:
        connection: A connected stream socket; it belongs to the monitor from now on.
        guest: Whose QEMU it is, for messages and the log.
        limits: What QEMU may send.
        patience: Seconds that a command may take whose caller does not say.
    """

    def __init__(
        self,
        connection: socket.socket,
        *,
        guest: str = "",
        limits: Limits = Limits(),  # noqa: B008 - immutable
        patience: float = TIMEOUT,
    ) -> None:
        connection.setblocking(False)
        self.guest = guest
        self._patience = patience
        self.greeting: Greeting | None = None
        self._loop = asyncio.get_running_loop()
        self._codec = Codec(Side.CLIENT, limits)
        self._dialogue = Dialogue(guest)
        self._socket = connection
        self._outbox: deque[tuple[memoryview, tuple[int, ...]]] = deque()
        self._waiters: dict[int, _Waiter] = {}
        self._early_events: list[Event] = []
        self._on_event: EventCallback | None = None
        self._on_close: CloseCallback | None = None
        self._closed = False
        self._failure: VirloomError | None = None
        self._loop.add_reader(connection, self._readable)
        self._ready = self.submit("qmp_capabilities", timeout=None)

    @classmethod
    async def connect(
        cls,
        where: str | os.PathLike[str] | socket.socket,
        *,
        guest: str = "",
        limits: Limits = Limits(),  # noqa: B008 - immutable
        timeout: float = TIMEOUT,
        patience: float = TIMEOUT,
    ) -> Monitor:
        """Connect to a monitor's socket (a path of any length) or take over a connected one.

        When it fails or is cancelled, nothing is left open.

        Raises:
            SystemFailure: Nobody listens there.
            OperationTimeout: QEMU did not answer in *timeout* seconds.
            OperationFailed: QEMU closed the connection, or does not speak QMP.
        """
        connection = where if isinstance(where, socket.socket) else connect_unix(where)
        monitor = cls(connection, guest=guest, limits=limits, patience=patience)
        try:
            await monitor.ready(timeout)
        except BaseException:
            monitor.close()
            raise
        return monitor

    async def ready(self, timeout: float = TIMEOUT) -> None:
        """Returns when QEMU has greeted and accepted the negotiation; raises as :meth:`connect`."""
        try:
            async with asyncio.timeout(timeout):
                await asyncio.shield(self._ready)
        except TimeoutError as exc:
            raise self._timeout("its greeting", timeout) from exc

    # Commands

    async def execute(
        self,
        command: str,
        arguments: Mapping[str, Any] | None = None,
        /,
        *,
        timeout: float | Usual | None = Usual.LIMIT,
        fds: Sequence[int] = (),
        **more: Any,
    ) -> Any:
        """Does a command and returns what QEMU says.

        Cancelling gives up the wait, not the command.

        Args:
            command: Its name.
            arguments: Its arguments; those whose names Python allows may also be keywords.
            timeout: Seconds; None waits for ever. The monitor's patience if it is not given.
            fds: Descriptors passed beside it (``getfd``, ``add-fd``); the caller keeps its own.

        Raises:
            QmpError: QEMU refused it.
            OperationTimeout: No answer in time; the command may still be done.
            OperationFailed: The monitor has been closed, or is closed while waiting.
        """
        both = {**(arguments or {}), **more}
        return await self.submit(command, both, timeout=timeout, fds=fds)

    def submit(
        self,
        command: str,
        arguments: Mapping[str, Any] | None = None,
        *,
        timeout: float | Usual | None = Usual.LIMIT,
        fds: Sequence[int] = (),
    ) -> asyncio.Future[Any]:
        """Sends a command and returns its result's future, which raises as :meth:`execute`.

        QEMU does commands in the order of their submission. A future that nobody waits for any
        more may be dropped, also when it failed.
        """
        limit = self._patience if isinstance(timeout, Usual) else timeout
        future: asyncio.Future[Any] = self._loop.create_future()
        if self._closed:
            self._fail(future, self._gone(command))
            return future
        if self._codec.awaited >= self._codec.limits.commands:
            self._fail(future, self._error(f"too many commands await QEMU to send '{command}'"))
            return future
        number, line = self._codec.command(command, arguments)
        waiter = self._waiters[number] = _Waiter(command, future)
        if limit is not None:
            waiter.timer = self._loop.call_later(limit, self._expired, waiter, limit)
        self._dialogue.command(number, command, arguments, fds)
        self._send(line, fds)
        return future

    # What happens by itself

    @property
    def closed(self) -> bool:
        """Whether the conversation has ended."""
        return self._closed

    @property
    def on_event(self) -> EventCallback | None:
        """Called with each event, in order; it must not raise or block.

        Events that come before it is set are kept for it.
        """
        return self._on_event

    @on_event.setter
    def on_event(self, callback: EventCallback | None) -> None:
        self._on_event = callback
        if callback is not None:
            early, self._early_events = self._early_events, []
            for event in early:
                self._deliver(event)

    @property
    def on_close(self) -> CloseCallback | None:
        """Called once when the conversation has ended, after the last event.

        Its argument says why; None if :meth:`close` was called. Set afterwards, it is called in
        the loop's next round.
        """
        return self._on_close

    @on_close.setter
    def on_close(self, callback: CloseCallback | None) -> None:
        self._on_close = callback
        if self._closed and callback is not None:
            self._loop.call_soon(self._report_close)

    def close(self) -> None:
        """Ends the conversation; whoever waits gets OperationFailed. May be called twice."""
        self._end(None)

    # Sending

    def _send(self, line: bytes, fds: Sequence[int]) -> None:
        if self._outbox:
            self._enqueue(memoryview(line), fds)
            return
        sent = self._try_send(memoryview(line), fds)
        if sent < len(line) and not self._closed:
            self._enqueue(memoryview(line)[sent:], fds if sent == 0 else ())
            self._loop.add_writer(self._socket, self._writable)

    def _enqueue(self, data: memoryview, fds: Sequence[int]) -> None:
        # The caller may close its descriptors before these are sent.
        self._outbox.append((data, tuple(os.dup(fd) for fd in fds)))

    def _try_send(self, data: memoryview, fds: Sequence[int]) -> int:
        # Each command is a message of its own: QEMU takes the descriptors that came with the
        # bytes it read last, so that those of two commands must never meet.
        try:
            if fds:
                return socket.send_fds(self._socket, [data], list(fds))
            return self._socket.send(data)
        except (BlockingIOError, InterruptedError):
            return 0
        except OSError as exc:
            # What QEMU sent before it went away is still to be read; the end is noticed there.
            if isinstance(exc, (BrokenPipeError, ConnectionResetError)):
                return len(data)
            self._end(self._error(f"cannot write to the monitor: {exc.strerror}"))
            return 0

    def _writable(self) -> None:
        while self._outbox:
            data, fds = self._outbox[0]
            sent = self._try_send(data, fds)
            if self._closed:
                return
            if sent == 0:
                return
            self._outbox.popleft()
            _close_all(fds)
            if sent < len(data):
                self._outbox.appendleft((data[sent:], ()))
                return
        self._loop.remove_writer(self._socket)

    # Receiving

    def _readable(self) -> None:
        try:
            data = self._socket.recv(_READ)
        except (BlockingIOError, InterruptedError):
            return
        except OSError as exc:
            self._end(self._error(f"QEMU broke off the monitor: {exc.strerror}"))
            return
        if not data:
            self._end(self._error("QEMU closed the monitor"))
            return
        try:
            for message in self._codec.receive(data):
                self._dialogue.heard(message)
                self._handle(message)
                if self._closed:
                    return
        except ProtocolViolation as exc:
            self._end(self._error(f"the monitor was cut off because QEMU sent {exc}"))

    def _handle(self, message: object) -> None:
        if isinstance(message, Reply):
            self._answered(message)
        elif isinstance(message, Event):
            self._deliver(message)
        elif isinstance(message, Greeting):
            if self.greeting is not None:
                raise ProtocolViolation("a second greeting")
            self.greeting = message

    def _answered(self, reply: Reply) -> None:
        waiter = self._waiters.pop(reply.id)
        if waiter.timer is not None:
            waiter.timer.cancel()
        if reply.failure is not None:
            self._fail(waiter.future, QmpError(waiter.command, reply.failure))
        elif not waiter.future.done():
            waiter.future.set_result(reply.value)

    def _deliver(self, event: Event) -> None:
        if self._on_event is not None:
            self._guarded(self._on_event, event)
        elif len(self._early_events) < self._codec.limits.event_burst:
            self._early_events.append(event)
        else:
            raise ProtocolViolation("more events than anybody took")

    # Ending

    def _expired(self, waiter: _Waiter, timeout: float) -> None:
        waiter.timer = None
        self._fail(waiter.future, self._timeout(f"an answer to '{waiter.command}'", timeout))

    def _end(self, error: VirloomError | None) -> None:
        if self._closed:
            return
        self._closed = True
        self._failure = error
        self._loop.remove_reader(self._socket)
        self._loop.remove_writer(self._socket)
        self._socket.close()
        for _, fds in self._outbox:
            _close_all(fds)
        self._outbox.clear()
        self._dialogue.ended(error)
        waiters, self._waiters = self._waiters, {}
        for waiter in waiters.values():
            if waiter.timer is not None:
                waiter.timer.cancel()
            self._fail(waiter.future, self._gone(waiter.command))
        self._report_close()

    def _report_close(self) -> None:
        callback, self._on_close = self._on_close, None
        if callback is not None:
            self._guarded(callback, self._failure)

    def _guarded(self, callback: Callable[..., object], argument: object) -> None:
        # A bug in a callback must not cost the replies behind it; it goes where asyncio reports
        # those of its own callbacks.
        try:
            callback(argument)
        except Exception as exc:
            self._loop.call_exception_handler(
                {"message": f"monitor callback of guest '{self.guest}' failed", "exception": exc}
            )

    # Words

    def _fail(self, future: asyncio.Future[Any], error: VirloomError) -> None:
        if not future.done():
            future.set_exception(error)
            # Marks it as looked at: who pipelines commands gives up at the first that fails.
            future.exception()

    def _error(self, what: str) -> OperationFailed:
        guest = f" of guest '{self.guest}'" if self.guest else ""
        return OperationFailed(f"{what}{guest}", domain=ErrorDomain.QEMU)

    def _gone(self, command: str) -> OperationFailed:
        reason = self._failure.detail if self._failure is not None else "the monitor was closed"
        return OperationFailed(f"'{command}' was not answered: {reason}", domain=ErrorDomain.QEMU)

    def _timeout(self, what: str, timeout: float) -> OperationTimeout:
        guest = f" of guest '{self.guest}'" if self.guest else ""
        return OperationTimeout(
            f"QEMU{guest} did not give {what} within {timeout:g} seconds", domain=ErrorDomain.QEMU
        )


def connect_unix(path: str | os.PathLike[str]) -> socket.socket:
    """A non-blocking stream socket connected to *path*, which may have any length.

    Raises:
        SystemFailure: Nobody listens there.
    """
    directory, name = os.path.split(os.fspath(path))
    with Directory(directory or ".") as parent:
        return parent.connect_unix(name)


def _close_all(fds: Sequence[int]) -> None:
    for fd in fds:
        with contextlib.suppress(OSError):
            os.close(fd)
