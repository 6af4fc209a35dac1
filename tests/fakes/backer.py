# SPDX-License-Identifier: Apache-2.0
"""A program that changes checkpoints or begins a backup, and dies: ``backer.py ROOT STEP PLAN``.

PLAN is JSON: the domain's name, and what is done, in order: ``{"checkpoint": DOCUMENT}``,
``{"delete": NAME}``, ``{"backup": DOCUMENT, "checkpoint": DOCUMENT or null}`` or
``{"abort": true}``. It is killed by SIGKILL at STEP, and otherwise soon after the last of them.
"""

from __future__ import annotations

import asyncio
import json
import os
import signal
import sys
from typing import Any

import virloom
from virloom.drivers.qemu.process.steps import observed


async def follow(root: str, name: str, plan: list[dict[str, Any]]) -> None:
    """Does what the plan says, until it is killed."""
    async with virloom.open(f"qemu:///embed?root={root}") as conn:
        dom = await conn.lookup_by_name(name)
        for step in plan:
            if "backup" in step:
                await dom.checkpoints.backup(step["backup"], step.get("checkpoint"))
            elif "checkpoint" in step:
                await dom.checkpoints.create(step["checkpoint"])
            elif "delete" in step:
                await (await dom.checkpoints.lookup(step["delete"])).delete()
            else:
                await dom.jobs.abort()
        await asyncio.sleep(0.3)
        die()


def die() -> None:
    """What no handler can catch."""
    os.kill(os.getpid(), signal.SIGKILL)


def main() -> None:
    """Entry point."""
    root, step, plan = sys.argv[1:]
    told = json.loads(plan)
    with observed(lambda reached: die() if reached == step else None):
        asyncio.run(follow(root, told["name"], told["plan"]))


main()
