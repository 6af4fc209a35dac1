# SPDX-License-Identifier: Apache-2.0
"""Descriptors over a UNIX socket (SCM_RIGHTS): received ones are owned at once, or closed."""

from __future__ import annotations

import array
import contextlib
import functools
import os
import socket
from collections.abc import Sequence

MAX_FDS = 253
"""Descriptors that the kernel takes in one message (SCM_MAX_FD)."""

_INT = array.array("i").itemsize

# Bound here, because every message of every client comes this way, and an enum costs.
_CLOEXEC = int(socket.MSG_CMSG_CLOEXEC)
_CUT_OFF = int(socket.MSG_CTRUNC)


class TooManyDescriptors(OSError):
    """A peer sent more descriptors than were allowed; all of them are closed."""


def send_fds(connection: socket.socket, data: bytes, fds: Sequence[int]) -> int:
    """Send *data* and, with its first byte, *fds*; ours stay open.

    Returns:
        The bytes sent, at least one; the rest is to be sent without descriptors.

    Raises:
        BlockingIOError: A non-blocking socket is full; nothing was sent.
        ValueError: No data, without which no descriptor arrives, or more than :data:`MAX_FDS`.
    """
    if not data:
        raise ValueError("descriptors need at least one byte to go with")
    if len(fds) > MAX_FDS:
        raise ValueError(f"{len(fds)} descriptors are more than the {MAX_FDS} of one message")
    if not fds:
        return connection.send(data, socket.MSG_NOSIGNAL)
    rights = [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", fds))]
    return connection.sendmsg([data], rights, socket.MSG_NOSIGNAL)


@functools.cache
def _room(limit: int) -> int:
    """Bytes for one more than allowed, so that one too many is seen rather than cut off."""
    return socket.CMSG_SPACE((limit + 1) * _INT)


def recv_fds(connection: socket.socket, size: int, limit: int) -> tuple[bytes, list[int]]:
    """Receive up to *size* bytes and the descriptors that came with them, close-on-exec.

    The caller owns the descriptors. On every error they are closed.

    Args:
        limit: Descriptors that the peer may send with one message.

    Returns:
        The data, empty at the end of the stream, and the descriptors.

    Raises:
        BlockingIOError: Nothing is there on a non-blocking socket.
        TooManyDescriptors: More came than *limit*; the data is lost, so the connection is too.
    """
    data, messages, flags, _ = connection.recvmsg(size, _room(limit), _CLOEXEC)
    if not messages and not flags & _CUT_OFF:
        return data, []
    return data, _owned(messages, flags, limit)


def recv_fds_into(
    connection: socket.socket, buffer: memoryview, limit: int
) -> tuple[int, list[int]]:
    """As :func:`recv_fds`, into a buffer that is there; the number of bytes and the descriptors."""
    room = _room(limit) if connection.family == socket.AF_UNIX else 0
    size, messages, flags, _ = connection.recvmsg_into([buffer], room, _CLOEXEC)
    if not messages and not flags & _CUT_OFF:
        return size, []
    return size, _owned(messages, flags, limit)


def _owned(messages: list[tuple[int, int, bytes]], flags: int, limit: int) -> list[int]:
    """The descriptors that came, unless there are too many."""
    with OwnedFds(_descriptors(messages)) as fds:
        if flags & _CUT_OFF or len(fds) > limit:
            raise TooManyDescriptors(f"more than {limit} descriptors came with one message")
        return fds.release()


def _descriptors(messages: list[tuple[int, int, bytes]]) -> list[int]:
    fds = array.array("i")
    for level, kind, payload in messages:
        if level == socket.SOL_SOCKET and kind == socket.SCM_RIGHTS:
            fds.frombytes(payload[: len(payload) - len(payload) % _INT])
    return list(fds)


class OwnedFds:
    """Descriptors that are closed on leaving the block, unless :meth:`release` gave them away.

    Those of an object that nobody keeps (the answer to a call that was given up) are closed too.
    """

    def __init__(self, fds: Sequence[int] = ()) -> None:
        self._fds = list(fds)

    @classmethod
    def copies(cls, fds: Sequence[int]) -> OwnedFds:
        """Copies of *fds*, close-on-exec; ours stay open.

        Raises:
            OSError: One of them is not open; no copy is left.
        """
        owned = cls()
        with owned:
            owned._fds.extend(map(os.dup, fds))
            return cls(owned.release())

    def __len__(self) -> int:
        return len(self._fds)

    @property
    def numbers(self) -> Sequence[int]:
        """The descriptors, still ours."""
        return tuple(self._fds)

    def release(self) -> list[int]:
        """Give the descriptors to the caller."""
        fds, self._fds = self._fds, []
        return fds

    def __enter__(self) -> OwnedFds:
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()

    def __del__(self) -> None:
        self.close()

    def close(self) -> None:
        """Close what was not given away; idempotent."""
        for fd in self.release():
            with contextlib.suppress(OSError):  # closing must go on; a bad one is gone anyway
                os.close(fd)
