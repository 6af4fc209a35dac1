# SPDX-License-Identifier: Apache-2.0
"""A real QEMU whose monitor answers late, never or wrongly: a proxy in front of its socket.

The proxy takes the place of the socket's name and passes everything on, descriptors included,
but for the commands that it has a fault for::

    with faulty(root) as monitor:  # before the guest is started
        dom = await paused("web")
        monitor.on("device_add", never())

It works in threads of its own, so that whoever uses it may be synchronous, asynchronous or a
daemon in another process (then :meth:`FaultyMonitor.put_before` while nobody is connected).
"""

from __future__ import annotations

import json
import os
import socket
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, NamedTuple

from virloom.drivers.qemu.process.steps import observed
from virloom.host.files import Directory

_REAL = "monitor.real"


class Fault(NamedTuple):
    """What becomes of one command.

    Attributes:
        reaches: Whether QEMU gets it.
        says: The line that takes the answer's place, ``%d`` for the id of the command; None for
            QEMU's own. Sent at once when QEMU does not get the command.
        silent: Nothing is answered.
        hangs_up: The connection is closed instead of an answer.
        seconds: The answer, and all that QEMU says after it, is kept back so long.
        times: How many commands of that name have the fault; the others are let through.
    """

    reaches: bool = True
    says: bytes | None = None
    silent: bool = False
    hangs_up: bool = False
    seconds: float = 0.0
    times: int = 1 << 30


def late(seconds: float, times: int = 1 << 30) -> Fault:
    """Done, but answered later."""
    return Fault(seconds=seconds, times=times)


def never(*, reaches: bool = False, times: int = 1 << 30) -> Fault:
    """Not answered; with *reaches* QEMU does it all the same."""
    return Fault(reaches=reaches, silent=True, times=times)


def answers(value: Any, *, reaches: bool = False, times: int = 1 << 30) -> Fault:
    """Answered by another value than QEMU's."""
    text = json.dumps({"return": value}).replace("%", "%%")
    return Fault(reaches, f'{text[:-1]}, "id": %d}}'.encode(), times=times)


def refuses(
    description: str = "no", kind: str = "GenericError", *, reaches: bool = False,
    times: int = 1 << 30,
) -> Fault:  # fmt: skip
    """Refused; with *reaches* although QEMU has done it."""
    error = json.dumps({"error": {"class": kind, "desc": description}}).replace("%", "%%")
    return Fault(reaches, f'{error[:-1]}, "id": %d}}'.encode(), times=times)


def garbles(line: bytes = b"}{") -> Fault:
    """Answered by something that is no QMP."""
    return Fault(reaches=True, says=line.replace(b"%", b"%%"))


def hangs_up(*, reaches: bool = False, times: int = 1 << 30) -> Fault:
    """The monitor is closed instead of an answer; the next client is served."""
    return Fault(reaches=reaches, hangs_up=True, times=times)


class FaultyMonitor:
    """The proxy of one guest at a time.

    Attributes:
        commands: Names of all commands that came, in order.
        hidden: Names of events that the client is not told.
    """

    def __init__(self) -> None:
        self.commands: list[str] = []
        self.hidden: set[str] = set()
        self._faults: dict[str, Fault] = {}
        self._awaited: dict[int, Fault] = {}
        self._lock = threading.Lock()
        self._sockets: list[socket.socket] = []
        self._client: socket.socket | None = None
        self._threads: list[threading.Thread] = []
        self._closing = threading.Event()

    def put_before(self, directory: Path, name: str = "monitor.sock") -> None:
        """Takes the place of the monitor in a guest's directory; nobody may be connected to it."""
        os.rename(directory / name, directory / _REAL)
        with Directory(directory) as place:
            listener = place.listen_unix(name)
        listener.setblocking(True)
        self._sockets.append(listener)
        self._start(self._accept, listener, directory)

    def on(self, command: str, fault: Fault | None) -> None:
        """From now on, what becomes of *command*; None for nothing unusual."""
        with self._lock:
            if fault is None:
                self._faults.pop(command, None)
            else:
                self._faults[command] = fault

    def event(self, name: str, data: Mapping[str, Any]) -> None:
        """Tells the client of something that has not happened."""
        stamp = {"seconds": int(time.time()), "microseconds": 0}
        assert self._client is not None
        self._tell(self._client, json.dumps({"event": name, "data": data, "timestamp": stamp}))

    def close(self) -> None:
        """Ends every connection, and all threads."""
        self._closing.set()
        for item in self._sockets:
            with suppress(OSError):
                item.shutdown(socket.SHUT_RDWR)
        for thread in self._threads:
            thread.join(10)
        for item in self._sockets:
            item.close()

    # Inside

    def _start(self, work: Any, *args: Any) -> None:
        thread = threading.Thread(target=work, args=args, daemon=True)
        self._threads.append(thread)
        thread.start()

    def _accept(self, listener: socket.socket, directory: Path) -> None:
        while not self._closing.is_set():
            try:
                client = listener.accept()[0]
            except OSError:
                return
            try:
                with Directory(directory) as place:
                    qemu = place.connect_unix(_REAL)
            except Exception:  # the guest has ended
                client.close()
                continue
            qemu.setblocking(True)
            self._client = client
            self._sockets += [client, qemu]
            self._start(self._upwards, client, qemu)
            self._start(self._downwards, qemu, client)

    def _upwards(self, client: socket.socket, qemu: socket.socket) -> None:
        """What the client says; each of its commands is a line."""
        left = b""
        with suppress(OSError):
            while True:
                data, fds, _, _ = socket.recv_fds(client, 1 << 16, 16)
                if not data:
                    break
                *lines, left = (left + data).split(b"\n")
                for number, line in enumerate(lines):
                    own = fds if number == len(lines) - 1 else []
                    self._command(line, own, client, qemu)
                for fd in fds:
                    os.close(fd)
        _end(qemu)

    def _command(
        self, line: bytes, fds: list[int], client: socket.socket, qemu: socket.socket
    ) -> None:
        command = json.loads(line)
        name = command.get("execute") or command.get("exec-oob")
        with self._lock:
            self.commands.append(name)
            fault = self._faults.get(name)
            if fault is not None:
                rest = fault._replace(times=fault.times - 1)
                self._faults[name] = rest
                if rest.times == 0:
                    del self._faults[name]
                if fault.reaches:
                    self._awaited[command["id"]] = fault
        if fault is None or fault.reaches:
            socket.send_fds(qemu, [line + b"\n"], fds)
            return
        time.sleep(fault.seconds)
        self._misbehave(fault, command["id"], client)

    def _misbehave(self, fault: Fault, number: int, client: socket.socket) -> None:
        if fault.hangs_up:
            _end(client)
        elif fault.says is not None and not fault.silent:
            self._tell(client, (fault.says % number if b"%d" in fault.says else fault.says))

    def _downwards(self, qemu: socket.socket, client: socket.socket) -> None:
        """What QEMU says; each of its messages is a line."""
        with suppress(OSError), qemu.makefile("rb") as lines:
            for line in lines:
                self._message(line, client)
        _end(client)

    def _message(self, line: bytes, client: socket.socket) -> None:
        message = json.loads(line)
        if message.get("event") in self.hidden:
            return
        number = message.get("id")
        with self._lock:
            fault = self._awaited.pop(number, None)
        if fault is not None:
            self._closing.wait(fault.seconds)
            if fault.silent or fault.hangs_up or fault.says is not None:
                self._misbehave(fault, number, client)
                return
        self._tell(client, line)

    def _tell(self, client: socket.socket, line: bytes | str) -> None:
        data = line.encode() if isinstance(line, str) else line
        with suppress(OSError):
            client.sendall(data.rstrip(b"\r\n") + b"\r\n")


def _end(peer: socket.socket) -> None:
    with suppress(OSError):
        peer.shutdown(socket.SHUT_RDWR)


@contextmanager
def faulty(root: Path) -> Iterator[FaultyMonitor]:
    """Stands before the monitor of the next guest that this process starts in *root*."""
    monitor = FaultyMonitor()

    def step_done(step: str) -> None:
        if step == "monitor-listening":
            for found in root.glob("**/monitor.sock"):
                if not (found.parent / _REAL).exists():
                    monitor.put_before(found.parent)

    try:
        with observed(step_done):
            yield monitor
    finally:
        monitor.close()
