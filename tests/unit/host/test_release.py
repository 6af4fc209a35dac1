# SPDX-License-Identifier: Apache-2.0
"""Undoing what a record lists."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from virloom.host.release import release


def tree(root: Path) -> Path:
    directory = root / "guest"
    (directory / "a" / "b").mkdir(parents=True)
    (directory / "a" / "file").touch()
    os.mkfifo(directory / "fifo")
    return directory


def test_everything_goes_and_a_second_time_is_no_error(tmp_path: Path) -> None:
    directory = tree(tmp_path)
    (tmp_path / "file").touch()
    resources = [
        {"kind": "file", "path": str(tmp_path / "file")},
        {"kind": "directory", "path": str(directory), "root": str(tmp_path)},
        {"kind": "file", "path": str(directory / "monitor.sock")},
    ]
    for _ in range(2):
        assert release(resources) == []
        assert os.listdir(tmp_path) == []


def test_what_a_link_in_the_tree_points_to_stays(tmp_path: Path) -> None:
    (tmp_path / "kept").mkdir()
    (tmp_path / "kept" / "file").touch()
    directory = tree(tmp_path)
    (directory / "a" / "link").symlink_to(tmp_path / "kept")
    resource = {"kind": "directory", "path": str(directory), "root": str(tmp_path)}
    assert release([resource]) == []
    assert (tmp_path / "kept" / "file").exists()
    assert not directory.exists()


def test_a_link_in_place_of_the_directory_goes_its_target_stays(tmp_path: Path) -> None:
    (tmp_path / "kept").mkdir()
    (tmp_path / "guest").symlink_to(tmp_path / "kept")
    path = str(tmp_path / "guest")
    assert release([{"kind": "directory", "path": path, "root": str(tmp_path)}]) == []
    assert os.listdir(tmp_path) == ["kept"]


@pytest.mark.parametrize("path", ["root", "root/..", "outside", "root/../outside", "root/link/x"])
def test_nothing_outside_the_root_or_the_root_itself(tmp_path: Path, path: str) -> None:
    (tmp_path / "root").mkdir()
    (tmp_path / "outside" / "x").mkdir(parents=True)
    (tmp_path / "root" / "link").symlink_to(tmp_path / "outside")
    resource = {"kind": "directory", "path": f"{tmp_path}/{path}", "root": str(tmp_path / "root")}
    (failure,) = release([resource])
    assert "does not lie below" in failure
    assert (tmp_path / "outside" / "x").is_dir()
    assert (tmp_path / "root").is_dir()


def test_one_that_fails_does_not_keep_the_others(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    (tmp_path / "directory").mkdir()
    failures = release(
        [
            {"kind": "file", "path": str(tmp_path / "file")},
            {"kind": "file", "path": str(tmp_path / "directory")},
            {"kind": "spell", "path": "x"},
            {"kind": "directory", "path": str(tmp_path / "directory")},
        ]
    )
    assert len(failures) == 3
    assert "directory" in failures[2]
    assert "nobody knows" in failures[1]
    assert os.listdir(tmp_path) == ["directory"]


def test_the_last_is_undone_first(tmp_path: Path) -> None:
    """Only so can a directory be listed before what is put into it."""
    failures = release([{"kind": "spell", "path": "first"}, {"kind": "spell", "path": "second"}])
    assert [failure.split(":")[0] for failure in failures] == ["spell 'second'", "spell 'first'"]
