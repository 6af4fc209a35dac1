# SPDX-License-Identifier: Apache-2.0
"""Who may use a file, in words."""

from __future__ import annotations

import os
import stat
from pathlib import Path

import pytest

from virloom.cli.findings.rights import group_name, obstacle, owner, who_may

NOBODY = 2**31 - 5
"""An id that no user and no group has."""


def status(mode: int, uid: int = 0, gid: int = 0) -> os.stat_result:
    """Of a socket."""
    return os.stat_result((stat.S_IFSOCK | mode, 1, 1, 1, uid, gid, 0, 0, 0, 0))


@pytest.mark.parametrize(
    ("found", "words"),
    [
        (status(0o777), "everybody"),
        (status(0o700), "root"),
        (status(0o770), "root and group 'root'"),
        (status(0o700, NOBODY), f"root and +{NOBODY}"),
        (status(0o770, NOBODY, NOBODY), f"root, +{NOBODY} and group '{NOBODY}'"),
    ],
)
def test_who_may(found: os.stat_result, words: str) -> None:
    assert who_may(found) == words


def test_nothing_is_in_the_way_of_the_owner(tmp_path: Path) -> None:
    path = tmp_path / "socket"
    path.touch()
    assert obstacle(path) == ""
    assert "leave" in obstacle(tmp_path / "absent")


def test_names() -> None:
    assert (owner(0), group_name(0)) == ("root", "root")
    assert (owner(NOBODY), group_name(NOBODY)) == (f"+{NOBODY}", str(NOBODY))
