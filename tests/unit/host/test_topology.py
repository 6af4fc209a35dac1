# SPDX-License-Identifier: Apache-2.0
"""The host's processors, from a fake file tree."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from virloom.host.topology import (
    CacheBank,
    CpuTimes,
    cpu_times,
    online_cpus,
    present_cpus,
    read_topology,
)

TICK = 1_000_000_000 // os.sysconf("SC_CLK_TCK")


def put(directory: Path, **files: str) -> None:
    directory.mkdir(parents=True, exist_ok=True)
    for name, text in files.items():
        (directory / name).write_text(text + "\n")


def test_caches_that_are_shared(tmp_path: Path) -> None:
    for cpu in (0, 1):
        caches = tmp_path / "devices/system/cpu" / f"cpu{cpu}" / "cache"
        put(
            caches / "index0",
            level="1",
            type="Data",
            size="32K",
            id=str(cpu),
            shared_cpu_list=str(cpu),
        )
        put(
            caches / "index3",
            level="3",
            type="Unified",
            size="32768K",
            id="0",
            shared_cpu_list="0-1",
        )
    assert read_topology(tmp_path).caches == (CacheBank(0, 3, "both", 32768, "0-1"),)


def test_a_cache_without_a_number_is_left_out(tmp_path: Path) -> None:
    put(
        tmp_path / "devices/system/cpu/cpu0/cache/index3",
        level="3",
        type="Unified",
        size="8K",
        shared_cpu_list="0",
    )
    assert read_topology(tmp_path).caches == ()


def test_processors_that_are_there_and_that_run(tmp_path: Path) -> None:
    put(tmp_path / "devices/system/cpu", present="0-3", online="0,2-3")
    assert present_cpus(tmp_path) == [0, 1, 2, 3]
    assert online_cpus(tmp_path) == [0, 2, 3]
    assert online_cpus(tmp_path / "nothing") == []


@pytest.fixture
def proc(tmp_path: Path) -> Path:
    put(
        tmp_path,
        stat="cpu  11 22 33 44 55 66 77 88 0 0\ncpu0 1 2 3 4 5 6 7 8 0 0\n"
        "cpu10 9 9 9 9 9 9 9 9 0 0\nintr 5 0 0",
    )
    return tmp_path


def test_times_of_all_processors(proc: Path) -> None:
    assert cpu_times(None, proc) == CpuTimes(
        kernel=(33 + 66 + 77) * TICK, user=(11 + 22) * TICK, idle=44 * TICK, iowait=55 * TICK
    )


def test_times_of_one_processor(proc: Path) -> None:
    assert cpu_times(0, proc) == CpuTimes(16 * TICK, 3 * TICK, 4 * TICK, 5 * TICK)
    assert cpu_times(1, proc) is None  # neither cpu0 nor cpu10
