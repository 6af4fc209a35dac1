# SPDX-License-Identifier: Apache-2.0
"""A connection to the agent of one guest.

The socket is read only while somebody waits for an answer: what a guest sends at other times
stays in the kernel's buffers, and then in the guest. One command at a time: callers hold the
domain's agent job.
"""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Callable, Coroutine, Mapping
from contextlib import suppress
from typing import Any, NamedTuple, TypeVar

from virloom.drivers.qemu.agent.protocol import AgentViolation, Conversation, command_line
from virloom.enums.error import ErrorDomain
from virloom.errors import AgentUnresponsive, InternalError, VirloomError

#: Seconds for the answer to a synchronization, and for commands whose caller wants the default.
WAIT = 5.0

_READ = 256 << 10

_T = TypeVar("_T")


class AgentError(InternalError):
    """The agent refused a command, or failed to do it.

    Attributes:
        kind: Its class of the error: ``GenericError``, ``CommandNotFound``, ``CommandDisabled``.
    """

    def __init__(self, command: str, kind: str, description: str) -> None:
        self.kind = kind
        super().__init__(
            f"unable to execute QEMU agent command '{command}': {description}",
            domain=ErrorDomain.QEMU,
        )

    @property
    def unsupported(self) -> bool:
        """Whether the agent does not know the command, or is told not to do it."""
        return self.kind in ("CommandNotFound", "CommandDisabled")


class Limits(NamedTuple):
    """Seconds to wait; None waits for ever."""

    sync: float
    answer: float | None


class Agent:
    """The conversation with one agent.

    Args:
        connection: A connected stream socket; it belongs to the agent from now on.
        guest: Whose agent it is, for messages.
    """

    def __init__(self, connection: socket.socket, guest: str = "") -> None:
        connection.setblocking(False)
        self._guest = guest
        self._socket = connection
        self._loop = asyncio.get_running_loop()
        self._conversation = Conversation()
        self._gone: asyncio.Future[None] = self._loop.create_future()
        self._ending: asyncio.Future[None] | None = None

    @property
    def closed(self) -> bool:
        """Whether there is nobody to talk to any more."""
        return self._gone.done()

    def close(self) -> None:
        """Ends the conversation; whoever waits for an answer gets AgentUnresponsive."""
        if not self._gone.done():
            self._gone.set_result(None)
            self._loop.remove_reader(self._socket)
            self._loop.remove_writer(self._socket)
            self._socket.close()

    def notice_end(self) -> None:
        """The guest shuts down or boots again: whoever waits for that need not any longer."""
        if self._ending is not None and not self._ending.done():
            self._ending.set_result(None)

    async def execute(
        self, command: str, arguments: Mapping[str, Any] | None, limits: Limits
    ) -> Any:
        """Does a command and returns what the agent says.

        Raises:
            AgentUnresponsive: Nobody answers in time, or what answers is no agent.
            AgentError: It refuses.
        """
        answer = await self.exchange(command, command_line(command, arguments), limits)
        return answer["return"]

    async def exchange(self, command: str, line: bytes, limits: Limits) -> Mapping[str, Any]:
        """As :meth:`execute`, with a command that is text already; returns the whole answer."""
        return await self._guarded(self._exchange(command, line, limits))

    async def execute_to_end(
        self, command: str, arguments: Mapping[str, Any], seconds: float
    ) -> None:
        """Does a command after which the guest ends or boots again, which answers it.

        Raises:
            AgentUnresponsive: As :meth:`execute`, or nothing happens.
            AgentError: It refuses.
        """
        await self._guarded(self._until_end(command, command_line(command, arguments), seconds))

    # -- one command ---------------------------------------------------------------------------

    async def _guarded(self, work: Coroutine[Any, Any, _T]) -> _T:
        """Runs *work*; a guest that does not keep to the protocol loses the connection."""
        try:
            return await work
        except AgentViolation as exc:
            self.close()
            raise AgentUnresponsive(
                f"the agent of domain '{self._guest}' is cut off because the guest sent {exc}",
                domain=ErrorDomain.QEMU,
            ) from exc

    async def _exchange(self, command: str, line: bytes, limits: Limits) -> Mapping[str, Any]:
        await self._synchronize(limits.sync)
        try:
            async with asyncio.timeout(limits.answer):
                answer = await self._asked(line)
        except TimeoutError:
            raise _too_late(limits.answer or 0) from None
        return _checked(command, answer)

    async def _until_end(self, command: str, line: bytes, seconds: float) -> None:
        await self._synchronize(WAIT)
        self._ending = self._loop.create_future()
        asked = self._loop.create_task(self._asked(line))
        try:
            async with asyncio.timeout(seconds):
                await _first_of(asked, self._ending, self._gone)
                if asked.done() and not self.closed:
                    _checked(command, asked.result())
                await _first_of(self._ending, self._gone)
        except TimeoutError:
            raise _too_late(seconds) from None
        finally:
            self._ending = None
            asked.cancel()
            with suppress(asyncio.CancelledError, VirloomError, AgentViolation):
                await asked

    async def _asked(self, line: bytes) -> Mapping[str, Any]:
        await self._send(line)
        return await self._received(self._conversation.answer)

    async def _synchronize(self, seconds: float) -> None:
        try:
            async with asyncio.timeout(seconds):
                await self._send(self._conversation.sync())
                await self._received(self._conversation.synchronized)
        except TimeoutError:
            raise AgentUnresponsive(
                "Guest agent not available for now",
                domain=ErrorDomain.QEMU,
            ) from None

    # -- bytes ---------------------------------------------------------------------------------

    async def _received(self, take: Callable[[bytes], _T | None]) -> _T:
        """Reads until *take* makes something of it; what has been read already comes first."""
        found = take(b"")
        while not found:
            found = take(await self._read())
        return found

    async def _read(self) -> bytes:
        """What has come: at least a byte, and never without a round of the loop for others."""
        while True:
            await self._ready(self._loop.add_reader, self._loop.remove_reader)
            try:
                data = self._socket.recv(_READ)
            except (BlockingIOError, InterruptedError):
                continue
            except OSError:
                data = b""
            if not data:
                self.close()
                raise self._disappeared()
            return data

    async def _send(self, data: bytes) -> None:
        rest = memoryview(data)
        while rest:
            await self._ready(self._loop.add_writer, self._loop.remove_writer)
            try:
                rest = rest[self._socket.send(rest) :]
            except (BlockingIOError, InterruptedError):
                continue
            except OSError:
                self.close()
                raise self._disappeared() from None

    async def _ready(
        self, watch: Callable[..., object], unwatch: Callable[[socket.socket], object]
    ) -> None:
        """Returns when the socket is ready to be read, or to be written.

        Raises:
            AgentUnresponsive: The conversation has been ended.
        """
        if self.closed:
            raise self._disappeared()
        ready: asyncio.Future[None] = self._loop.create_future()
        watch(self._socket, _settle, ready)
        try:
            await _first_of(ready, self._gone)
        finally:
            if not self.closed:
                unwatch(self._socket)
        if self.closed:
            raise self._disappeared()

    def _disappeared(self) -> AgentUnresponsive:
        return AgentUnresponsive(
            "Guest agent disappeared while executing command", domain=ErrorDomain.QEMU
        )


def _settle(future: asyncio.Future[None]) -> None:
    if not future.done():
        future.set_result(None)


async def _first_of(*futures: asyncio.Future[Any]) -> None:
    await asyncio.wait(futures, return_when=asyncio.FIRST_COMPLETED)


def _checked(command: str, answer: Mapping[str, Any]) -> Mapping[str, Any]:
    if "error" not in answer:
        return answer
    error = answer["error"]
    if not isinstance(error, dict):
        raise AgentError(command, "GenericError", "unknown QEMU command error")
    kind, text = error.get("class"), error.get("desc")
    raise AgentError(
        command,
        kind if isinstance(kind, str) else "GenericError",
        text if isinstance(text, str) else "unknown QEMU command error",
    )


def _too_late(seconds: float) -> AgentUnresponsive:
    """Of an agent that lives, but takes too long: in libvirt 9 it is the error of a dead one."""
    return AgentUnresponsive(
        f"guest agent didn't respond to command within '{seconds:g}' seconds",
        domain=ErrorDomain.QEMU,
    )
