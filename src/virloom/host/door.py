# SPDX-License-Identifier: Apache-2.0
"""Opens sockets and files of a network that this process may not enter, by a process there."""

from __future__ import annotations

import errno
import json
import os
import select
import socket
import sys
from collections.abc import Sequence

from virloom.errors import OperationFailed
from virloom.host import door_process
from virloom.host.fdpass import recv_fds
from virloom.host.process import Process, SpawnRequest, spawn

#: Seconds: it does nothing but open.
_PATIENCE = 5.0


class Door:
    """What leads into a network: an :class:`virloom.host.openings.Opener`.

    The process is started by the first who asks, and ends when the door is closed, or with us.

    Args:
        prefix: What a command line begins with that is to run in that network.
    """

    def __init__(self, prefix: Sequence[str]) -> None:
        self._prefix = list(prefix)
        self._process: Process | None = None
        self._peer: socket.socket | None = None

    def new_socket(self, family: int, kind: int, protocol: int = 0) -> socket.socket:
        """A socket of that network.

        Raises:
            OSError: The kernel would not, or the process has gone.
        """
        fd = self._ask(["socket", int(family), int(kind), protocol])
        return socket.socket(family, kind, protocol, fileno=fd)

    def open(self, path: str, flags: int) -> int:
        """A file as it is there, the caller's own.

        Raises:
            OSError: The kernel would not, or the process has gone.
        """
        return self._ask(["open", path, flags | os.O_CLOEXEC])

    def close(self) -> None:
        """Lets go of the process, which ends."""
        if self._peer is not None:
            self._peer.close()
            self._peer = None
        if self._process is not None:
            select.select([self._process.pidfd], [], [], _PATIENCE)
            self._process.close()
            self._process = None

    def _ask(self, what: list[object]) -> int:
        peer = self._peer or self._start()
        try:
            peer.send(json.dumps(what).encode())
            answer, fds = recv_fds(peer, 64, 1)
        except OSError:
            self.close()  # whoever asks next has another one
            raise
        if fds:
            return fds[0]
        if not answer:
            self.close()
            raise OSError(errno.EPIPE, "the process in the other network has ended")
        number = int(answer)
        raise OSError(number, os.strerror(number))

    def _start(self) -> socket.socket:
        self.close()
        ours, its = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        ours.settimeout(_PATIENCE)
        python = sys.executable or "python3"
        argv = [*self._prefix, python, "-I", "-S", door_process.__file__]
        with its:
            try:
                self._process = spawn(SpawnRequest(argv, stdin=its.fileno()))
            except OperationFailed:
                ours.close()
                raise
        self._peer = ours
        return ours
