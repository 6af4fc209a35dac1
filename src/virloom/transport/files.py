# SPDX-License-Identifier: Apache-2.0
"""Bytes of files that go to a socket by sendfile(2): no copy of them passes through us.

A thread sends them, because who reads a file may have to wait for its disk. While it does, the
socket's owner leaves the sending to it; it stops between two messages when others want to send,
and wherever the peer takes nothing for a while.
"""

from __future__ import annotations

import asyncio
import errno
import functools
import os
import select
import socket
from concurrent.futures import ThreadPoolExecutor

from virloom.transport.base import Head, TransportClosed

#: How many files are sent at once; further ones wait for their turn. Who reads what comes from a
#: socket has more to do than who sends it, and calls are to find a processor.
_THREADS = max(1, (os.cpu_count() or 1) // 2)
#: Milliseconds for which a thread waits for a peer to make room, half as long each time that it
#: was in vain: a busy peer makes it in fewer, and a slow one keeps no thread from others.
_PATIENCE = 4
#: Bytes that are copied at once where a file cannot be sent as it is.
_COPY = 65536

_SOCKET_ERRORS = (errno.EPIPE, errno.ECONNRESET, errno.ENOTCONN, errno.ETIMEDOUT)
_FLAGS = int(socket.MSG_NOSIGNAL | socket.MSG_MORE)


class FileSending:
    """A part of a file on its way to a socket, as the payload of messages.

    Args:
        connection: The non-blocking socket; stays the caller's, and open while :meth:`move` runs.
        head: Makes the head of each message.
        most: Bytes of the file that one message carries at most.
        descriptor: The file; a copy of it is kept, so that it may be closed.
        offset, length: Which part of it.

    Attributes:
        hurried: Others want to send: stop at the end of the next message.
        done: Done when nothing more will be sent: all is, or the transport is closed, or the file
            could not be read (OSError).
    """

    def __init__(
        self, connection: socket.socket, head: Head, most: int,
        descriptor: int, offset: int, length: int,
    ) -> None:  # fmt: skip
        self.hurried = False
        self.done: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._socket = connection
        self._head = head
        self._most = most
        self._file = os.dup(descriptor)
        self._at = offset
        self._left = length
        self._begun = b""  # of the head of the message that is being sent
        self._missing = 0  # bytes of its payload
        self._patience = _PATIENCE
        self._copies = False  # this file cannot be sent as it is
        self._given_up = False
        self._error: OSError | None = None

    @property
    def between_messages(self) -> bool:
        """Whether others may send now."""
        return not (self._begun or self._missing)

    @property
    def over(self) -> bool:
        """Whether nothing is left to send."""
        return self.between_messages and (self._left == 0 or self._given_up)

    def give_up(self) -> None:
        """Sends no more than the end of the message that has begun."""
        self._given_up = self.hurried = True

    def move(self) -> None:
        """Sends until all is sent, others want to, or the peer takes nothing; for a thread.

        Raises:
            OSError: The socket takes nothing any more.
        """
        room = select.poll()
        room.register(self._socket, select.POLLOUT)
        while not self.over:
            if self.between_messages:
                self._begin()
            try:
                self._send()
            except BlockingIOError:
                if not room.poll(self._patience):
                    self._patience //= 2
                    return
            if self.hurried and self.between_messages:
                return

    def _begin(self) -> None:
        self._missing = min(self._left, self._most)
        self._left -= self._missing
        self._begun = self._head(self._missing)

    def _send(self) -> None:
        if self._begun:
            self._begun = self._begun[self._socket.send(self._begun, _FLAGS) :]
        elif self._copies:
            self._sent(self._socket.send(self._copy(), socket.MSG_NOSIGNAL))
        else:
            self._send_file()

    def _send_file(self) -> None:
        try:
            sent = os.sendfile(self._socket.fileno(), self._file, self._at, self._missing)
        except BlockingIOError:
            raise
        except OSError as exc:
            if exc.errno in _SOCKET_ERRORS:
                raise
            sent = 0
        if not sent:  # it has become shorter, cannot be read, or cannot be sent like this
            self._copies = True
        self._sent(sent)

    def _copy(self) -> bytes:
        """The next bytes; zeros where there are none: what has begun must be as long as it said."""
        size = min(self._missing, _COPY)
        if self._error is None:
            try:
                if data := os.pread(self._file, size, self._at):
                    return data
                self._error = OSError(errno.ENODATA, "the file has become shorter")
            except OSError as exc:
                self._error = exc
            self._left = 0
        return bytes(size)

    def _sent(self, size: int) -> None:
        self._at += size
        self._missing -= size

    def close(self) -> None:
        """Tells who waits that it is over, and closes our copy of the file; once."""
        os.close(self._file)
        if self.done.done():  # nobody waits any more
            return
        error = self._error
        if error is None and not (self.over and self._left == 0):
            error = TransportClosed("the connection is closed")
        if error is not None:
            self.done.set_exception(error)
        else:
            self.done.set_result(None)


@functools.cache
def threads() -> ThreadPoolExecutor:
    """Those that send files; they come with the first file that is sent."""
    os.register_at_fork(after_in_child=threads.cache_clear)
    return ThreadPoolExecutor(_THREADS, "files")
