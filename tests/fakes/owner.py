# SPDX-License-Identifier: Apache-2.0
"""A program that owns guests and dies: ``owner.py ROOT STEP|delay=SECONDS DOCUMENT…``.

It starts every document, destroys the guests again, and is killed by SIGKILL when any guest
reaches STEP, or after so many seconds. ``STEP`` ``running`` kills it when all guests run.
A document whose name begins with ``auto`` is started with AUTODESTROY, one with ``run`` runs.
"""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from pathlib import Path

import virloom
from virloom.drivers.qemu.process.steps import observed
from virloom.enums.domain import DomainCreateFlags


def die() -> None:
    """What no handler can catch."""
    os.kill(os.getpid(), signal.SIGKILL)


async def own(root: str, step: str, documents: list[tuple[str, str]]) -> None:
    """Starts and destroys the guests, until it is killed."""
    if step.startswith("delay="):
        asyncio.get_running_loop().call_later(float(step.removeprefix("delay=")), die)
    async with virloom.open(f"qemu:///embed?root={root}") as conn:
        guests = await asyncio.gather(*(start(conn, *document) for document in documents))
        if step == "running":
            die()
        await asyncio.gather(*(guest.destroy() for guest in guests))


async def start(conn: virloom.Connection, name: str, document: str) -> virloom.Domain:
    """Starts one guest, mostly paused: its CPUs cost the test time and add nothing."""
    flags = DomainCreateFlags.START_PAUSED if not name.startswith("run") else DomainCreateFlags(0)
    if name.startswith("auto"):
        flags |= DomainCreateFlags.START_AUTODESTROY
    return await conn.create_xml(document, flags)


def main() -> None:
    """Entry point."""
    root, step, *paths = sys.argv[1:]
    documents = [(Path(path).name, Path(path).read_text()) for path in paths]
    with observed(lambda reached: die() if reached == step else None):
        asyncio.run(own(root, step, documents))


main()
