# SPDX-License-Identifier: Apache-2.0
"""A program whose owners of guests die in the middle of block jobs.

``blockjob_owner.py DIRECTORY CASE…`` with cases such as ``copy:job-ready``: each is a child of its
own, with a root below DIRECTORY/CASE, that starts a guest over the images that are there, does the
job, and is killed by SIGKILL at the step. It prints those that ended otherwise.

The part of a case after a second colon is how often the step is passed before it is the last.
"""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import Awaitable, Callable
from pathlib import Path

import virloom
from tests.fakes.forks import run_cases
from virloom.client.domain.domain import Domain
from virloom.drivers.qemu.process.steps import observed

#: Flags: the rate is in bytes; a copy of a persistent domain; an active commit; a pivot.
BYTES, TRANSIENT, ACTIVE, PIVOT = 64, 4, 4, 2
COMMIT_BYTES = 16
SLOW = 65536


def document(images: Path) -> str:
    """A guest that need not boot, over a chain of four images."""
    return f"""<domain type='qemu'><name>web</name><memory unit='MiB'>16</memory>
    <os><type arch='x86_64' machine='q35'>hvm</type></os><devices>
    <disk type='file' device='disk'><driver name='qemu' type='qcow2'/>
    <source file='{images}/top.q'/><target dev='vda' bus='virtio'/></disk>
    <memballoon model='none'/></devices></domain>"""


async def _ready(dom: Domain) -> None:
    while True:
        info = await dom.block.job_info("vda")
        if info is not None and info.cur == info.end and " ready='yes'" in await dom.xml_desc():
            return
        await asyncio.sleep(0.02)


async def _gone(dom: Domain) -> None:
    while await dom.block.job_info("vda") is not None:
        await asyncio.sleep(0.02)
    await asyncio.sleep(1)


async def pull(dom: Domain, images: Path) -> None:
    await dom.block.rebase("vda", "vda[4]")
    await _gone(dom)


async def slowpull(dom: Domain, images: Path) -> None:
    await dom.block.pull("vda", SLOW, BYTES)
    await _gone(dom)


async def copy(dom: Domain, images: Path) -> None:
    await dom.block.copy("vda", target(images), {}, TRANSIENT)
    await _ready(dom)
    await dom.block.job_abort("vda", PIVOT)


async def slowcopy(dom: Domain, images: Path) -> None:
    await dom.block.copy("vda", target(images), {"bandwidth": SLOW}, TRANSIENT)
    await dom.block.job_abort("vda")


async def commit(dom: Domain, images: Path) -> None:
    await dom.block.commit("vda", "vda[4]", "vda[3]")
    await _gone(dom)


async def active(dom: Domain, images: Path) -> None:
    await dom.block.commit("vda", None, None, 0, ACTIVE)
    await _ready(dom)
    await dom.block.job_abort("vda", PIVOT)


def target(images: Path) -> str:
    """The document of a copy."""
    return (
        f"<disk type='file'><driver type='qcow2'/><source file='{images}/copy.q'/>"
        "<target dev='vda'/></disk>"
    )


JOBS: dict[str, Callable[[Domain, Path], Awaitable[None]]] = {
    job.__name__: job for job in (pull, slowpull, copy, slowcopy, commit, active)
}


async def own(case: str, directory: Path) -> None:
    """Does the job until it is killed."""
    job, step, *times = case.split(":")
    left = int(times[0]) if times else 1

    def die_at(reached: str) -> None:
        nonlocal left
        left -= reached == step
        if left == 0:
            os.kill(os.getpid(), signal.SIGKILL)

    async with virloom.open(f"qemu:///embed?root={directory}/root") as conn:
        dom = await conn.define_xml(document(directory))
        await dom.create(1)
        with observed(die_at):
            await asyncio.wait_for(JOBS[job](dom, directory), 20)
        await dom.destroy()


if __name__ == "__main__":
    run_cases(own)
