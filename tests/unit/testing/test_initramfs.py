# SPDX-License-Identifier: Apache-2.0
"""The tiny guest's archive, read back by the format's description."""

from __future__ import annotations

import gzip
import stat
from collections.abc import Iterator
from pathlib import Path

from virloom.testing import initramfs
from virloom.testing.initramfs import Archive


def entries(packed: bytes) -> Iterator[tuple[str, int, bytes]]:
    """Name, mode and content of each entry of a newc archive, the trailer left out."""
    data = gzip.decompress(packed)
    offset = 0
    while True:
        assert data[offset : offset + 6] == b"070701"
        fields = [int(data[offset + 6 + 8 * n :][:8], 16) for n in range(13)]
        size, length = fields[6], fields[11]
        name = data[offset + 110 :][: length - 1].decode()
        start = (offset + 110 + length + 3) & ~3
        if name == "TRAILER!!!":
            assert len(data) == start
            return
        yield name, fields[1], data[start : start + size]
        offset = (start + size + 3) & ~3


def test_entries_come_back_whole() -> None:
    archive = Archive().directory("bin").file("bin/odd", b"12345", mode=0o755)
    archive.symlink("bin/sh", "odd").character_device("console", 5, 1)
    assert list(entries(archive.packed())) == [
        ("bin", stat.S_IFDIR | 0o755, b""),
        ("bin/odd", stat.S_IFREG | 0o755, b"12345"),
        ("bin/sh", stat.S_IFLNK | 0o777, b"odd"),
        ("console", stat.S_IFCHR | 0o600, b""),
    ]


def test_device_numbers_are_in_the_header() -> None:
    data = gzip.decompress(Archive().character_device("console", 5, 1).packed())
    assert data[6 + 8 * 9 : 6 + 8 * 11] == b"0000000500000001"


def test_each_entry_has_an_inode_of_its_own() -> None:
    # Two entries of one inode would be hard links of each other.
    data = gzip.decompress(Archive().file("a", b"x" * 3).file("b", b"").packed())
    second = data.index(b"070701", 6)
    assert data[6:14] != data[second + 6 : second + 14]


def test_the_same_input_gives_the_same_bytes(tmp_path: Path) -> None:
    busybox, module = tmp_path / "busybox", tmp_path / "virtio-rng.ko"
    busybox.write_bytes(b"program")
    module.write_bytes(b"module")
    assert initramfs.build(busybox, [module]) == initramfs.build(busybox, [module])


def test_the_guest_has_what_its_init_uses(tmp_path: Path) -> None:
    busybox, module = tmp_path / "busybox", tmp_path / "virtio-rng.ko"
    busybox.write_bytes(b"program")
    module.write_bytes(b"module")
    found = {name: (mode, data) for name, mode, data in entries(initramfs.build(busybox, [module]))}
    assert found["init"] == (stat.S_IFREG | 0o755, initramfs.INIT.encode())
    assert found["bin/busybox"] == (stat.S_IFREG | 0o755, b"program")
    assert found["modules/virtio-rng.ko"][1] == b"module"
    assert stat.S_ISCHR(found["dev/console"][0])
    assert {"proc", "sys", "dev", "reader", "bin/sh"} <= set(found)
