# SPDX-License-Identifier: Apache-2.0
"""A guest in the foreground: what is passed on, and what ends it."""

from __future__ import annotations

import asyncio
import os
import signal
import tty
from typing import Any

import pytest

from virloom.cli.attend import Left, attend, signals_caught
from virloom.cli.commands.run import console_on_terminal, outcome
from virloom.cli.terminal import ESCAPE, read_input
from virloom.client.stream import Stream
from virloom.endpoint.stream import FdStream
from virloom.enums.domain import DomainEventStoppedDetailType
from virloom.model.domain import Domain
from virloom.xml import parse_document


class Scene:
    """A guest's side of its console, and the user's side of the command."""

    def __init__(self) -> None:
        ours, self.guest = os.openpty()
        tty.setraw(self.guest)
        self.console = Stream(FdStream(ours))
        self.given, self.keyboard = os.pipe()
        self.screen, self.shown = os.pipe()
        self.ended: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self.stopped: asyncio.Future[signal.Signals] = asyncio.get_running_loop().create_future()

    def attend(self, *, escape: bytes | None = ESCAPE, console: bool = True) -> asyncio.Task[Any]:
        return asyncio.create_task(
            attend(
                self.ended,
                self.stopped,
                self.console if console else None,
                input_fd=self.given,
                output_fd=self.shown,
                escape=escape,
            )
        )

    async def seen(self, words: bytes) -> bytes:
        """What the user has seen, once *words* are in it."""
        data = b""
        async with asyncio.timeout(5):
            while words not in data:
                data += await read_input(self.screen)
        return data


@pytest.fixture
async def scene() -> Any:
    """A scene whose descriptors are closed afterwards."""
    made = Scene()
    yield made
    await made.console.close()
    for fd in {made.guest, made.given, made.keyboard, made.screen, made.shown}:
        if fd >= 0:
            os.close(fd)


async def test_both_directions_until_the_guest_ends(scene: Scene) -> None:
    attending = scene.attend()
    os.write(scene.guest, b"hello")
    assert await scene.seen(b"hello") == b"hello"
    os.write(scene.keyboard, b"typed\n")
    async with asyncio.timeout(5):
        assert await read_input(scene.guest) == b"typed\n"
    os.write(scene.guest, b"last words")
    os.close(scene.guest)
    scene.guest = -1
    scene.ended.set_result(None)
    assert await attending is None
    assert await scene.seen(b"words") == b"last words"


async def test_the_escape_leaves_but_only_on_a_terminal(scene: Scene) -> None:
    os.write(scene.keyboard, b"\x1d")
    assert await scene.attend() is Left.ESCAPE
    os.write(scene.keyboard, b"\x1d")
    attending = scene.attend(escape=None)
    done, _ = await asyncio.wait([attending], timeout=0.05)
    assert not done
    scene.stopped.set_result(signal.SIGTERM)
    assert await attending is signal.SIGTERM


async def test_the_end_of_the_input_does_not_leave(scene: Scene) -> None:
    os.close(scene.keyboard)
    scene.keyboard = -1
    attending = scene.attend()
    os.write(scene.guest, b"still there")
    await scene.seen(b"there")
    assert not attending.done()
    scene.ended.set_result(None)
    assert await attending is None


async def test_without_console_it_only_waits(scene: Scene) -> None:
    attending = scene.attend(console=False)
    scene.stopped.set_result(signal.SIGHUP)
    assert await attending is signal.SIGHUP


async def test_the_first_signal_counts() -> None:
    with signals_caught(signal.SIGUSR1, signal.SIGUSR2) as caught:
        signal.raise_signal(signal.SIGUSR1)
        assert await caught is signal.SIGUSR1
        signal.raise_signal(signal.SIGUSR2)
    assert signal.getsignal(signal.SIGUSR1) is signal.SIG_DFL


@pytest.mark.parametrize(
    ("detail", "code", "said"),
    [
        (DomainEventStoppedDetailType.SHUTDOWN, 0, ""),
        (DomainEventStoppedDetailType.CRASHED, 1, "crashed"),
        (DomainEventStoppedDetailType.DESTROYED, 1, "was killed"),
        (DomainEventStoppedDetailType.MIGRATED, 1, "migrated"),
    ],
)
def test_how_it_ended_is_the_exit_code(
    detail: DomainEventStoppedDetailType, code: int, said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert outcome("g", detail) == code
    assert said in capsys.readouterr().err


def test_stdio_becomes_a_terminal_that_can_be_passed_on() -> None:
    text = (
        "<domain type='qemu'><name>g</name><devices><serial type='stdio'/>"
        "<serial type='file'><source path='/x'/></serial></devices></domain>"
    )
    domain = parse_document(Domain, text)
    console_on_terminal(domain)
    assert [serial.type for serial in domain.devices.serials] == ["pty", "file"]
