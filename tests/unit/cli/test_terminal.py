# SPDX-License-Identifier: Apache-2.0
"""Raw mode, input and output on pipes, files and pseudo terminals."""

from __future__ import annotations

import asyncio
import fcntl
import os
import signal
import struct
import termios
from collections.abc import Iterator
from pathlib import Path

import pytest

from virloom.cli import terminal


@pytest.fixture
def pair() -> Iterator[tuple[int, int]]:
    """A pseudo terminal: our side and the user's."""
    ours, theirs = os.openpty()
    yield ours, theirs
    os.close(ours)
    os.close(theirs)


@pytest.fixture
def pipe() -> Iterator[list[int]]:
    """A pipe: what a test closes itself it takes out of the list."""
    ends = list(os.pipe())
    yield ends
    for end in ends:
        os.close(end)


def test_raw_mode_is_undone(pair: tuple[int, int]) -> None:
    _, user = pair
    before = termios.tcgetattr(user)
    with terminal.raw_mode(user):
        assert not termios.tcgetattr(user)[3] & (termios.ECHO | termios.ICANON | termios.ISIG)
    assert termios.tcgetattr(user) == before


def test_raw_mode_leaves_a_pipe_alone(pipe: list[int]) -> None:
    with terminal.raw_mode(pipe[0]):
        assert not os.isatty(pipe[0])


async def test_the_size_is_followed(pair: tuple[int, int]) -> None:
    ours, user = pair
    other_ours, console = os.openpty()
    try:
        fcntl.ioctl(user, termios.TIOCSWINSZ, struct.pack("HHHH", 24, 80, 0, 0))
        with terminal.size_followed(user, console):
            assert os.get_terminal_size(console) == (80, 24)
            fcntl.ioctl(ours, termios.TIOCSWINSZ, struct.pack("HHHH", 50, 132, 0, 0))
            changed = asyncio.Event()
            asyncio.get_running_loop().call_later(0.01, changed.set)
            signal.raise_signal(signal.SIGWINCH)
            await changed.wait()
            assert os.get_terminal_size(console) == (132, 50)
    finally:
        os.close(other_ours)
        os.close(console)


async def test_no_terminal_has_no_size(pair: tuple[int, int], pipe: list[int]) -> None:
    _, user = pair
    assert not terminal.copy_size(user, pipe[0])
    assert not terminal.copy_size(pipe[0], user)
    with terminal.size_followed(pipe[0], user):
        assert os.get_terminal_size(user) == (0, 0)


async def test_input_is_waited_for(pipe: list[int]) -> None:
    reader, writer = pipe
    waiting = asyncio.create_task(terminal.read_input(reader))
    done, _ = await asyncio.wait([waiting], timeout=0.01)
    assert not done
    os.write(writer, b"line\n")
    assert await waiting == b"line\n"


async def test_cancelled_input_takes_nothing(pipe: list[int]) -> None:
    reader, writer = pipe
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.01):
            await terminal.read_input(reader)
    os.write(writer, b"kept")
    assert await terminal.read_input(reader) == b"kept"


async def test_input_ends(pipe: list[int], tmp_path: Path) -> None:
    os.close(pipe.pop())
    assert await terminal.read_input(pipe[0]) == b""
    path = tmp_path / "input"
    path.write_bytes(b"from a file")
    for name, expected in ((str(path), b"from a file"), (os.devnull, b"")):
        fd = os.open(name, os.O_RDONLY)
        try:
            assert await terminal.read_input(fd) == expected
        finally:
            os.close(fd)


async def test_output_waits_for_its_reader_without_blocking(pipe: list[int]) -> None:
    reader, writer = pipe
    data = os.urandom(300_000)
    writing = asyncio.create_task(terminal.write_output(writer, data))
    received = b""
    while len(received) < len(data):
        received += await terminal.read_input(reader)
    await writing
    assert received == data


async def test_output_tells_that_nobody_reads(pipe: list[int]) -> None:
    os.close(pipe.pop(0))
    with pytest.raises(BrokenPipeError):
        await terminal.write_output(pipe[0], b"x")


@pytest.mark.parametrize(
    ("typed", "sent", "leaves"),
    [(b"ls\r", b"ls\r", False), (b"\x1d", b"", True), (b"a\x1db", b"a", True)],
)
def test_the_escape_leaves(typed: bytes, sent: bytes, leaves: bool) -> None:
    assert terminal.split_escape(typed) == (sent, leaves)
