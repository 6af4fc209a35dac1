# SPDX-License-Identifier: Apache-2.0
"""A process that takes what guests write after a virtlogd that was told to end, until the next.

It ends when no guest writes any more, or gives its pipes to the next virtlogd, which asks for them
at its socket.

``python -c 'from virloom.guestlog.alone import main …' STATE SIZE BACKUPS LISTENER NAME=FD…``
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import socket
import sys
from collections.abc import Mapping
from pathlib import Path

from virloom.enums.error import ErrorDomain
from virloom.errors import OperationFailed
from virloom.guestlog.files import Limits
from virloom.guestlog.logs import GuestLogs
from virloom.host.fdpass import recv_fds, send_fds
from virloom.host.files import Directory
from virloom.host.process import SpawnRequest, spawn

_SOCKET = "alone"
#: Seconds that either waits for the other.
_PATIENCE = 10.0
_PROGRAM = "from virloom.guestlog.alone import main; raise SystemExit(main())"


def leave_alone(state: Path, limits: Limits, pipes: Mapping[str, int]) -> None:
    """Starts the process with copies of *pipes*; who asks for them from now on is waited for.

    Args:
        state: Says what the pipes are; the socket is beside it.

    Raises:
        SystemFailure: It cannot be started.
    """
    with Directory(state.parent) as directory, _listener(directory) as listener:
        held = [f"{name}={fd}" for name, fd in pipes.items()]
        words = [state, limits.size, limits.backups, listener.fileno(), *held]
        argv = [sys.executable, "-c", _PROGRAM, *map(str, words)]
        spawn(SpawnRequest(argv, pass_fds=[listener.fileno(), *pipes.values()])).close()


def _listener(directory: Directory) -> socket.socket:
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    directory.unlink(_SOCKET)
    listener.bind(directory.path_for(_SOCKET))
    listener.listen()
    return listener


def take_back(state: Path) -> dict[str, int]:
    """The pipes of a process that :func:`leave_alone` has started, if there is one; it ends.

    Raises:
        OperationFailed: It does not answer.
    """
    found: dict[str, int] = {}
    with (
        Directory(state.parent) as directory,
        socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as connection,
    ):
        connection.settimeout(_PATIENCE)
        try:
            connection.connect(directory.path_for(_SOCKET))
            while True:
                name, fds = recv_fds(connection, 255, 1)
                if not fds:
                    break
                found[name.decode()] = fds[0]
        except (FileNotFoundError, ConnectionError):
            return found
        except TimeoutError as exc:
            raise OperationFailed(
                "the process that keeps the logs of guests does not answer",
                domain=ErrorDomain.LOGGING,
            ) from exc
        directory.unlink(_SOCKET)
    return found


class _Nobody:
    """Keeps nothing: who is told to end is not watched."""

    def keep(self, name: str, fd: int) -> None:
        """Nothing comes to be here."""

    def forget(self, name: str) -> None:
        """Nothing was kept."""


def main() -> int:
    """The program."""
    state, size, backups, listener, *pipes = sys.argv[1:]
    held = {name: int(fd) for name, fd in (pipe.split("=") for pipe in pipes)}
    for fd in (int(listener), *held.values()):
        os.set_inheritable(fd, False)
    with socket.socket(fileno=int(listener)) as listening:
        asyncio.run(_keep(Path(state), Limits(int(size), int(backups)), listening, held))
    return 0


async def _keep(
    state: Path, limits: Limits, listening: socket.socket, pipes: dict[str, int]
) -> None:
    done = asyncio.Event()
    logs = GuestLogs(state, limits, _Nobody())
    logs.on_empty = done.set
    logs.adopt(pipes)
    if not len(logs):
        return
    loop = asyncio.get_running_loop()
    listening.setblocking(False)

    def asked() -> None:
        connection, _ = listening.accept()
        with connection:
            connection.settimeout(_PATIENCE)
            with contextlib.suppress(OSError):  # whoever asked has gone: the next one may ask
                for name, pipe in logs.held().items():
                    send_fds(connection, name.encode(), [pipe])
                logs.close()  # before it knows that these were all, so nobody reads beside it
                done.set()

    loop.add_reader(listening, asked)
    await done.wait()
    loop.remove_reader(listening)
