# SPDX-License-Identifier: Apache-2.0
"""Owners of pools that are killed at each step of making a volume leave all of it, or nothing."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from tests.fakes import volume_owner
from virloom.drivers.storage.making import STEPS, UNFINISHED
from virloom.drivers.storage.work import VolumeWork

KILLS = {
    "raw": STEPS, "clone": STEPS, "image": STEPS[:3], "convert": STEPS[:3], "tree": STEPS[:3],
}  # fmt: skip


@pytest.mark.long
async def test_a_volume_is_there_whole_or_not_at_all(tmp_path: Path) -> None:
    cases = [f"{work}:{step}" for work, steps in KILLS.items() for step in steps]
    done = subprocess.run(
        [sys.executable, "-m", "tests.fakes.volume_owner", str(tmp_path), *cases],
        cwd=Path(__file__).parents[2], capture_output=True, text=True, timeout=120, check=False,
    )  # fmt: skip
    assert (done.returncode, done.stdout) == (0, ""), done.stderr
    for case in cases:
        await _look(case, tmp_path / case)


async def _look(case: str, place: Path) -> None:
    work, step = case.split(":")
    pool_place = place / "pool"
    left = [name.name for name in pool_place.iterdir() if UNFINISHED.match(name.name)]
    assert len(left) == (step in STEPS[:3] and (work, step) != ("tree", STEPS[2])), case
    named = STEPS.index(step) >= STEPS.index("volume-named")
    driver, pool = await volume_owner.opened(place)
    assert sorted(pool.volumes) == (["new", "origin"] if named else ["origin"]), case
    assert sorted(path.name for path in pool_place.iterdir()) == sorted(pool.volumes), case
    if named:
        if work == "tree":
            (pool_place / "new" / "file").unlink()
        await VolumeWork(driver).delete(pool, pool.volume("new"), 0)
    await volume_owner.make(driver, pool, "new", volume_owner.KINDS.get(work, "raw"))
    await driver.close()
    whole = pool_place / "origin"
    content = (whole / "file").read_text() if work == "tree" else whole.read_bytes()[:7].decode()
    assert content == "content", case
