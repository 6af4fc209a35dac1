# SPDX-License-Identifier: Apache-2.0
"""Waiting for events and printing them: what all ``*event`` commands have in common."""

from __future__ import annotations

import asyncio
import contextlib
import signal
import sys
from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, datetime
from typing import Any, NamedTuple

from virloom.cli.shell.arguments import Arguments
from virloom.cli.shell.failure import CommandFailed
from virloom.cli.shell.session import Session
from virloom.client.subscription import EventGap, EventStream
from virloom.errors import VirloomError

_LONGEST_WAIT = (2**31 - 1) // 1000
"""Seconds that virsh takes for ``--timeout``: as milliseconds they are a signed number."""


class Watched(NamedTuple):
    """An event as a command knows it."""

    kind: Any
    """The client's class, or libvirt's id, of it."""
    describe: Callable[[Any], str]
    """What is printed of one, without the time."""


class Patience(NamedTuple):
    """How long to wait, and what to print beside the events."""

    seconds: int | None
    """None for ever."""
    loop: bool
    """Whether one event is not enough."""
    timestamp: bool


def listed(session: Session, arguments: Arguments, events: Mapping[str, Watched]) -> bool:
    """Whether ``--list`` was given, which prints the names of the events."""
    if "list" not in arguments:
        return False
    session.output.column("name", events)
    return True


def chosen(arguments: Arguments, events: Mapping[str, Watched]) -> Watched:
    """The event that ``--event`` names.

    Raises:
        CommandFailed: None is named, or it is not one of these.
    """
    name = arguments.get("event")
    if name is None:
        raise CommandFailed("either --list or --event <type> is required")
    if name not in events:
        raise CommandFailed(f"unknown event type {name}")
    return events[name]


def patience(arguments: Arguments) -> Patience:
    """The options ``--timeout``, ``--loop`` and ``--timestamp``.

    Raises:
        CommandFailed: The time is no number of seconds above zero.
    """
    seconds = arguments.integer("timeout")
    if seconds is not None and not 0 < seconds <= _LONGEST_WAIT:
        raise CommandFailed(
            f"Numeric value '{arguments.get('timeout')}' for <timeout> option is malformed or"
            " out of range"
        )
    return Patience(seconds, "loop" in arguments, "timestamp" in arguments)


async def watch(
    session: Session,
    stream: EventStream[Any],
    describe: Callable[[Any], str],
    wait: Patience,
    failure: VirloomError | None = None,
) -> None:
    """Prints events as they come, until there is one, or with ``--loop`` until it is ended.

    Args:
        session: Where to print.
        stream: The events; it is closed in the end.
        describe: What is printed of one.
        wait: How long.
        failure: What went wrong before, and is said if nothing comes.

    Raises:
        CommandFailed: No event has come.
        VirloomError: The driver has no such events, or the connection broke.
    """
    printer = _Printer(session, describe, wait)
    async with stream:
        ending = await _until_ended(printer.follow(stream), wait.seconds)
    if ending:
        session.output.text(f"event loop {ending}")
    session.output.text(f"events received: {printer.count}")
    if not printer.count:
        raise CommandFailed("") from failure


class _Printer:
    """Prints the events of a stream, and counts them."""

    def __init__(self, session: Session, describe: Callable[[Any], str], wait: Patience) -> None:
        self._session = session
        self._describe = describe
        self._wait = wait
        self.count = 0

    async def follow(self, stream: EventStream[Any]) -> None:
        """Prints until there are enough."""
        async for event in stream:
            if isinstance(event, EventGap):
                self._session.complain(f"{event.lost} events were lost here")
                continue
            self.count += 1
            self._print(self._describe(event))
            if not self._wait.loop:
                return

    def _print(self, text: str) -> None:
        if self._wait.timestamp:
            text = f"{_now()}: {text}"
        self._session.output.text(text)
        # Whoever reads this through a pipe wants it now.
        sys.stdout.flush()


async def _until_ended(work: Any, seconds: int | None) -> str:
    """Runs *work*; returns what ended it before its own end, or nothing."""
    task = asyncio.ensure_future(work)
    ending: list[str] = []

    def interrupt() -> None:
        ending.append("interrupted")
        task.cancel()

    with on_interrupt(interrupt):
        done, _ = await asyncio.wait([task], timeout=seconds)
        if not done:
            ending.append("timed out")
            task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task
    return ending[0] if ending else ""


@contextlib.contextmanager
def on_interrupt(action: Callable[[], object]) -> Iterator[None]:
    """While entered, ctrl-C calls *action* instead of ending the program."""
    loop = asyncio.get_running_loop()
    before = signal.getsignal(signal.SIGINT)
    loop.add_signal_handler(signal.SIGINT, action)
    try:
        yield
    finally:
        loop.remove_signal_handler(signal.SIGINT)
        signal.signal(signal.SIGINT, before)


def _now() -> str:
    now = datetime.now(UTC)
    return f"{now:%Y-%m-%d %H:%M:%S}.{now.microsecond // 1000:03}+0000"
