# SPDX-License-Identifier: Apache-2.0
"""Sockets and files of a network: of this process's own, or of another while a block runs.

A thread enters the network of others with root's rights only. But what was opened there is of that
network wherever it is used: so whoever may not enter has somebody there open it
(:class:`virloom.host.door.Door`), and what is opened here asks who that is.
"""

from __future__ import annotations

import os
import socket
from contextlib import contextmanager
from contextvars import ContextVar

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Protocol

    class Opener(Protocol):
        """Opens what is of one network."""

        def new_socket(self, family: int, kind: int, protocol: int = 0) -> socket.socket:
            """A socket of that network.

            Raises:
                OSError: The kernel would not.
            """

        def open(self, path: str, flags: int) -> int:
            """A file as it is there: a parameter of the kernel, the device of taps.

            Raises:
                OSError: The kernel would not.
            """


_there: ContextVar[Opener | None] = ContextVar("network_opener", default=None)


@contextmanager
def through(opener: Opener) -> Iterator[None]:
    """What is opened while the block runs, by this task, *opener* opens."""
    token = _there.set(opener)
    try:
        yield
    finally:
        _there.reset(token)


def new_socket(family: int, kind: int, protocol: int = 0) -> socket.socket:
    """A socket.

    Raises:
        OSError: The kernel would not.
    """
    opener = _there.get()
    if opener is None:
        return socket.socket(family, kind, protocol)
    return opener.new_socket(family, kind, protocol)


def open_file(path: str, flags: int) -> int:
    """A file, as :func:`os.open` does it: also for the *opener* of :func:`open`.

    Raises:
        OSError: The kernel would not.
    """
    opener = _there.get()
    if opener is None:
        return os.open(path, flags | os.O_CLOEXEC, 0o600)
    return opener.open(path, flags)
