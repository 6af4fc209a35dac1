# SPDX-License-Identifier: Apache-2.0
"""``qemu-lockd.conf``."""

from __future__ import annotations

from pathlib import Path

import pytest

from virloom.drivers.qemu.locks.lockd_config import LockdConfig
from virloom.errors import ConfSyntax


def loaded(directory: Path, text: str) -> LockdConfig:
    path = directory / "qemu-lockd.conf"
    path.write_text(text)
    return LockdConfig.load(path)


def test_the_defaults(tmp_path: Path) -> None:
    config = LockdConfig.load(tmp_path / "none")
    assert (config.auto_disk_leases, config.require_lease_for_disks) == (True, False)
    assert config.spaces() == []


def test_leases_are_needed_where_disks_are_not_locked(tmp_path: Path) -> None:
    assert loaded(tmp_path, "auto_disk_leases = 0\n").require_lease_for_disks
    text = "auto_disk_leases = 0\nrequire_lease_for_disks = 0\n"
    assert not loaded(tmp_path, text).require_lease_for_disks


def test_spaces_are_named_once(tmp_path: Path) -> None:
    names = ("file_lockspace_dir", "lvm_lockspace_dir", "scsi_lockspace_dir")
    text = "".join(f'{name} = "/x{number % 2}"\n' for number, name in enumerate(names))
    assert loaded(tmp_path, text).spaces() == ["/x0", "/x1"]


@pytest.mark.parametrize(
    "text", ["auto_disk_leases = 2", 'file_lockspace_dir = "x"', "lvm_lockspace_dir = 1"]
)
def test_wrong_values(text: str, tmp_path: Path) -> None:
    with pytest.raises(ConfSyntax, match=r"qemu-lockd.conf: \w+ must be"):
        loaded(tmp_path, text)
