# SPDX-License-Identifier: Apache-2.0
"""A guest in the foreground: its console on our input and output until one side ends it."""

from __future__ import annotations

import asyncio
import contextlib
import signal
from collections.abc import AsyncIterator, Callable, Coroutine, Iterator
from enum import Enum
from typing import Any

from virloom.cli.terminal import read_input, split_escape, write_output
from virloom.client.stream import Stream
from virloom.errors import VirloomError

_LAST_OUTPUT_SECONDS = 1.0
"""What a console gets to hand out its last bytes once the guest has ended."""


class Left(Enum):
    """Why we left a guest that still runs."""

    ESCAPE = "the escape character was typed"
    NO_READER = "nobody reads the console's output any more"


@contextlib.contextmanager
def signals_caught(*numbers: signal.Signals) -> Iterator[asyncio.Future[signal.Signals]]:
    """The first of these signals becomes the future's result, the others are ignored."""
    loop = asyncio.get_running_loop()
    caught: asyncio.Future[signal.Signals] = loop.create_future()

    def catch(number: signal.Signals) -> None:
        if not caught.done():
            caught.set_result(number)

    for number in numbers:
        loop.add_signal_handler(number, catch, number)
    try:
        yield caught
    finally:
        for number in numbers:
            loop.remove_signal_handler(number)


async def attend(
    ended: asyncio.Future[Any],
    stopped: asyncio.Future[signal.Signals],
    console: Stream | None,
    *,
    input_fd: int,
    output_fd: int,
    escape: bytes | None,
) -> Left | signal.Signals | None:
    """Pass the console through until the guest has ended, a signal came, or the user left.

    Args:
        ended: Done when the guest has ended.
        stopped: Done when a signal came.
        console: The guest's console; None to only wait.
        input_fd: What is typed; its end does not end the guest.
        output_fd: Where the console goes.
        escape: The key that leaves (on a terminal), None for none (in a file all is data).

    Returns:
        None when the guest has ended, else why we left it.
    """
    async with _running() as start:
        end, stop = start(_await(ended)), start(_await(stopped))
        waits = {end, stop}
        output = None
        if console is not None:
            output = start(_pass_output(console, output_fd))
            waits |= {output, start(_pass_input(console, input_fd, escape=escape))}
        while not (end.done() or stop.done()):
            done, waits = await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
            left = next((task.result() for task in done if task not in (end, stop)), None)
            if left is not None:
                return Left(left)
        if stop.done() and not end.done():
            return signal.Signals(stop.result())
        if output is not None:
            # The guest's last words may still be on their way.
            await asyncio.wait([output], timeout=_LAST_OUTPUT_SECONDS)
        return None


@contextlib.asynccontextmanager
async def _running() -> AsyncIterator[Callable[[Coroutine[Any, Any, Any]], asyncio.Task[Any]]]:
    """Tasks that end with the block, and are waited for."""
    tasks: list[asyncio.Task[Any]] = []

    def start(work: Coroutine[Any, Any, Any]) -> asyncio.Task[Any]:
        tasks.append(asyncio.create_task(work))
        return tasks[-1]

    try:
        yield start
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def _await(something: asyncio.Future[Any]) -> Any:
    # Whoever gave it to us may go on to wait for it.
    return await asyncio.shield(something)


async def _pass_output(console: Stream, fd: int) -> Left | None:
    with contextlib.suppress(VirloomError):  # taken over by force, or gone with the guest
        while data := await console.read():
            try:
                await write_output(fd, data)
            except BrokenPipeError:
                return Left.NO_READER
    return None


async def _pass_input(console: Stream, fd: int, *, escape: bytes | None) -> Left | None:
    with contextlib.suppress(VirloomError):
        while data := await read_input(fd):
            data, leaves = split_escape(data, escape) if escape else (data, False)
            await console.write(data)
            if leaves:
                return Left.ESCAPE
    return None
