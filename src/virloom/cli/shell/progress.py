# SPDX-License-Identifier: Apache-2.0
"""How far a long job is, on the error output, while it is waited for."""

from __future__ import annotations

import asyncio
import signal
import sys
from collections.abc import Awaitable
from typing import TYPE_CHECKING

from virloom.cli.shell.arguments import Arguments
from virloom.cli.shell.session import Session
from virloom.errors import VirloomError

if TYPE_CHECKING:
    from virloom.client.domain.domain import Domain

_LOOKS_SECONDS = 0.5


async def with_progress(
    session: Session, arguments: Arguments, domain: Domain, label: str, work: Awaitable[None]
) -> None:
    """Waits for *work*, a job of *domain*; ctrl-C asks the driver to abort it.

    With ``--verbose`` the share that is done is shown.
    """
    task = asyncio.ensure_future(work)
    loop = asyncio.get_running_loop()
    aborts: list[asyncio.Future[None]] = []
    loop.add_signal_handler(
        signal.SIGINT, lambda: aborts.append(asyncio.ensure_future(domain.jobs.abort()))
    )
    try:
        await _watched(task, domain, label, shown="verbose" in arguments)
    finally:
        loop.remove_signal_handler(signal.SIGINT)
        await asyncio.gather(*aborts, return_exceptions=True)


async def _watched(task: asyncio.Future[None], domain: Domain, label: str, *, shown: bool) -> None:
    if shown:
        while not (await asyncio.wait([task], timeout=_LOOKS_SECONDS))[0]:
            remaining, total = await _done(domain)
            if total:
                print_progress(label, remaining, total)
    await task
    if shown:
        print_progress(label, 0, 1)


async def _done(domain: Domain) -> tuple[int, int]:
    try:
        info = await domain.jobs.info()
    except VirloomError:
        # It has ended in this moment.
        return 1, 1
    return info.data_remaining, info.data_total


def print_progress(label: str, remaining: int, total: int) -> None:
    """Writes ``label: [ 42 %]`` over the one before."""
    done = 100 if remaining == 0 else min(99, int(100 - 100 * remaining / total)) if total else 0
    sys.stdout.flush()
    sys.stderr.write(f"\r{label}: [{done:3} %]")
    sys.stderr.flush()
