# SPDX-License-Identifier: Apache-2.0
"""A program that saves a guest and dies: ``saver.py ROOT STEP DOCUMENT [FILE]``.

It boots the guest, prints its boot id, and saves it: into FILE, or else as its managed state, from
which it starts it again. It is killed by SIGKILL at STEP of the save or of that start.
"""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from pathlib import Path

import virloom
from virloom.drivers.qemu.process.steps import LOADED, STEPS, observed
from virloom.testing.guest import READY_PATTERN


async def save(root: str, step: str, document: str, files: list[str]) -> None:
    """Boots and saves the guest, until it is killed."""
    async with virloom.open(f"qemu:///embed?root={root}") as conn:
        dom = await conn.define_xml(document)
        await dom.create(1)
        async with dom.console() as console:
            await dom.resume()
            seen = b""
            while not (found := READY_PATTERN.search(seen)):
                seen += await console.read()
        print(found[1].decode(), flush=True)
        starting = step in (LOADED, *STEPS[: STEPS.index("stopping-recorded")])
        with observed(lambda reached: None if starting or reached != step else die()):
            await (dom.saving.save(files[0]) if files else dom.saving.managed_save())
        with observed(lambda reached: die() if reached == step else None):
            await dom.create()


def die() -> None:
    """What no handler can catch."""
    os.kill(os.getpid(), signal.SIGKILL)


asyncio.run(save(sys.argv[1], sys.argv[2], Path(sys.argv[3]).read_text(), sys.argv[4:]))
