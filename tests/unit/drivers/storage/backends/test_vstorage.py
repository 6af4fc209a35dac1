# SPDX-License-Identifier: Apache-2.0
"""Virtuozzo Storage, by document: nobody here has a cluster."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.fakes.storage_host import Dialogue
from virloom.drivers.storage.backends.vstorage import VstorageBackend
from virloom.drivers.storage.pools import parse_pool
from virloom.errors import InternalError


async def test_it_is_mounted_and_unmounted(tmp_path: Path) -> None:
    model = parse_pool(
        "<pool type='vstorage'><name>v</name><source><name>c</name></source>"
        "<target><path>/mnt/v</path></target></pool>"
    )
    table = tmp_path / "proc/self/mounts"
    table.parent.mkdir(parents=True)
    table.write_text("none / tmpfs rw 0 0\n")
    mount = "vstorage-mount -c c /mnt/v -m 0700"
    host = Dialogue(tmp_path, [(mount, ""), ("umount /mnt/v", 32, "target is busy")])
    backend = VstorageBackend(host)
    await backend.stop(model)
    await backend.start(model)
    table.write_text("vstorage://c /mnt/v fuse.vstorage rw 0 0\n")
    await backend.start(model)  # it is there already
    assert await backend.is_active(model)
    with pytest.raises(InternalError, match="busy"):
        await backend.stop(model)
