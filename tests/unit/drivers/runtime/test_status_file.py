# SPDX-License-Identifier: Apache-2.0
"""Status files: what is written comes back, and what was removed stays removed."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from virloom.drivers.runtime.status_file import StatusFile


class Record(StatusFile):
    """One with something to say."""

    def __init__(self, path: Path) -> None:
        super().__init__(path)
        self.name = "one"


def test_what_is_written_comes_back(tmp_path: Path) -> None:
    record = Record(tmp_path / "record.json")
    record.name = "other"
    record.save()
    again = Record(record.path)
    again.take({**Record.read(record.path), "name": 7, "unknown": "x"})
    assert again.name == "one"  # of another kind
    again.take(Record.read(record.path))
    assert (again.name, again.is_of_this_boot) == ("other", True)
    again.take({"boot_id": "another"})
    assert not again.is_of_this_boot


def test_one_that_was_removed_is_not_brought_back(tmp_path: Path) -> None:
    record = Record(tmp_path / "record.json")
    record.save()
    assert set(json.loads(record.path.read_text())) == {"version", "boot_id", "name"}
    record.delete()
    record.save()
    assert not record.path.exists()


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"version": 2}'])
def test_another_file_is_none(tmp_path: Path, text: str) -> None:
    path = tmp_path / "record.json"
    path.write_text(text)
    with pytest.raises(ValueError):
        Record.read(path)


def test_what_a_loss_of_power_left_empty_is_removed(tmp_path: Path) -> None:
    record = Record(tmp_path / "record.json")
    record.save()
    (tmp_path / "lost.json").touch()
    (tmp_path / "other").touch()
    Record.sweep(tmp_path)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["other", "record.json"]
    assert Record.read(record.path)["name"] == "one"
