# SPDX-License-Identifier: Apache-2.0
"""Backups of guests: what is in them, byte by byte, and owners that are killed in between."""

from __future__ import annotations

import asyncio
import errno
import json
import os
import random
import socket as socketlib
import subprocess
import tempfile
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

import virloom
from tests.system.backing import (
    MIB,
    PART,
    authority,
    bitmaps,
    checkpoint_xml,
    die_at,
    guest_with,
    image,
    write,
)
from tests.system.conftest import embedded, end_all
from virloom.client.connection import Connection
from virloom.client.domain.domain import Domain
from virloom.client.domain.events import JobCompletedEvent
from virloom.drivers.qemu.process.steps import BACKUP_END_STEPS, BACKUP_STEPS
from virloom.enums.domain import DomainBackupBeginFlags, DomainGetJobStatsFlags, DomainJobType
from virloom.enums.snapshot import DomainSnapshotCreateFlags
from virloom.errors import (
    CheckpointInconsistent,
    InternalError,
    InvalidArg,
    NoDomainBackup,
    NoDomainCheckpoint,
    OperationInvalid,
    OperationUnsupported,
    XmlInvalidSchema,
)
from virloom.model import Backup
from virloom.xml import parse_document

SIZE = 4 * MIB
_REUSE = DomainBackupBeginFlags.REUSE_EXTERNAL
_DONE = DomainGetJobStatsFlags.COMPLETED


def push(target: Path, since: str = "", form: str = "qcow2", disk: str = "vda") -> str:
    """The document of a backup of one disk into an image."""
    chosen = f"<incremental>{since}</incremental>" if since else ""
    return (
        f"<domainbackup>{chosen}<disks><disk name='{disk}' type='file'><target file='{target}'/>"
        f"<driver type='{form}'/></disk></disks></domainbackup>"
    )


def pull(socket: Path, since: str = "", server: str = "", disks: str = "") -> str:
    """The document of a backup of all disks that is read through a socket."""
    chosen = f"<incremental>{since}</incremental>" if since else ""
    server = server or f"<server transport='unix' socket='{socket}'/>"
    return f"<domainbackup mode='pull'>{chosen}{server}{disks}</domainbackup>"


@asynccontextmanager
async def ending(conn: Connection) -> AsyncIterator[list[JobCompletedEvent]]:
    """Waits after its block for the end of the backup that began in it."""
    seen: list[JobCompletedEvent] = []
    async with conn.events(JobCompletedEvent) as events:
        yield seen
        async with asyncio.timeout(20):
            async for event in events:
                seen.append(event)
                break


async def settled(dom: Domain) -> None:
    """Returns when all that QEMU had for a backup is gone."""
    disks = len(await qemu(dom, "query-block"))
    async with asyncio.timeout(20):
        while len(await qemu(dom, "query-named-block-nodes")) > 2 * disks:
            await asyncio.sleep(0.02)


async def qemu(dom: Domain, command: str) -> Any:
    """What QEMU answers."""
    return json.loads(await dom.monitor_command(json.dumps({"execute": command})))["return"]


def as_raw(path: Path, form: str = "qcow2", *chain: str) -> bytes:
    """The content of an image that nobody writes to."""
    made = path.with_suffix(".read")
    command = ["qemu-img", "convert", "-U", "-f", form, "-O", "raw", *chain, str(path), str(made)]
    subprocess.run(command, check=True, capture_output=True)
    data = made.read_bytes()
    made.unlink()
    return data


def through(socket: Path, name: str, *, bitmap: str = "") -> str:
    """Options of an image that is read from an NBD server."""
    options = f"driver=nbd,server.type=unix,server.path={socket},export={name}"
    return options + (f",x-dirty-bitmap=qemu:dirty-bitmap:{bitmap}" if bitmap else "")


def pulled(options: str, tmp_path: Path, *objects: str) -> bytes:
    """All that an export holds."""
    made = tmp_path / "pulled"
    command = ["qemu-img", "convert", *objects, "--image-opts", "-O", "raw", options, str(made)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=20)
    assert done.returncode == 0, done.stderr
    return made.read_bytes()


def changed(options: str) -> list[tuple[int, int]]:
    """Where the bitmap of an export is set, in parts."""
    done = subprocess.run(
        ["qemu-img", "map", "--output=json", "--image-opts", options],
        capture_output=True, text=True, check=True, timeout=20,
    )  # fmt: skip
    # What is dirty has no "data" in QEMU's answer (docs of x-dirty-bitmap).
    return [
        (one["start"] // PART, one["length"] // PART)
        for one in json.loads(done.stdout)
        if not one["data"]
    ]


async def test_full_and_increments_rebuild_the_disk(conn: Connection, tmp_path: Path) -> None:
    """Any sequence of writes, checkpoints and backups: every backup is the disk of its moment."""
    chance = random.Random(20)
    dom = await guest_with(conn, tmp_path, "vda")
    disk = bytearray(SIZE)
    taken: list[tuple[str, bytes, Path]] = []

    async def scribble() -> None:
        for _ in range(chance.randrange(4)):
            part, parts = chance.randrange(60), chance.randrange(1, 5)
            pattern = chance.randrange(256)
            await write(dom, 0, pattern, part, parts)
            disk[part * PART : (part + parts) * PART] = bytes([pattern]) * (parts * PART)

    for number in range(10):
        await scribble()
        if number in (3, 6):  # the guest goes on in another image
            only = DomainSnapshotCreateFlags.DISK_ONLY
            document = f"<domainsnapshot><name>s{number}</name></domainsnapshot>"
            await dom.snapshots.create(document, only)
            await scribble()
        name, target = f"c{number}", tmp_path / f"b{number}.qcow2"
        since = chance.choice(taken)[0] if taken else ""
        async with ending(conn) as seen:
            await dom.checkpoints.backup(push(target, since), checkpoint_xml(name))
        assert seen[0].params["success"] is True
        base = next((path for one, _, path in taken if one == since), None)
        if base is not None:
            names = ["-b", str(base), "-F", "qcow2", str(target)]
            subprocess.run(["qemu-img", "rebase", "-u", "-f", "qcow2", *names], check=True)
        taken.append((name, bytes(disk), target))
        if len(taken) > 3:  # an older one goes; its image is still what the next ones need
            await (await dom.checkpoints.lookup(taken.pop(1)[0])).delete()
    for name, then, path in taken:
        assert as_raw(path) == then, name
    # Three images make the disk now; the lowest knows of the oldest checkpoint alone.
    assert sorted((await bitmaps(dom)).values(), key=len)[0] == ["c0"]
    await dom.destroy()


async def test_formats_and_images_that_are_there(conn: Connection, tmp_path: Path) -> None:
    dom = await guest_with(conn, tmp_path, "vda")
    await write(dom, 0, 7, part=3)
    expected = bytes(3 * PART) + b"\7" * PART + bytes(SIZE - 4 * PART)
    for form in ("raw", "qcow2", "vmdk"):
        async with ending(conn):
            await dom.checkpoints.backup(push(tmp_path / f"made.{form}", form=form))
        assert as_raw(tmp_path / f"made.{form}", form) == expected
    with pytest.raises(InvalidArg, match="exists"):
        await dom.checkpoints.backup(push(tmp_path / "made.raw", form="raw"))
    async with ending(conn):
        await dom.checkpoints.backup(push(image(tmp_path / "there.qcow2")), flags=_REUSE)
    assert as_raw(tmp_path / "there.qcow2") == expected
    small = image(tmp_path / "small.qcow2", MIB)
    with pytest.raises(InternalError, match="different sizes"):
        await dom.checkpoints.backup(push(small), flags=_REUSE)
    with pytest.raises(InternalError, match="lock"):
        await dom.checkpoints.backup(push(tmp_path / "vda.qcow2"), flags=_REUSE)
    assert small.exists()
    assert len(await qemu(dom, "query-named-block-nodes")) == 2


async def test_what_is_pulled_does_not_change(conn: Connection, tmp_path: Path) -> None:
    dom = await guest_with(conn, tmp_path, "vda", "vdb")
    await dom.checkpoints.create(checkpoint_xml("a"))
    await write(dom, 0, 1, part=0)
    await write(dom, 0, 2, part=40, parts=2)
    socket = tmp_path / "nbd"
    await dom.checkpoints.backup(pull(socket, "a"), checkpoint_xml("b"))
    model = parse_document(Backup, await dom.checkpoints.backup_xml_desc())
    assert [(d.export_name, d.export_bitmap) for d in model.disks.disks] == [
        ("vda", "backup-vda"), ("vdb", "backup-vdb"),
    ]  # fmt: skip
    await write(dom, 0, 9, part=0, parts=3)
    then = b"\1" * PART + bytes(39 * PART) + b"\2" * (2 * PART) + bytes(SIZE - 42 * PART)
    assert pulled(through(socket, "vda"), tmp_path) == then
    assert changed(through(socket, "vda", bitmap="backup-vda")) == [(0, 1), (40, 2)]
    assert changed(through(socket, "vdb", bitmap="backup-vdb")) == []
    stats = await dom.jobs.stats()
    assert stats.values["disk_temp_used"] == 3 * PART
    scratch = [disk.scratch.file for disk in model.disks.disks if disk.scratch is not None]
    assert all(Path(path or "").exists() for path in scratch)
    async with ending(conn) as seen:
        await dom.jobs.abort()
    assert seen[0].params["success"] is True
    assert (await dom.jobs.stats(_DONE)).type == DomainJobType.COMPLETED
    await settled(dom)
    await nothing_left(dom, socket, *map(str, scratch))
    assert [one.name for one in await dom.checkpoints.list()] == ["a", "b"]


async def nothing_left(dom: Domain, *paths: str | Path) -> None:
    """No job, no server, no image and no node of a backup is there any more."""
    with pytest.raises(NoDomainBackup):
        await dom.checkpoints.backup_xml_desc()
    with pytest.raises(OperationInvalid):
        await dom.jobs.abort()
    assert await qemu(dom, "query-jobs") == []
    assert await qemu(dom, "query-block-exports") == []
    nodes = [node["node-name"] for node in await qemu(dom, "query-named-block-nodes")]
    assert len(nodes) == 4, nodes
    left = [path for path in paths if Path(path).exists()]
    assert not left
    for names in (await bitmaps(dom)).values():
        assert not [name for name in names if name.startswith("backup-")]


@pytest.fixture(scope="module")
def certificates() -> Iterator[Path]:
    """An authority and its certificates, where QEMU, which may be another user, can read them."""
    with tempfile.TemporaryDirectory() as place:
        Path(place).chmod(0o755)
        yield authority(Path(place) / "pki")


async def test_over_tls(root: Path, tmp_path: Path, certificates: Path) -> None:
    (root / "etc").mkdir(parents=True)
    (root / "etc/qemu.conf").write_text(f'backup_tls_x509_cert_dir = "{certificates}"\n')
    async with virloom.open(embedded(root)) as conn:
        dom = await guest_with(conn, tmp_path, "vda")
        await write(dom, 0, 5, part=1)
        port = free_port()
        server = f"<server tls='yes' name='localhost' port='{port}'/>"
        await dom.checkpoints.backup(pull(tmp_path, server=server))
        plain = f"driver=nbd,server.type=inet,server.host=localhost,server.port={port},export=vda"
        with pytest.raises(AssertionError, match="TLS"):
            pulled(plain, tmp_path)
        secret = f"tls-creds-x509,id=tls,dir={certificates},endpoint=client,verify-peer=on"
        data = pulled(f"{plain},tls-creds=tls", tmp_path, "--object", secret)
        assert data == bytes(PART) + b"\5" * PART + bytes(SIZE - 2 * PART)
        await dom.destroy()


def free_port() -> int:
    """A port of this host that nobody listens on."""
    with socketlib.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


async def test_what_is_refused(conn: Connection, tmp_path: Path) -> None:
    dom = await guest_with(conn, tmp_path, "vda", "vdb")
    socket = tmp_path / "nbd"
    with pytest.raises(NoDomainCheckpoint):
        await dom.checkpoints.backup(push(tmp_path / "x", "none"))
    await dom.checkpoints.create(checkpoint_xml("a", "vdb"))
    with pytest.raises(CheckpointInconsistent):
        await dom.checkpoints.backup(push(tmp_path / "x", "a"))
    with pytest.raises(XmlInvalidSchema):
        await dom.checkpoints.backup("<domainbackup mode='pull'/>")
    with pytest.raises(OperationUnsupported, match="port"):
        await dom.checkpoints.backup(pull(socket, server="<server name='localhost'/>"))
    both = "".join(f"<disk name='{one}' exportname='e'/>" for one in ("vda", "vdb"))
    with pytest.raises(InternalError, match="export name"):
        await dom.checkpoints.backup(pull(socket, disks=f"<disks>{both}</disks>"))
    unknown = "<server name='nowhere.invalid' port='1'/>"
    with pytest.raises(InternalError, match="nowhere"):
        await dom.checkpoints.backup(pull(socket, server=unknown), checkpoint_xml("b"))
    await nothing_left(dom, socket, *map(str, tmp_path.glob("*.b")))
    assert [one.name for one in await dom.checkpoints.list()] == ["a"]
    await dom.checkpoints.backup(pull(socket))
    with pytest.raises(OperationUnsupported, match="active block job"):
        await dom.block.pull("vda")
    await dom.destroy()
    assert not [path for path in tmp_path.iterdir() if path.suffix not in (".qcow2", "")]
    assert not socket.exists()
    with pytest.raises(OperationUnsupported):
        await dom.checkpoints.backup(push(tmp_path / "x"))


async def test_the_guest_ends_in_the_middle(conn: Connection, tmp_path: Path) -> None:
    dom = await guest_with(conn, tmp_path, "vda")
    async with ending(conn) as seen:
        await dom.checkpoints.backup(pull(tmp_path / "nbd"))
        await dom.destroy()
    assert seen[0].params["success"] is False
    assert (await dom.jobs.stats(_DONE)).type == DomainJobType.CANCELLED
    assert sorted(path.name for path in tmp_path.iterdir()) == ["root", "vda.qcow2"]


@pytest.fixture
def tight(tmp_path: Path) -> Iterator[Path]:
    """A file system of half a MiB."""
    place = tmp_path / "tight"
    place.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", "size=512k", "tight", str(place)]
    if os.geteuid() != 0 or subprocess.run(command, capture_output=True).returncode != 0:
        pytest.skip("nothing can be mounted here")
    yield place
    subprocess.run(["umount", "-l", str(place)], check=True)


async def test_one_that_fails_takes_the_others_along(
    conn: Connection, tmp_path: Path, tight: Path
) -> None:
    dom = await guest_with(conn, tmp_path, "vda", "vdb")
    await write(dom, 0, 1, part=0, parts=48)
    places = {"vda": tight / "a", "vdb": tmp_path / "b"}
    disks = "".join(
        f"<disk name='{name}' type='file'><target file='{path}'/></disk>"
        for name, path in places.items()
    )
    async with ending(conn) as seen:
        await dom.checkpoints.backup(f"<domainbackup><disks>{disks}</disks></domainbackup>")
    assert seen[0].params["success"] is False
    assert seen[0].params["errmsg"] == os.strerror(errno.ENOSPC)
    assert (await dom.jobs.stats(_DONE)).type == DomainJobType.FAILED
    await settled(dom)
    await nothing_left(dom, *places.values())
    assert os.statvfs(tight).f_bfree == os.statvfs(tight).f_blocks  # its room too


async def test_killed_while_it_begins(root: Path, tmp_path: Path) -> None:
    """At each step, with one guest: nothing is left of a backup, or all of it."""
    socket = tmp_path / "nbd"
    async with virloom.open(embedded(root)) as conn:
        dom = await guest_with(conn, tmp_path, "vda", "vdb")
        await write(dom, 0, 4, part=2)
    for number, step in enumerate(BACKUP_STEPS):
        name = f"c{number}"
        plan = {"backup": pull(socket), "checkpoint": checkpoint_xml(name)}
        await die_at(root, step, "chk", plan)
        scratch = [str(tmp_path / f"{one}.qcow2.{name}") for one in ("vda", "vdb")]
        async with virloom.open(embedded(root)) as conn:
            dom = await conn.lookup_by_name("chk")
            begun = number >= BACKUP_STEPS.index("backup-begun")
            known = [one.name for one in await dom.checkpoints.list()]
            assert (name in known) is begun, step
            if begun:
                await goes_on(conn, dom, socket, tmp_path)
            await nothing_left(dom, socket, *scratch)
            if step == BACKUP_STEPS[-1]:
                await end_all(conn)


async def goes_on(conn: Connection, dom: Domain, socket: Path, tmp_path: Path) -> None:
    """What is pulled is as it was when the backup began; then it is ended."""
    await write(dom, 0, 8, part=2)
    data = pulled(through(socket, "vda"), tmp_path)
    assert data == bytes(2 * PART) + b"\4" * PART + bytes(SIZE - 3 * PART)
    async with ending(conn):
        await dom.jobs.abort()
    await settled(dom)
    await write(dom, 0, 4, part=2)


END_STEPS = ("job-aborting", "job-concluded", "job-dismissed", *BACKUP_END_STEPS, "job-settled")


async def test_killed_while_it_ends(root: Path, tmp_path: Path) -> None:
    """At each step, with one guest: it is at its end all the same."""
    socket = tmp_path / "nbd"
    async with virloom.open(embedded(root)) as conn:
        await guest_with(conn, tmp_path, "vda", "vdb")
    for step in END_STEPS:
        await die_at(root, step, "chk", {"backup": pull(socket)}, {"abort": True})
        async with virloom.open(embedded(root)) as conn:
            dom = await conn.lookup_by_name("chk")
            if step == "job-aborting":  # whoever wanted that got no answer, and asks again
                await dom.jobs.abort()
            await settled(dom)
            left = [str(path) for path in tmp_path.iterdir() if path.suffix[1:].isdigit()]
            await nothing_left(dom, socket, *left)
            if step == END_STEPS[-1]:
                await end_all(conn)


async def test_killed_while_it_is_pushed(root: Path, tmp_path: Path) -> None:
    async with virloom.open(embedded(root)) as conn:
        dom = await guest_with(conn, tmp_path, "vda")
        await write(dom, 0, 3, part=5)
    await die_at(root, "backup-begun", "chk", {"backup": push(tmp_path / "b")})
    async with virloom.open(embedded(root)) as conn:
        dom = await conn.lookup_by_name("chk")
        await settled(dom)
        assert as_raw(tmp_path / "b") == bytes(5 * PART) + b"\3" * PART + bytes(SIZE - 6 * PART)
        assert (await dom.jobs.stats(_DONE)).type == DomainJobType.COMPLETED
        await end_all(conn)
