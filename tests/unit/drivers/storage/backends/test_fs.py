# SPDX-License-Identifier: Apache-2.0
"""What is run for pools on file systems, and how a mount table is read."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.fakes.storage_host import Dialogue, Exchange
from virloom.drivers.storage.backends.fs import FsBackend
from virloom.drivers.storage.pools import parse_pool
from virloom.errors import InternalError, InvalidArg, OperationInvalid, StoragePoolBuilt
from virloom.model.storage import Pool

OVERWRITE, NO_OVERWRITE = 8, 4


def pool(device: Path, place: Path, form: str = "auto", more: str = "") -> Pool:
    space = "xmlns:fs='http://libvirt.org/schemas/storagepool/fs/1.0'"
    return parse_pool(
        f"<pool type='fs' {space}><name>f</name><source><device path='{device}'/>"
        f"<format type='{form}'/></source><target><path>{place}</path></target>{more}</pool>"
    )


@pytest.fixture
def device(tmp_path: Path) -> Path:
    """The host below *tmp_path* has a device, and nothing mounted."""
    (tmp_path / "proc/self").mkdir(parents=True)
    (tmp_path / "proc/self/mounts").write_text("proc /proc proc rw 0 0\n")
    path = tmp_path / "the device"
    path.touch()
    return path


async def test_it_is_mounted_with_options(tmp_path: Path, device: Path) -> None:
    place, table = tmp_path / "a place", tmp_path / "proc/self/mounts"
    options = "<fs:mount_opts><fs:option name='sync'/><fs:option name='ro'/></fs:mount_opts>"
    model = pool(device, place, "ext4", options)
    mount = f"mount -o nodev,nosuid,noexec,sync,ro -t ext4 {device} {place}"
    host = Dialogue(tmp_path, [(mount, ""), (f"umount {place}", 32, "umount: target is busy.")])
    fs = FsBackend(host)
    assert not await fs.is_active(model)
    await fs.stop(model)  # nothing is to be done
    await fs.start(model)
    words = [str(path).replace(" ", "\\040") for path in (device, place)]
    table.write_text(f"/dev/other {words[1]} ext4 rw 0 0\n")
    assert not await fs.is_active(model), "another device is mounted there"
    table.write_text(f"{words[0]} {words[1]} ext4 rw 0 0\n")
    assert await fs.is_active(model)
    await fs.start(model)
    with pytest.raises(InternalError, match="busy"):
        await fs.stop(model)


@pytest.mark.parametrize(
    ("form", "words"),
    [("ext4", "ext4 -F"), ("ext2", "ext2 -F"), ("xfs", "xfs -f"), ("vfat", "vfat -I"),
     ("udf", "udf"), ("auto", "auto")],
)  # fmt: skip
async def test_it_is_built(tmp_path: Path, device: Path, form: str, words: str) -> None:
    fs = FsBackend(Dialogue(tmp_path, [(f"mkfs -t {words} {device}", "")]))
    model = pool(device, tmp_path / "place", form)
    await fs.build(model, 0)
    assert (tmp_path / "place").is_dir()
    await fs.build(model, OVERWRITE)


async def test_what_is_not_overwritten(tmp_path: Path, device: Path) -> None:
    place, probe = tmp_path / "place", f"blkid -p -o export {device}"

    async def build(*exchanges: Exchange, flags: int = NO_OVERWRITE, form: str = "ext4") -> None:
        host = Dialogue(tmp_path, exchanges)
        await FsBackend(host).build(pool(device, place, form), flags)
        assert host.left == []

    with pytest.raises(StoragePoolBuilt, match="already formatted using 'ext4'"):
        await build((probe, "DEVNAME=x\nTYPE=ext4\nUSAGE=filesystem\n"))
    with pytest.raises(StoragePoolBuilt, match="forced overwrite"):
        await build((probe, "TYPE=ext4\n"), form="xfs")
    with pytest.raises(StoragePoolBuilt, match="gpt"):
        await build((probe, "PTTYPE=gpt\n"))
    await build(
        (probe, 2, ""),
        (f"parted --machine -s {device} print", 1, "unrecognised disk label"),
        (f"mkfs -t ext4 -F {device}", ""),
    )
    with pytest.raises(InvalidArg):
        await build(flags=OVERWRITE | NO_OVERWRITE)
    with pytest.raises(InvalidArg):
        await build(flags=1)
    device.unlink()
    with pytest.raises(OperationInvalid):
        await build(flags=OVERWRITE)
