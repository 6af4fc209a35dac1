# SPDX-License-Identifier: Apache-2.0
"""Waiting for a block job, with its progress, a time limit and ctrl-C."""

from __future__ import annotations

import asyncio
from typing import NamedTuple

from virloom.cli.shell.arguments import Arguments
from virloom.cli.shell.failure import CommandFailed, failing
from virloom.cli.shell.progress import print_progress
from virloom.cli.shell.watching import on_interrupt
from virloom.client.connection import Connection
from virloom.client.domain.domain import Domain
from virloom.client.domain.events import BlockJob2Event, BlockJobEvent, DomainEvent
from virloom.client.subscription import EventGap, EventStream
from virloom.enums.domain import ConnectDomainEventBlockJobStatus as Status
from virloom.enums.domain import DomainBlockJobAbortFlags

_INTERVAL = 0.5
_LONGEST_WAIT = (2**31 - 1) // 1000


class Patience(NamedTuple):
    """How a command waits for its job."""

    verbose: bool
    seconds: int | None
    """None for as long as it takes."""
    abort_flags: int
    """What a job is ended with."""


def seconds(arguments: Arguments) -> int | None:
    """What ``--timeout`` says.

    Raises:
        CommandFailed: It is no number of seconds above zero.
    """
    found = arguments.integer("timeout")
    if found is not None and not 0 < found <= _LONGEST_WAIT:
        raise CommandFailed(
            f"Numeric value '{arguments.get('timeout')}' for <timeout> option is malformed or"
            " out of range"
        )
    return found


def patience(arguments: Arguments) -> Patience:
    """The options ``--verbose``, ``--timeout`` and ``--async``."""
    flags = arguments.flag("async", DomainBlockJobAbortFlags.ASYNC)
    return Patience("verbose" in arguments, seconds(arguments), flags)


class BlockWait:
    """As a context manager: listens from before the job's start on, so that no end is missed."""

    def __init__(
        self, connection: Connection, domain: Domain, disk: str, label: str, wait: Patience
    ) -> None:
        self._domain = domain
        self._disk = disk
        self._label = label
        self._wait = wait
        self._stop = asyncio.Event()
        kinds = (BlockJobEvent, BlockJob2Event)
        self._events: EventStream[DomainEvent] = connection.events(kinds, domain=domain.ref)

    async def __aenter__(self) -> BlockWait:
        await self._events.start()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._events.close()

    async def ended(self) -> Status:
        """Waits until the job is done, ready, failed or cancelled."""
        status = asyncio.ensure_future(self._status())
        given_up = asyncio.ensure_future(self._stop.wait())
        loop = asyncio.get_running_loop()
        limit = self._wait.seconds
        timer = None if limit is None else loop.call_later(limit, self._stop.set)
        try:
            with on_interrupt(self._stop.set):
                found = await self._follow(status, given_up)
        finally:
            status.cancel()
            given_up.cancel()
            if timer is not None:
                timer.cancel()
        if self._wait.verbose and found in (Status.COMPLETED, Status.READY):
            print_progress(self._label, 0, 1)
        return found

    async def _follow(self, status: asyncio.Task[Status], given_up: asyncio.Task[bool]) -> Status:
        gone = False
        while True:
            with failing(f"failed to query job for disk {self._disk}"):
                info = await self._domain.block.job_info(self._disk)
            if info is not None and self._wait.verbose and not status.done():
                print_progress(self._label, info.end - info.cur, info.end)
            await asyncio.wait(
                [status, given_up], timeout=_INTERVAL, return_when=asyncio.FIRST_COMPLETED
            )
            if status.done():
                return status.result()
            if given_up.done():
                with failing(f"failed to abort job for disk {self._disk}"):
                    await self._domain.block.job_abort(self._disk, self._wait.abort_flags)
                return Status.CANCELED
            if info is None and gone:
                # It is away, and its event does not come.
                return Status.COMPLETED
            gone = info is None

    async def _status(self) -> Status:
        """What the first event about the disk says of the job."""
        async for event in self._events:
            if isinstance(event, EventGap):
                continue
            if isinstance(event, BlockJob2Event) and event.dst == self._disk:
                return Status(event.status)
            if isinstance(event, BlockJobEvent) and event.path == self._disk:
                return Status(event.status)
        return Status.FAILED
