# SPDX-License-Identifier: Apache-2.0
"""The host's memory, from fake files."""

from __future__ import annotations

from pathlib import Path

import pytest

from virloom.host import memory

MEMINFO = """\
MemTotal:       24684096 kB
MemFree:        20536588 kB
MemAvailable:   21862036 kB
Buffers:           41880 kB
Cached:          1586520 kB
SwapCached:            7 kB
"""


@pytest.fixture
def proc(tmp_path: Path) -> Path:
    directory = tmp_path / "proc"
    directory.mkdir()
    (directory / "meminfo").write_text(MEMINFO)
    return directory


@pytest.fixture
def sys(tmp_path: Path) -> Path:
    """Two nodes, numbered with a gap; large pages on the first and on the host."""
    root = tmp_path / "sys"
    for node, free in ((0, 4000), (2, 8000)):
        directory = root / "devices/system/node" / f"node{node}"
        large = directory / "hugepages/hugepages-2048kB"
        large.mkdir(parents=True)
        (large / "free_hugepages").write_text(f"{node + 3}\n")
        (directory / "meminfo").write_text(
            f"Node {node} MemTotal:       16000 kB\nNode {node} MemFree:        {free} kB\n"
        )
    large = root / "kernel/mm/hugepages/hugepages-2048kB"
    large.mkdir(parents=True)
    (large / "free_hugepages").write_text("8\n")
    return root


def test_the_whole_host(proc: Path) -> None:
    assert memory.host_statistics(proc) == {
        "total": 24684096,
        "free": 20536588,
        "buffers": 41880,
        "cached": 1586520,
    }


def test_nodes(sys: Path, proc: Path) -> None:
    assert memory.nodes(sys) == [0, 2]
    assert memory.node_statistics(2, sys, proc) == {"total": 16000, "free": 8000}
    assert memory.node_statistics(1, sys, proc) == {}


def test_a_host_without_nodes_is_node_0(tmp_path: Path, proc: Path) -> None:
    empty = tmp_path / "empty"
    assert memory.nodes(empty) == [0]
    assert memory.node_statistics(0, empty, proc) == {"total": 24684096, "free": 20536588}
    assert memory.node_statistics(1, empty, proc) == {}


def test_free_pages(sys: Path, proc: Path) -> None:
    assert memory.free_pages(4, 2, sys, proc) == 2000
    assert memory.free_pages(4, None, sys, proc) == 3000
    assert memory.free_pages(2048, 2, sys, proc) == 5
    assert memory.free_pages(2048, None, sys, proc) == 8
    assert memory.free_pages(5, 0, sys, proc) is None
    assert memory.free_pages(4, 1, sys, proc) is None


def test_equal_pages(tmp_path: Path) -> None:
    directory = tmp_path / "kernel/mm/ksm"
    directory.mkdir(parents=True)
    for number, figure in enumerate(memory.SHARING):
        if figure.file != "merge_across_nodes":
            (directory / figure.file).write_text(f"{number}\n")
    found = {figure.name: value for figure, value in memory.sharing(tmp_path)}
    assert found["shm_pages_to_scan"] == 0
    assert found["shm_full_scans"] == 6
    assert "shm_merge_across_nodes" not in found


def test_a_kernel_that_does_not_share(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        memory.sharing(tmp_path)


def test_pages_are_set_aside(tmp_path: Path) -> None:
    place = tmp_path / "devices/system/node/node0/hugepages/hugepages-2048kB"
    whole = tmp_path / "kernel/mm/hugepages/hugepages-2048kB"
    for directory in (place, whole):
        directory.mkdir(parents=True)
        (directory / "nr_hugepages").write_text("3\n")
    assert memory.set_pages(2048, 0, 2, more=True, sys=tmp_path) == (5, 5)
    assert memory.set_pages(2048, None, 1, more=False, sys=tmp_path) == (1, 1)
    assert (place / "nr_hugepages").read_text() == "5"
    assert memory.set_pages(12, 0, 1, more=True, sys=tmp_path) is None


def test_sharing_is_set(tmp_path: Path) -> None:
    directory = tmp_path / "kernel/mm/ksm"
    directory.mkdir(parents=True)
    memory.set_sharing("shm_sleep_millisecs", 200, tmp_path)
    assert (directory / "sleep_millisecs").read_text() == "200"
