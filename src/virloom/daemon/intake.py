# SPDX-License-Identifier: Apache-2.0
"""The data of one stream, from a client's socket to the driver's end by one thread."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence

from virloom.daemon.memory import end_if_out_of_memory
from virloom.endpoint.stream import StreamWriter
from virloom.rpc.connection import ServerConnection
from virloom.rpc.stream_run import StreamRun


class Intake:
    """What a thread is given to do with the bytes of a client.

    Args:
        run: Takes the stream's data out of them.
        first: Data that came before.
        writer: Where they go; closed when the thread is done.
        over: Gets what was not taken, and the descriptors that came with it.

    Attributes:
        done: Done when the thread is; with the error of the writer, if any.
    """

    def __init__(
        self, connection: ServerConnection, run: StreamRun, first: Sequence[memoryview],
        writer: StreamWriter, over: Callable[[bytes, Sequence[int]], None],
    ) -> None:  # fmt: skip
        self.done: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._connection = connection
        self._run = run
        self._first = first
        self._writer = writer
        self._over = over
        self._given_up = False
        self._error: Exception | None = None

    def give_up(self) -> None:
        """Writes nothing more."""
        self._given_up = True

    def take(self, came: memoryview) -> bool:
        """For the thread: writes the stream's data in what came."""
        data = [*self._first, *self._run.take(came)]
        self._first = ()
        if data and not self._given_up:
            try:
                self._writer.write(data)
            except Exception as exc:
                end_if_out_of_memory(exc)
                self._error = exc
        return not (self._run.ended or self._error or self._given_up)

    def taken(self, fds: Sequence[int]) -> None:
        """The thread is done: the connection goes on with what comes next."""
        self._writer.close()
        if not self.done.done():  # else nobody waits any more
            if self._error is None:
                self.done.set_result(None)
            else:
                self.done.set_exception(self._error)
        self._connection.end_run(self._run)
        self._over(self._run.rest, fds)
