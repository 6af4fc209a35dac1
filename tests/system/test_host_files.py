# SPDX-License-Identifier: Apache-2.0
"""Files on a real full disk, and the owner of a device."""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from virloom.errors import SystemFailure
from virloom.host import ownership
from virloom.host.files import write_atomic
from virloom.host.process import run

ROOT = pytest.mark.skipif(os.geteuid() != 0, reason="only root can mount and give files away")


@pytest.fixture
async def small_disk(tmp_path: Path) -> AsyncIterator[Path]:
    """A file system of 64 KiB."""
    path = tmp_path / "disk"
    path.mkdir()
    mounted = await run(["mount", "-t", "tmpfs", "-o", "size=64k", "none", str(path)])
    if mounted.returncode != 0:
        pytest.skip(f"cannot mount here: {mounted.stderr.decode().strip()}")
    yield path
    await run(["umount", str(path)])


@ROOT
async def test_a_full_disk_leaves_the_old_file_and_no_other(small_disk: Path) -> None:
    record = small_disk / "guest.json"
    write_atomic(record, b"old" * 1000)
    with pytest.raises(SystemFailure, match=r"guest\.json': No space left") as failure:
        write_atomic(record, b"new" * 100_000)
    assert failure.value.int1 == errno.ENOSPC
    assert record.read_bytes() == b"old" * 1000
    assert os.listdir(small_disk) == ["guest.json"]
    write_atomic(record, b"new" * 1000)
    assert record.read_bytes() == b"new" * 1000


@ROOT
async def test_a_read_only_file_system(small_disk: Path) -> None:
    record = small_disk / "guest.json"
    write_atomic(record, b"old")
    remounted = await run(["mount", "-o", "remount,ro", str(small_disk)])
    assert remounted.returncode == 0
    with pytest.raises(SystemFailure) as failure:
        write_atomic(record, b"new")
    assert failure.value.int1 == errno.EROFS
    assert record.read_bytes() == b"old"


@ROOT
async def test_a_block_device_is_given_and_given_back(tmp_path: Path) -> None:
    """A node of our own, of a device that need not exist: its owner is all that is looked at."""
    node = tmp_path / "device"
    try:
        os.mknod(node, stat.S_IFBLK | 0o600, os.makedev(7, 7))
        os.close(os.open(node, os.O_RDONLY | os.O_NONBLOCK))
    except OSError as error:
        pytest.skip(f"no block device can be opened here: {error}")
    resource = ownership.plan(str(node), "token", 64123, 64124, str(tmp_path / "state"))
    ownership.take(resource)
    assert node.stat().st_uid == 64123
    ownership.restore(resource)
    assert node.stat().st_uid == 0
