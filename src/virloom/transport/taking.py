# SPDX-License-Identifier: Apache-2.0
"""What comes on a socket, taken by the thread that has a use for it: a volume that is written.

The same thread receives and writes, into and from one buffer, so that no change of threads comes
between two pieces. While it does, the socket's owner does not read.
"""

from __future__ import annotations

import functools
import os
import select
import socket
import threading
from concurrent.futures import ThreadPoolExecutor

from virloom.host.fdpass import recv_fds_into
from virloom.rpc.packet import MAX_FDS
from virloom.transport.base import OnTaken, Take

#: Sockets that are taken from at once; what comes on further ones is read by their owners. More
#: threads take more of the processors from calls: their p99 beside ten uploads was thrice as long.
_THREADS = max(1, (os.cpu_count() or 1) // 2)
#: Milliseconds for which a thread waits for more.
_PATIENCE = 4
#: What one read asks for: more than a peer's socket keeps by default.
_SIZE = 1 << 18

_local = threading.local()


class Taking:
    """What comes on a socket, on its way to whoever takes it.

    Args:
        connection: The non-blocking socket; stays the caller's, and open while :meth:`move` runs.
        over: For the owner, to be called when it has the socket again.

    Attributes:
        hurried: Set it to have the thread end soon.
        fds: Descriptors that came with the last bytes; the owner's.
        error: Why nothing more can be received, where the socket said so.
    """

    def __init__(self, connection: socket.socket, take: Take, over: OnTaken) -> None:
        self.hurried = False
        self.over = over
        self.fds: list[int] = []
        self.error: OSError | None = None
        self._socket = connection
        self._take = take

    def move(self) -> None:
        """Receives, and has it taken, until something else is to be done; for a thread."""
        try:
            more = select.poll()
            more.register(self._socket, select.POLLIN)
            buffer = _buffer()
            goes_on = self._take(buffer[:0])
            while goes_on and not self.hurried:
                goes_on = self._receive(buffer, more)
        finally:
            _places().release()

    def _receive(self, buffer: memoryview, more: select.poll) -> bool:
        """Takes what is there; whether to go on."""
        try:
            size, self.fds = recv_fds_into(self._socket, buffer, MAX_FDS)
        except BlockingIOError:
            return bool(more.poll(_PATIENCE))
        except OSError as exc:
            self.error = exc
            return False
        return size > 0 and self._take(buffer[:size]) and not self.fds


def place() -> bool:
    """Whether a thread is free; one is kept for the caller's :meth:`Taking.move` then."""
    return _places().acquire(blocking=False)


def _buffer() -> memoryview:
    """The thread's own; it stays with it."""
    if not hasattr(_local, "buffer"):
        _local.buffer = memoryview(bytearray(_SIZE))
    buffer: memoryview = _local.buffer
    return buffer


@functools.cache
def _places() -> threading.BoundedSemaphore:
    os.register_at_fork(after_in_child=_places.cache_clear)
    return threading.BoundedSemaphore(_THREADS)


@functools.cache
def threads() -> ThreadPoolExecutor:
    """Those that take; they come with the first stream that is written."""
    os.register_at_fork(after_in_child=threads.cache_clear)
    return ThreadPoolExecutor(_THREADS, "streams")
