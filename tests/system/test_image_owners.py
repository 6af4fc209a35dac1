# SPDX-License-Identifier: Apache-2.0
"""Whose the images are that join a guest while it runs, and whose when it has ended."""

from __future__ import annotations

import asyncio
import os
import subprocess
from pathlib import Path

import pytest

import virloom
from tests.system.backing import checkpoint_xml, die_at
from tests.system.conftest import embedded, end_all
from virloom.client.connection import Connection
from virloom.client.domain.domain import Domain
from virloom.enums.domain import DomainCreateFlags
from virloom.enums.snapshot import DomainSnapshotCreateFlags
from virloom.errors import VirloomError
from virloom.security.dac import resolve_ids
from virloom.testing.documents import paused_guest_xml

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="only root gives files away")

PAUSED = DomainCreateFlags.START_PAUSED
DISK_ONLY = DomainSnapshotCreateFlags.DISK_ONLY
SOMEBODY = (1234, 1235)
ROOT = (0, 0)


def image(path: Path) -> Path:
    """A qcow2 image that belongs to somebody."""
    subprocess.run(["qemu-img", "create", "-q", "-f", "qcow2", path, "1M"], check=True)
    os.chown(path, *SOMEBODY)
    return path


def disk(path: Path, target: str = "vda", inside: str = "") -> str:
    """A disk's element."""
    return (
        "<disk type='file' device='disk'><driver name='qemu' type='qcow2'/>"
        f"<source file='{path}'>{inside}</source><target dev='{target}' bus='virtio'/></disk>"
    )


def owner(path: Path) -> tuple[int, int]:
    status = path.stat()
    return status.st_uid, status.st_gid


def qemus() -> tuple[int, int]:
    """QEMU's own user and group."""
    return resolve_ids(None, None)[:2]


async def snapshot(dom: Domain, name: str) -> None:
    await dom.snapshots.create(f"<domainsnapshot><name>{name}</name></domainsnapshot>", DISK_ONLY)


async def defined(conn: Connection, *devices: str) -> Domain:
    """A guest that waits."""
    dom = await conn.define_xml(paused_guest_xml("chk", extra_devices="".join(devices)))
    await dom.create(PAUSED)
    return dom


def forgotten(directory: Path) -> bool:
    """Nothing is remembered of any file any more."""
    files = [path for path in directory.iterdir() if path.is_file()]
    return not any(name.startswith("trusted.") for path in files for name in os.listxattr(path))


async def test_overlays_are_qemus_while_it_writes_to_them(root: Path, tmp_path: Path) -> None:
    behind = image(tmp_path / "a.qcow2")
    link = tmp_path / "link.qcow2"
    link.symlink_to(behind)
    one, two = tmp_path / "link.one", tmp_path / "link.two"
    async with virloom.open(embedded(root)) as conn:
        dom = await defined(conn, disk(link))
        await snapshot(dom, "one")
        assert (owner(behind), owner(one)) == (SOMEBODY, qemus())
        await snapshot(dom, "two")
        assert (owner(behind), owner(one), owner(two)) == (SOMEBODY, ROOT, qemus())
        await dom.destroy()
        assert (owner(one), owner(two)) == (ROOT, ROOT)
        assert forgotten(tmp_path)
        await dom.create(PAUSED)
        assert (owner(one), owner(two)) == (ROOT, qemus())
    async with virloom.open(embedded(root)) as conn:
        dom = await conn.lookup_by_name("chk")
        await (await dom.snapshots.lookup("two")).delete()
        assert (owner(one), two.exists()) == (qemus(), False)
        await (await dom.snapshots.lookup("one")).delete()
        assert (owner(behind), one.exists()) == (qemus(), False)
        await end_all(conn)
    assert owner(behind) == SOMEBODY
    assert forgotten(tmp_path)


async def test_labels_say_otherwise(root: Path, tmp_path: Path) -> None:
    kept = "<seclabel model='dac' relabel='no'/>"
    image(tmp_path / "a.qcow2")
    image(tmp_path / "b.qcow2")
    async with virloom.open(embedded(root)) as conn:
        dom = await defined(
            conn, disk(tmp_path / "a.qcow2", inside=kept), disk(tmp_path / "b.qcow2", "vdb")
        )
        for name in ("one", "two"):
            await snapshot(dom, name)
            assert owner(tmp_path / f"a.{name}") == ROOT
            assert owner(tmp_path / f"b.{name}") == qemus()
        await end_all(conn)
    assert forgotten(tmp_path)


async def test_a_snapshot_that_fails_gives_back(root: Path, tmp_path: Path) -> None:
    image(tmp_path / "a.qcow2")
    image(tmp_path / "b.qcow2")
    there = tmp_path / "a.one"
    there.touch()
    os.chown(there, 77, 78)
    async with virloom.open(embedded(root)) as conn:
        dom = await defined(conn, disk(tmp_path / "a.qcow2"), disk(tmp_path / "b.qcow2", "vdb"))
        (tmp_path / "place").mkdir()
        text = (
            "<domainsnapshot><name>one</name><disks><disk name='vda' snapshot='external'>"
            f"<source file='{there}'/></disk><disk name='vdb' snapshot='external'>"
            f"<source file='{tmp_path}/nowhere/b.one'/></disk></disks></domainsnapshot>"
        )
        with pytest.raises(VirloomError):
            await dom.snapshots.create(text, DISK_ONLY)
        assert owner(there) == (77, 78)
        assert owner(tmp_path / "a.qcow2") == qemus()
        await end_all(conn)
    assert forgotten(tmp_path)


async def test_images_of_backups(root: Path, tmp_path: Path) -> None:
    image(tmp_path / "a.qcow2")
    scratch, target = tmp_path / "a.qcow2.c", tmp_path / "target.qcow2"
    image(target)
    async with virloom.open(embedded(root)) as conn:
        dom = await defined(conn, disk(tmp_path / "a.qcow2"))
        server = f"<server transport='unix' socket='{tmp_path}/nbd'/>"
        pull = f"<domainbackup mode='pull'>{server}</domainbackup>"
        await dom.checkpoints.backup(pull, checkpoint_xml("c"))
        assert owner(scratch) == qemus()
        assert owner(tmp_path / "a.qcow2") == qemus()
        heard = conn.events()
        await heard.start()
        await dom.jobs.abort()
        push = (
            "<domainbackup><disks><disk name='vda' type='file'><driver type='qcow2'/>"
            f"<target file='{target}'/></disk></disks></domainbackup>"
        )
        async with asyncio.timeout(20):
            while scratch.exists():
                await asyncio.sleep(0.01)
        await dom.checkpoints.backup(push, flags=1)  # the image is there
        async with asyncio.timeout(20):
            while owner(target) != SOMEBODY:
                await asyncio.sleep(0.01)
        await heard.close()
        assert owner(tmp_path / "a.qcow2") == qemus()
        await end_all(conn)
    assert forgotten(tmp_path)


async def test_floppies_that_are_changed(root: Path, tmp_path: Path) -> None:
    def drive(path: Path | None) -> str:
        source = f"<source file='{path}'/>" if path else ""
        driver = "<driver name='qemu' type='raw'/>"
        return f"<disk type='file' device='floppy'>{driver}{source}<target dev='fda'/></disk>"

    paths = [tmp_path / name for name in ("one", "two")]
    for path in paths:
        path.write_bytes(bytes(1440 * 1024))
        os.chown(path, *SOMEBODY)
    async with virloom.open(embedded(root)) as conn:
        dom = await defined(conn, drive(paths[0]))
        assert [owner(path) for path in paths] == [qemus(), SOMEBODY]
        await dom.devices.update(drive(paths[1]), 1)
        assert [owner(path) for path in paths] == [SOMEBODY, qemus()]
        with pytest.raises(VirloomError):
            await dom.devices.update(drive(tmp_path / "nowhere"), 1)
        assert [owner(path) for path in paths] == [SOMEBODY, qemus()]
        await dom.devices.update(drive(None), 1)
        assert [owner(path) for path in paths] == [SOMEBODY, SOMEBODY]
        await end_all(conn)
    assert forgotten(tmp_path)


@pytest.mark.parametrize("step", ["image-owner-noted", "backup-begun"])
async def test_a_kill_in_a_backup_gives_back(root: Path, tmp_path: Path, step: str) -> None:
    image(tmp_path / "a.qcow2")
    async with virloom.open(embedded(root)) as conn:
        await defined(conn, disk(tmp_path / "a.qcow2"))
    server = f"<server transport='unix' socket='{tmp_path}/nbd'/>"
    pull = f"<domainbackup mode='pull'>{server}</domainbackup>"
    await die_at(root, step, "chk", {"backup": pull, "checkpoint": checkpoint_xml("c")})
    async with virloom.open(embedded(root)) as conn:
        assert owner(tmp_path / "a.qcow2") == qemus()
        await end_all(conn)
    assert owner(tmp_path / "a.qcow2") == SOMEBODY
    assert not (tmp_path / "a.qcow2.c").exists()
    assert forgotten(tmp_path)
