# SPDX-License-Identifier: Apache-2.0
"""How far a job is, as libvirt's callers understand it."""

from __future__ import annotations

from typing import NamedTuple

from virloom.drivers.qemu.blockjobs.job import BlockJob
from virloom.drivers.qemu.monitor.commands.jobs import BlockJobInfo, query_block_jobs
from virloom.drivers.qemu.process.running import RunningGuest


class Progress(NamedTuple):
    """How far a job is.

    Attributes:
        speed: Bytes in a second at most; 0 is no limit.
        done, whole: Bytes; the same only when there is nothing left to do.
    """

    speed: int
    done: int
    whole: int


def progress(told: BlockJobInfo) -> Progress:
    """What a caller is told of QEMU's figures.

    Callers take equal figures for the end of a job, so that those of one that goes on are never
    equal; those of a copy that is the same are, and never 0.
    """
    done, whole = told.offset, told.length
    if told.ready:
        return Progress(told.speed, done or (1 if not whole else 0), whole or 1)
    if done == whole:
        if done:
            done -= 1
        else:
            whole += 1
    return Progress(told.speed, done, whole)


async def progress_of(running: RunningGuest, job: BlockJob) -> Progress | None:
    """How far a job is; None when QEMU has it no more."""
    told = (await query_block_jobs(running)).get(job.id)
    return None if told is None else progress(told)
