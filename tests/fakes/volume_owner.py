# SPDX-License-Identifier: Apache-2.0
"""A program whose owners of pools die in the middle of work at volumes.

``volume_owner.py DIRECTORY CASE…`` with cases such as ``clone:volume-named``: each is a child of
its own, with a root and a pool below DIRECTORY/CASE, that does the work and is killed by SIGKILL
at the step. It prints those that ended otherwise.
"""

from __future__ import annotations

import os
import signal
from pathlib import Path

from tests.fakes.forks import run_cases
from virloom.drivers.runtime.steps import observed
from virloom.drivers.storage.directories import StorageDirectories
from virloom.drivers.storage.driver import StorageDriver
from virloom.drivers.storage.pool import StoragePool
from virloom.drivers.storage.pools import parse_pool
from virloom.drivers.storage.volumes import parse_volume
from virloom.drivers.storage.work import VolumeWork

MIB = 1 << 20
#: What each kind of work makes, where that is not raw.
KINDS = {"tree": "dir", "convert": "qcow2", "image": "qcow2"}
POOL = "<pool type='dir'><name>pool</name><target><path>{}</path></target></pool>"


def document(name: str, kind: str) -> str:
    """A volume of a MiB."""
    shape = f"<target><format type='{kind}'/></target>"
    return f"<volume><name>{name}</name><capacity>{MIB}</capacity>{shape}</volume>"


async def opened(place: Path) -> tuple[StorageDriver, StoragePool]:
    """The driver of a root, with its pool, which is active."""
    driver = await StorageDriver.open(StorageDirectories.embedded(place / "root"), "storage:///x")
    pool = driver.all.by_name("pool")
    if pool is None:
        pool = await driver.define(parse_pool(POOL.format(place / "pool")))
        await driver.work.start(pool)
    return driver, pool


async def make(
    driver: StorageDriver, pool: StoragePool, name: str, kind: str, origin: str | None = None
) -> None:
    """Makes a volume, as a client's call does."""
    source = pool.volume(origin) if origin is not None else None
    model = parse_volume(pool.model, document(name, kind), origin=source)
    given = (pool, source) if source is not None else None
    await VolumeWork(driver).make(pool, model, metadata=False, origin=given)


async def own(case: str, place: Path) -> None:
    """Does the work until it is killed."""
    work, step = case.split(":")

    def die_at(reached: str) -> None:
        if reached == step:
            os.kill(os.getpid(), signal.SIGKILL)

    (place / "pool").mkdir(parents=True)
    driver, pool = await opened(place)
    await make(driver, pool, "origin", "dir" if work == "tree" else "raw")
    if work == "tree":
        (place / "pool/origin/file").write_text("content")
    else:
        (place / "pool/origin").write_bytes(b"content".ljust(MIB, b"\0"))
    origin = "origin" if work in ("clone", "convert", "tree") else None
    with observed(die_at):
        await make(driver, pool, "new", KINDS.get(work, "raw"), origin)


if __name__ == "__main__":
    run_cases(own)
