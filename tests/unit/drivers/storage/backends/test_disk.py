# SPDX-License-Identifier: Apache-2.0
"""Which partition table a disk gets, and what its pool says of it."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.fakes.storage_host import Dialogue
from virloom.drivers.storage.backends.disk import DiskBackend
from virloom.drivers.storage.pools import parse_pool
from virloom.errors import StoragePoolBuilt, StorageProbeFailed
from virloom.model.storage import Pool


def pool(device: Path) -> Pool:
    return parse_pool(
        f"<pool type='disk'><name>d</name><source><device path='{device}'/></source>"
        "<target><path>/dev</path></target></pool>"
    )


def format_of(model: Pool) -> str | None:
    assert model.source is not None
    return model.source.format.type


async def test_a_table_that_is_made_is_named(tmp_path: Path) -> None:
    device = tmp_path / "disk"
    device.touch()
    host = Dialogue(
        tmp_path,
        [
            (f"blkid -p -o export {device}", 2, ""),
            (f"parted --machine -s {device} print", 1, "unrecognised disk label"),
            (f"parted -s {device} mklabel msdos", ""),
        ],
    )
    model = pool(device)
    await DiskBackend(host).build(model, 0)
    assert format_of(model) == "dos"


async def test_a_pool_that_is_not_built_stays_as_it_was(tmp_path: Path) -> None:
    device = tmp_path / "disk"
    model = pool(device)
    before = format_of(model)
    with pytest.raises(StorageProbeFailed, match="no device"):
        await DiskBackend(Dialogue(tmp_path, [])).build(model, 0)
    device.touch()
    found = [(f"blkid -p -o export {device}", "PTTYPE=gpt\n")]
    with pytest.raises(StoragePoolBuilt, match="gpt"):
        await DiskBackend(Dialogue(tmp_path, found)).build(model, 0)
    assert format_of(model) == before
