# SPDX-License-Identifier: Apache-2.0
"""A QEMU that is only its monitor: speaks QMP on a real socket, and misbehaves to order."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Callable, Mapping
from pathlib import Path
from types import TracebackType
from typing import Any

from virloom.drivers.qemu.monitor.protocol import Codec, Command, Event, Failure, Side

#: What QEMU 7.2 of Debian 12 greets with.
VERSION = {"qemu": {"major": 7, "minor": 2, "micro": 22}, "package": "Debian 1:7.2+dfsg-7"}

Answer = Any | Failure | Callable[[Mapping[str, Any]], Any]


class FakeQemu:
    """The monitor's end of a guest.

    Commands are answered from ``answers`` (a value, a :class:`Failure`, or a function of the
    arguments that returns either); what is not there is refused as QEMU refuses it.

    Attributes:
        answers: By command.
        commands: Those that came, in order; negotiation left out.
        fds: Descriptors that came beside commands; closed with the fake.
        silent: While true commands are taken and not answered; :meth:`speak` answers them.
        greets: Whether the fake greets who connects.
    """

    def __init__(self, answers: Mapping[str, Answer] | None = None) -> None:
        self.answers: dict[str, Answer] = {"qmp_capabilities": {}, **(answers or {})}
        self.commands: list[Command] = []
        self.fds: list[int] = []
        self.silent = False
        self.greets = True
        self._held: list[Command] = []
        self._codec = Codec(Side.SERVER)
        self._listener: socket.socket | None = None
        self._peer: socket.socket | None = None
        self._outbox = bytearray()
        self._arrived = asyncio.Event()

    # Connections

    def connection(self) -> socket.socket:
        """A socket that is connected to this QEMU."""
        ours, theirs = socket.socketpair()
        self._attach(ours)
        return theirs

    def listen(self, path: Path) -> None:
        """Listens on *path*; as QEMU, for one client at a time and again when it has gone."""
        self._listener = socket.socket(socket.AF_UNIX)
        self._listener.setblocking(False)
        self._listener.bind(str(path))
        self._listener.listen(1)
        self._await_client()

    def break_off(self) -> None:
        """Closes the connection, as a QEMU that dies."""
        if self._peer is None:
            return
        loop = asyncio.get_running_loop()
        loop.remove_reader(self._peer)
        loop.remove_writer(self._peer)
        self._peer.close()
        self._peer = None
        self._outbox.clear()
        if self._listener is not None:
            self._await_client()

    def close(self) -> None:
        """Ends it all."""
        if self._listener is not None:
            asyncio.get_running_loop().remove_reader(self._listener)
            self._listener.close()
            self._listener = None
        self.break_off()
        for fd in self.fds:
            socket.close(fd)
        self.fds.clear()

    def __enter__(self) -> FakeQemu:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        value: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    # What it says

    def event(self, name: str, data: Mapping[str, Any] | None = None, seconds: int = -1) -> None:
        """Sends an event."""
        self.raw(self._codec.event(Event(name, data or {}, seconds)))

    def raw(self, data: bytes) -> None:
        """Sends bytes as they are."""
        self._outbox += data
        self._flush()

    def speak(self) -> None:
        """Answers what it was silent about, and all that comes from now on."""
        self.silent = False
        held, self._held = self._held, []
        for command in held:
            self._answer(command)

    # What it heard

    async def heard(self, name: str) -> Command:
        """The first command *name*, when it has come."""
        while True:
            for command in self.commands:
                if command.name == name:
                    return command
            self._arrived.clear()
            await self._arrived.wait()

    @property
    def names(self) -> list[str]:
        """The names of the commands that came."""
        return [command.name for command in self.commands]

    # Inside

    def _await_client(self) -> None:
        assert self._listener is not None
        asyncio.get_running_loop().add_reader(self._listener, self._accept)

    def _accept(self) -> None:
        assert self._listener is not None
        asyncio.get_running_loop().remove_reader(self._listener)
        self._attach(self._listener.accept()[0])

    def _attach(self, peer: socket.socket) -> None:
        peer.setblocking(False)
        self._peer = peer
        self._codec = Codec(Side.SERVER)
        asyncio.get_running_loop().add_reader(peer, self._readable)
        if self.greets:
            self.raw(self._codec.greeting(VERSION, ("oob",)))

    def _readable(self) -> None:
        assert self._peer is not None
        try:
            data, fds, _, _ = socket.recv_fds(self._peer, 65536, 16)
        except ConnectionResetError:
            data, fds = b"", []
        self.fds += fds
        if not data:
            self.break_off()
            return
        for message in self._codec.receive(data):
            assert isinstance(message, Command)
            self._take(message)

    def _take(self, command: Command) -> None:
        if command.name != "qmp_capabilities":
            self.commands.append(command)
            self._arrived.set()
        if self.silent:
            self._held.append(command)
        else:
            self._answer(command)

    def _answer(self, command: Command) -> None:
        unknown = Failure("CommandNotFound", f"The command {command.name} has not been found")
        answer = self.answers.get(command.name, unknown)
        if callable(answer):
            answer = answer(command.arguments)
        if isinstance(answer, Failure):
            self.raw(self._codec.failure(command.id, answer))
        else:
            self.raw(self._codec.reply(command.id, answer))

    def _flush(self) -> None:
        if self._peer is None:
            return
        loop = asyncio.get_running_loop()
        try:
            sent = self._peer.send(self._outbox) if self._outbox else 0
        except BlockingIOError:
            sent = 0
        except (BrokenPipeError, ConnectionResetError):
            self.break_off()
            return
        del self._outbox[:sent]
        if self._outbox:
            loop.add_writer(self._peer, self._flush)
        else:
            loop.remove_writer(self._peer)
