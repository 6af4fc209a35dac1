# SPDX-License-Identifier: Apache-2.0
"""A guest's console."""

from __future__ import annotations

import fcntl
import struct
import termios
from collections.abc import Awaitable, Callable, Generator
from typing import Any, NamedTuple

from virloom.client.stream import Stream


class TerminalSize(NamedTuple):
    """Characters of a terminal."""

    rows: int
    columns: int


class Console(Stream):
    """A console's bytes in both directions."""

    async def size(self) -> TerminalSize | None:
        """The size of its terminal; None where the console is none, or runs on another host."""
        fd = self.fileno()
        if fd is None:
            return None
        try:
            packed = fcntl.ioctl(fd, termios.TIOCGWINSZ, bytes(8))
        except OSError:  # a socket or a pipe
            return None
        rows, columns, _, _ = struct.unpack("HHHH", packed)
        return TerminalSize(rows, columns)

    async def set_size(self, rows: int, columns: int) -> bool:
        """Sets it; False where the console has no terminal here.

        A guest does not hear of it by itself: a serial line carries no size.
        """
        fd = self.fileno()
        if fd is None:
            return False
        try:
            fcntl.ioctl(fd, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))
        except OSError:  # a socket or a pipe
            return False
        return True


class OpeningConsole:
    """A console to come: to be awaited, or entered and then closed at the block's end."""

    def __init__(self, opened: Callable[[], Awaitable[Console]]) -> None:
        self._open = opened
        self._console: Console | None = None

    def __await__(self) -> Generator[Any, None, Console]:
        return self._open().__await__()

    async def __aenter__(self) -> Console:
        self._console = await self._open()
        return self._console

    async def __aexit__(self, kind: type[BaseException] | None, *rest: object) -> None:
        if self._console is not None:
            await self._console.__aexit__(kind, *rest)
