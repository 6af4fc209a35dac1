# SPDX-License-Identifier: Apache-2.0
"""Our side of a guest's console: a terminal in raw mode, or plain input and output."""

from __future__ import annotations

import asyncio
import contextlib
import fcntl
import os
import select
import signal
import termios
import tty
from collections.abc import Iterator

ESCAPE = b"\x1d"
"""What leaves the console: ctrl-], as in virsh and telnet."""

# A pipe that is said to be writable takes this much at once (PIPE_BUF of pipe(7)).
_CHUNK = 4096


@contextlib.contextmanager
def raw_mode(fd: int) -> Iterator[None]:
    """While entered, every key goes to the guest; does nothing when *fd* is no terminal."""
    if not os.isatty(fd):
        yield
        return
    before = termios.tcgetattr(fd)
    tty.setraw(fd)
    try:
        yield
    finally:
        termios.tcsetattr(fd, termios.TCSADRAIN, before)


@contextlib.contextmanager
def quiet_mode(fd: int) -> Iterator[None]:
    """While entered, what is typed is not shown; does nothing when *fd* is no terminal."""
    if not os.isatty(fd):
        yield
        return
    before = termios.tcgetattr(fd)
    silent = [*before]
    silent[3] &= ~termios.ECHO
    termios.tcsetattr(fd, termios.TCSADRAIN, silent)
    try:
        yield
    finally:
        termios.tcsetattr(fd, termios.TCSADRAIN, before)


@contextlib.contextmanager
def size_followed(terminal: int, console: int | None) -> Iterator[None]:
    """While entered, *console* has the size of *terminal*, now and whenever that changes.

    Does nothing where either is no terminal. The guest does not hear of it by itself.
    """
    if console is None or not os.isatty(terminal):
        yield
        return
    loop = asyncio.get_running_loop()
    copy_size(terminal, console)
    loop.add_signal_handler(signal.SIGWINCH, copy_size, terminal, console)
    try:
        yield
    finally:
        loop.remove_signal_handler(signal.SIGWINCH)


def copy_size(source: int, target: int) -> bool:
    """Gives the terminal *target* the size of *source*; False where either is no terminal."""
    try:
        fcntl.ioctl(target, termios.TIOCSWINSZ, fcntl.ioctl(source, termios.TIOCGWINSZ, bytes(8)))
    except OSError:
        return False
    return True


async def read_input(fd: int) -> bytes:
    """What there is to read from *fd*, once there is something; empty at its end.

    Takes no data when cancelled. The descriptor stays blocking: it is shared with our caller.
    """
    await _ready(fd, select.POLLIN)
    try:
        return os.read(fd, _CHUNK)
    except OSError:
        # The terminal is gone (EIO), or belongs to someone else: there is no more input.
        return b""


async def write_output(fd: int, data: bytes) -> None:
    """Write all of *data* to *fd* without holding the event loop up.

    Raises:
        BrokenPipeError: Nobody reads it any more.
    """
    for start in range(0, len(data), _CHUNK):
        view = memoryview(data)[start : start + _CHUNK]
        while view:
            await _ready(fd, select.POLLOUT)
            view = view[os.write(fd, view) :]


async def _ready(fd: int, event: int) -> None:
    poll = select.poll()
    poll.register(fd, event)
    if poll.poll(0):
        return
    loop = asyncio.get_running_loop()
    waiter = loop.create_future()
    add, remove = (
        (loop.add_reader, loop.remove_reader)
        if event == select.POLLIN
        else (loop.add_writer, loop.remove_writer)
    )
    add(fd, _wake, waiter)
    try:
        await waiter
    finally:
        remove(fd)


def _wake(waiter: asyncio.Future[None]) -> None:
    if not waiter.done():
        waiter.set_result(None)


def split_escape(data: bytes, escape: bytes = ESCAPE) -> tuple[bytes, bool]:
    """What of *data* goes to the guest, and whether the user leaves after it."""
    before, found, _ = data.partition(escape)
    return before, bool(found)
