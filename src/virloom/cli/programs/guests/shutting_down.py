# SPDX-License-Identifier: Apache-2.0
"""Guests are asked to shut down, one after the other or several at once, within a time."""

from __future__ import annotations

import asyncio
from collections.abc import Collection

from virloom.cli.programs.guests.ending import Endings
from virloom.cli.programs.guests.report import Report
from virloom.cli.programs.guests.settings import GuestSettings
from virloom.client.domain.domain import Domain
from virloom.errors import VirloomError

_TELL = 5
"""Seconds between two words on how long it still may take."""


class Clock:
    """What is left of SHUTDOWN_TIMEOUT, in steps at whose ends something may be told."""

    def __init__(self, seconds: int) -> None:
        self._limited = seconds > 0
        self.left = seconds

    @property
    def over(self) -> bool:
        """Whether no time is left."""
        return self._limited and self.left <= 0

    @property
    def tells(self) -> bool:
        """Whether this is a moment to say how long it may take."""
        return not self._limited or self.left % _TELL == 0

    @property
    def suffix(self) -> str:
        """The end of that sentence."""
        return f", {self.left} seconds left" if self._limited else ""

    async def step(self, waits: Collection[asyncio.Future[bool]]) -> None:
        """Waits for the next such moment, or for the first of *waits*."""
        seconds = (self.left % _TELL or _TELL) if self._limited else _TELL
        loop = asyncio.get_running_loop()
        began = loop.time()
        done, _ = await asyncio.wait(waits, timeout=seconds, return_when=asyncio.FIRST_COMPLETED)
        # A guest that ends does not give the others a new start.
        self.left -= round(loop.time() - began) if done else seconds


async def one_by_one(
    guests: list[Domain], endings: Endings, settings: GuestSettings, report: Report
) -> None:
    """Each guest has its own time; one that does not end is left, and the next is asked."""
    for guest in guests:
        end = await _asked(guest, endings, report)
        if end is None:
            continue
        clock = Clock(settings.timeout)
        words = f"Waiting for guest {guest.name} to shut down"
        if await _ended_within(clock, [end], words, report):
            _tell_end(guest, end, report)
        else:
            report.say(f"Shutdown of guest {guest.name} failed to complete in time.")


async def all_at_once(
    guests: list[Domain], endings: Endings, settings: GuestSettings, report: Report
) -> None:
    """No more than PARALLEL_SHUTDOWN at a time, and one time for all of them."""
    clock = Clock(settings.timeout)
    waiting = list(guests)
    asked: dict[asyncio.Future[bool], Domain] = {}
    while waiting or asked:
        while waiting and len(asked) < settings.parallel:
            guest = waiting.pop(0)
            end = await _asked(guest, endings, report)
            if end is not None:
                asked[end] = guest
        if not asked:
            continue
        count = len(asked) + len(waiting)
        words = f"Waiting for {count} guests to shut down"
        if not await _ended_within(clock, list(asked), words, report):
            report.say("Timeout expired while shutting down domains")
            report.failed = True
            return
        for end in [end for end in asked if end.done()]:
            _tell_end(asked.pop(end), end, report)


def _tell_end(guest: Domain, end: asyncio.Future[bool], report: Report) -> None:
    if end.result():
        report.say(f"Shutdown of guest {guest.name} complete.")
        return
    report.failed = True
    report.say(f"Shutdown of guest {guest.name}: its daemon has gone, nobody can tell.")


async def _ended_within(
    clock: Clock, waits: list[asyncio.Future[bool]], words: str, report: Report
) -> bool:
    """Whether the first of *waits* came in time."""
    while not any(end.done() for end in waits):
        if clock.over:
            return False
        if clock.tells:
            report.say(words + clock.suffix)
        await clock.step(waits)
    return True


async def _asked(guest: Domain, endings: Endings, report: Report) -> asyncio.Future[bool] | None:
    """The end of a guest that has been asked to shut down; None where it could not be asked."""
    report.say(f"Starting shutdown on guest: {guest.name}")
    try:
        end = await endings.of(guest)
        if not end.done():
            await guest.shutdown()
    except VirloomError as error:
        report.fail(f"guest '{guest.name}' cannot be asked to shut down", error)
        return None
    return end
