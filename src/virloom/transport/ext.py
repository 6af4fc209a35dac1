# SPDX-License-Identifier: Apache-2.0
"""Through a command's standard input and output: ``ext``, and ``ssh`` with it."""

from __future__ import annotations

import contextlib
import io
import os
import signal
import socket
from collections.abc import Sequence

from virloom.enums.error import ErrorDomain
from virloom.errors import SystemFailure
from virloom.host.process import Process, SpawnRequest, spawn
from virloom.transport.base import OnClosed, OnData, OnPressure, PeerIdentity
from virloom.transport.unix import SocketTransport

#: How much of a command's complaint becomes part of the error.
_COMPLAINT = 4096

#: Seconds that a command has to end when it is asked to.
_EXIT_TIME = 2.0


class CommandTransport(SocketTransport):
    """A socket whose other end is a command, and that command's process.

    When it ends by itself the reason is what it said on standard error.
    """

    def __init__(
        self, connection: socket.socket, process: Process, stderr: io.FileIO, program: str
    ) -> None:
        super().__init__(connection, PeerIdentity())
        self._passes_fds = False  # they would end at the command
        self._process = process
        self._stderr = stderr
        self._program = program

    def start(
        self, on_data: OnData, on_closed: OnClosed, on_pressure: OnPressure | None = None
    ) -> None:
        def closed(error: Exception | None) -> None:
            """Leaves together with the command, when all that it says has been said."""
            self._process.send_signal(signal.SIGTERM)
            impatience = self._loop.call_later(
                _EXIT_TIME, self._process.send_signal, signal.SIGKILL
            )

            def exited(_: int | None) -> None:
                impatience.cancel()
                self._process.close()
                on_closed(error or self._complaint())

            self._process.on_exit(exited)

        super().start(on_data, closed, on_pressure)

    def _complaint(self) -> Exception | None:
        """What the command has said on standard error, as an error."""
        said = b""
        with contextlib.suppress(BlockingIOError):  # a child of its own may go on
            said = os.read(self._stderr.fileno(), _COMPLAINT)
        self._stderr.close()
        text = said.decode(errors="replace").strip()
        if not text:
            return None
        return SystemFailure(f"'{self._program}' says: {text}", domain=ErrorDomain.RPC)


async def connect_command(argv: Sequence[str]) -> CommandTransport:
    """Runs a command, and speaks to its standard input and output.

    It stays in our session, so that it may ask the user on our terminal.

    Raises:
        SystemFailure: It cannot be started.
    """
    with contextlib.ExitStack() as ours:
        near, far = socket.socketpair()
        ours.callback(near.close)
        read_end, write_end = os.pipe2(os.O_CLOEXEC)
        os.set_blocking(read_end, False)
        stderr = ours.enter_context(io.FileIO(read_end, "r"))
        try:
            number = far.fileno()
            request = SpawnRequest(
                argv, stdin=number, stdout=number, stderr=write_end, umask=-1, new_session=False
            )
            process = spawn(request)
        finally:
            far.close()
            os.close(write_end)
        transport = CommandTransport(near, process, stderr, argv[0])
        ours.pop_all()
    return transport
