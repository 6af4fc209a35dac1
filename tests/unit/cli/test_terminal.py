# SPDX-License-Identifier: Apache-2.0
"""Raw mode, input and output on pipes, files and pseudo terminals."""

from __future__ import annotations

import asyncio
import fcntl
import os
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


def test_the_size_is_the_terminals(pair: tuple[int, int], pipe: list[int]) -> None:
    _, user = pair
    assert terminal.window_size(user) is None
    fcntl.ioctl(user, termios.TIOCSWINSZ, struct.pack("HHHH", 24, 80, 0, 0))
    assert terminal.window_size(user) == (24, 80)
    assert terminal.window_size(pipe[0]) is None


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
