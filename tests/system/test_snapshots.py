# SPDX-License-Identifier: Apache-2.0
"""Snapshots of guests without a kernel, and of guests that are shut off."""

from __future__ import annotations

import asyncio
import contextlib
import os
import re
import signal
import subprocess
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest

import virloom
from tests.property.qcow2_reader import content
from tests.system.conftest import Lifecycle, embedded, end_all
from virloom.client.connection import Connection
from virloom.client.domain.domain import Domain
from virloom.client.domain.snapshots import Snapshot
from virloom.drivers.qemu.process.steps import observed
from virloom.enums.domain import (
    DomainCreateFlags,
    DomainEventType,
    DomainState,
    DomainUndefineFlagsValues,
)
from virloom.enums.snapshot import (
    DomainSnapshotCreateFlags,
    DomainSnapshotDeleteFlags,
    DomainSnapshotListFlags,
    DomainSnapshotRevertFlags,
)
from virloom.errors import (
    ConfigUnsupported,
    OperationFailed,
    OperationInvalid,
    SnapshotRevertRisky,
    VirloomError,
)
from virloom.testing.documents import paused_guest_xml

SIZE = 1 << 18
_Create = DomainSnapshotCreateFlags
_Delete = DomainSnapshotDeleteFlags
PAUSED = DomainCreateFlags.START_PAUSED


def image(path: Path, form: str = "qcow2") -> Path:
    subprocess.run(["qemu-img", "create", "-q", "-f", form, path, str(SIZE)], check=True)
    return path


def write(path: str | Path, value: int) -> None:
    """As a guest that is shut off would have written."""
    order = f"write -P {value} 0 {SIZE}"
    subprocess.run(
        ["qemu-io", "-f", "qcow2", "-c", order, "-c", "flush", str(path)],
        check=True, stdout=subprocess.DEVNULL,
    )  # fmt: skip


async def write_live(dom: Domain, value: int) -> None:
    for order in (f"write -P {value} 0 {SIZE}", "flush"):
        said = await dom.monitor_command(f'qemu-io -d virtio-disk0 "{order}"', hmp=True)
        assert "error" not in said.lower(), said


def document(*disks: Path) -> str:
    elements = "".join(
        f"<disk type='file' device='disk'><driver name='qemu' type='{disk.suffix[1:]}'/>"
        f"<source file='{disk}'/><target dev='vd{'ab'[number]}' bus='virtio'/></disk>"
        for number, disk in enumerate(disks)
    )
    return paused_guest_xml("web", machine="microvm", extra_devices=elements)


async def define(conn: Connection, *disks: Path) -> Domain:
    return await conn.define_xml(document(*disks))


async def make(dom: Domain, name: str, flags: int = 0, more: str = "") -> Snapshot:
    text = f"<domainsnapshot><name>{name}</name>{more}</domainsnapshot>"
    return await dom.snapshots.create(text, flags)


async def top(dom: Domain) -> Path:
    """The image that the first disk writes to."""
    text = await dom.xml_desc()
    return Path(text.partition("<source file='")[2].partition("'")[0])


def memory(path: Path) -> str:
    return f"<memory snapshot='external' file='{path}'/>"


def filled(value: int) -> bytes:
    return bytes([value]) * SIZE


async def test_a_tree_outlives_the_driver(root: Path, tmp_path: Path) -> None:
    disk = image(tmp_path / "a.qcow2")
    async with virloom.open(embedded(root)) as conn:
        dom = await define(conn, disk)
        for name in "ab":
            await make(dom, name, more=f"<description>{name}<![CDATA[<]]></description>")
        await (await dom.snapshots.lookup("a")).revert()
        await make(dom, "c")
        before = [await one.xml_desc() for one in await dom.snapshots.list()]
    async with virloom.open(embedded(root)) as conn:
        dom = await conn.lookup_by_name("web")
        listed = await dom.snapshots.list()
        assert [await one.xml_desc() for one in listed] == before
        assert (await dom.snapshots.current()).name == "c"
        assert {(await one.parent()).name for one in listed if one.name in "bc"} == {"a"}
        with pytest.raises(OperationInvalid, match="with 3 snapshots"):
            await dom.undefine()
        await dom.rename("other")
        assert len(await dom.snapshots.list()) == 3
        await dom.undefine(DomainUndefineFlagsValues.SNAPSHOTS_METADATA)
    assert not list((root / "lib/qemu/snapshot").iterdir())


async def test_what_libvirt_wrote_is_read(root: Path, tmp_path: Path) -> None:
    """The file of another owner: its header, the current mark, a cookie, and one that is broken."""
    disk = image(tmp_path / "a.qcow2")
    async with virloom.open(embedded(root)) as conn:
        dom = await define(conn, disk)
        one = await make(dom, "a")
        text = await one.xml_desc()
        await one.delete(_Delete.METADATA_ONLY)
    directory = root / "lib/qemu/snapshot/web"
    cookie = "  <cookie>\n    <slirpHelper/>\n  </cookie>\n"
    end = f"{cookie}  <active>1</active>\n</domainsnapshot>\n"
    theirs = "<!--\nWARNING: generated\n-->\n\n" + text.replace("</domainsnapshot>\n", end)
    (directory / "a.xml").write_text(theirs)
    (directory / "broken.xml").write_text("<domainsnapshot>")
    async with virloom.open(embedded(root)) as conn:
        dom = await conn.lookup_by_name("web")
        assert (await dom.snapshots.current()).name == "a"
        assert await (await dom.snapshots.lookup("a")).xml_desc() == text.replace(
            "</domainsnapshot>\n", f"{cookie}</domainsnapshot>\n"
        )
        await (await dom.snapshots.lookup("a")).revert()


async def test_external_ones_are_merged_and_gone_back_to(
    conn: Connection, tmp_path: Path, lifecycle: Lifecycle
) -> None:
    disk = image(tmp_path / "a.qcow2")
    dom = await define(conn, disk)
    write(disk, 1)
    for value, name in enumerate("abc", 2):
        await make(dom, name, _Create.DISK_ONLY)
        write(await top(dom), value)
    await (await dom.snapshots.lookup("b")).delete()  # an inner one
    assert content(str(await top(dom))) == filled(4)
    assert not (tmp_path / "a.b").exists()
    c = await dom.snapshots.lookup("c")
    assert f"<source file='{tmp_path}/a.a'/>" in await c.xml_desc()
    assert content(str(tmp_path / "a.a")) == filled(3)
    await c.revert()
    assert content(str(await top(dom))) == filled(3)
    assert content(str(tmp_path / "a.c")) == filled(4)  # what was left is not touched
    await (await dom.snapshots.lookup("a")).revert(DomainSnapshotRevertFlags.PAUSED)
    assert (await dom.state()).state == DomainState.PAUSED
    assert content(str(await top(dom))) == filled(1)
    with pytest.raises(OperationInvalid, match="cannot be changed: it is behind"):
        await (await dom.snapshots.lookup("a")).delete()
    with pytest.raises(OperationInvalid, match="is not based on"):
        await c.delete()
    await c.delete(_Delete.METADATA_ONLY)
    await write_live(dom, 9)
    seen = await lifecycle.until(DomainEventType.SUSPENDED)
    assert seen[-2:] == ["STARTED FROM_SNAPSHOT", "SUSPENDED FROM_SNAPSHOT"]


async def test_one_is_merged_after_another_start(conn: Connection, tmp_path: Path) -> None:
    """The persistent document tells the chain then, and the running one numbers it."""
    disk = image(tmp_path / "a.qcow2")
    dom = await define(conn, disk)
    await dom.create(PAUSED)
    for value, name in enumerate(("one", "two"), 1):
        await write_live(dom, value)
        await make(dom, name, _Create.DISK_ONLY)
    await dom.destroy()
    await dom.create(PAUSED)
    stores = re.findall("<backingStore[^>]*>", await dom.xml_desc())
    assert stores == [f"<backingStore type='file' index='{number}'>" for number in (2, 3)] + [
        "<backingStore/>"
    ]
    await write_live(dom, 3)
    for name, left in (("two", tmp_path / "a.one"), ("one", disk)):
        await (await dom.snapshots.lookup(name)).delete()
        assert await top(dom) == left
        assert content(str(left)) == filled(3)


async def test_a_memory_is_gone_back_to(conn: Connection, tmp_path: Path) -> None:
    dom = await define(conn, image(tmp_path / "a.qcow2"))
    await dom.create(PAUSED)
    await write_live(dom, 1)
    one = await make(dom, "m", more=memory(tmp_path / "m.mem"))
    await write_live(dom, 2)
    with pytest.raises(ConfigUnsupported, match="has the memory of snapshot 'm'"):
        await make(dom, "n", more=memory(tmp_path / "m.mem"))
    await one.revert(DomainSnapshotRevertFlags.RUNNING)
    assert (await dom.state()).state == DomainState.RUNNING
    assert content(str(await top(dom))) == filled(1)
    await dom.destroy()
    await one.revert()
    assert (await dom.state()).state == DomainState.PAUSED
    external = await dom.snapshots.list(DomainSnapshotListFlags.EXTERNAL)
    assert [found.name for found in external] == ["m"]
    await one.delete()
    assert not (tmp_path / "m.mem").exists()
    assert content(str(await top(dom))) == filled(1)
    assert await top(dom) == tmp_path / "a.qcow2"


async def test_what_others_read_is_not_changed(conn: Connection, tmp_path: Path) -> None:
    disk = image(tmp_path / "a.qcow2")
    dom = await define(conn, disk)
    write(disk, 1)
    inner = await make(dom, "i")
    write(disk, 2)
    await make(dom, "e", _Create.DISK_ONLY)
    with pytest.raises(OperationInvalid, match="cannot be changed: it is behind"):
        await inner.revert()
    await make(dom, "j")  # within the overlay, which a merge would remove
    with pytest.raises(OperationInvalid, match="has internal snapshots"):
        await (await dom.snapshots.lookup("e")).delete()
    await (await dom.snapshots.lookup("j")).delete()
    await inner.delete()
    await (await dom.snapshots.lookup("e")).delete()
    assert content(str(disk)) == filled(2)


async def test_a_merge_that_fails_halfway_is_completed(conn: Connection, tmp_path: Path) -> None:
    disks = [image(tmp_path / "a.qcow2"), image(tmp_path / "b.qcow2")]
    dom = await define(conn, *disks)
    one = await make(dom, "one", _Create.DISK_ONLY)
    write(tmp_path / "a.one", 1)
    write(tmp_path / "b.one", 2)

    def fail(step: str) -> None:
        if step == "snapshot-disk-merged":
            raise OperationFailed("as ordered")

    with observed(fail), pytest.raises(OperationFailed, match="as ordered"):
        await one.delete()
    with pytest.raises(OperationInvalid, match="has failed halfway"):
        await make(dom, "two")
    await one.delete()
    assert content(str(disks[0])) == filled(1)
    assert content(str(disks[1])) == filled(2)
    assert await dom.snapshots.list() == []
    await make(dom, "two")


async def test_a_snapshot_that_fails_leaves_the_guest(conn: Connection, tmp_path: Path) -> None:
    dom = await conn.create_xml(document(image(tmp_path / "a.qcow2"), image(tmp_path / "b.qcow2")))
    before, left = await dom.xml_desc(), 0

    def fail(step: str) -> None:
        nonlocal left
        left -= 1
        if not left:
            raise OperationFailed("as ordered")

    for number in range(1, 12):  # up to where the guest changes over
        left = number
        with observed(fail), pytest.raises(OperationFailed, match="as ordered"):
            await make(dom, "one", more=memory(tmp_path / "m"))
        assert (await dom.state()).state == DomainState.RUNNING
        assert await dom.xml_desc() == before
        assert {path.name for path in tmp_path.iterdir()} == {"a.qcow2", "b.qcow2", "root"}
    left = 0
    await make(dom, "one", more=memory(tmp_path / "m"))


async def test_a_guest_is_destroyed_meanwhile(root: Path, tmp_path: Path) -> None:
    async with virloom.open(embedded(root)) as conn:
        for number, step in enumerate(
            ("snapshot-live-making", "snapshot-memory-begun", "snapshot-switched")
        ):
            disk = image(tmp_path / f"{number}.qcow2")
            dom = await define(conn, disk)
            await dom.create(PAUSED)
            ending: list[asyncio.Task[None]] = []

            def destroy(
                reached: str, step: str = step, dom: Domain = dom, ending: Any = ending
            ) -> None:
                if reached == step:
                    ending.append(asyncio.ensure_future(dom.destroy()))

            with observed(destroy), contextlib.suppress(VirloomError):
                await make(dom, "one", more=memory(tmp_path / f"{number}.mem"))
            await asyncio.gather(*ending)
            made = [one.name for one in await dom.snapshots.list()]
            assert (await top(dom) == disk) == (made == [])
            assert made == (["one"] if step == "snapshot-switched" else [])
            assert not list((root / "lib/qemu/snapshot-work").glob("*"))
            await dom.undefine(DomainUndefineFlagsValues.SNAPSHOTS_METADATA)


async def test_refusals(conn: Connection, tmp_path: Path) -> None:
    disk = image(tmp_path / "a.qcow2")
    dom = await define(conn, disk)
    await make(dom, "known", _Create.NO_METADATA)
    assert await dom.snapshots.list() == []
    with pytest.raises(OperationFailed, match="of which the domain does not know"):
        await make(dom, "known")
    (tmp_path / "a.taken").write_text("something")
    with pytest.raises(ConfigUnsupported, match="already exists"):
        await make(dom, "taken", _Create.DISK_ONLY)
    assert (tmp_path / "a.taken").read_text() == "something"
    one = await make(dom, "one")
    await dom.create(PAUSED)
    await dom.saving.managed_save()
    with pytest.raises(SnapshotRevertRisky, match="managed saved state"):
        await one.revert()
    await one.revert(DomainSnapshotRevertFlags.FORCE)
    assert not await dom.saving.has_managed_save()


async def test_a_transient_domain_takes_its_tree_along(conn: Connection, tmp_path: Path) -> None:
    dom = await conn.create_xml(document(image(tmp_path / "a.qcow2")), PAUSED)
    one = await make(dom, "one")
    await write_live(dom, 1)
    await one.revert()
    assert content(str(tmp_path / "a.qcow2")) == bytes(SIZE)
    assert await dom.is_active()
    await dom.destroy()
    assert not (tmp_path / "root/lib/qemu/snapshot/web").exists()


# Kills

Work = Callable[[Domain], Awaitable[Any]]


async def _create_within(dom: Domain) -> None:
    await make(dom, "new")


async def _create_overlay(dom: Domain) -> None:
    await make(dom, "new", _Create.DISK_ONLY)


async def _revert(dom: Domain) -> None:
    await (await dom.snapshots.lookup("s")).revert()


async def _delete(dom: Domain) -> None:
    await (await dom.snapshots.lookup("s")).delete()


#: The work, whether the guest runs, and of which kind the snapshot is that there is already.
WORKS: dict[str, tuple[Work, bool, str]] = {
    "within": (_create_within, False, ""),
    "overlay": (_create_overlay, False, ""),
    "state": (_create_within, True, ""),
    "live": (_create_overlay, True, ""),
    "revert": (_revert, False, "internal"),
    "revert-state": (_revert, True, "internal"),
    "revert-external": (_revert, False, "external"),
    "delete": (_delete, False, "internal"),
    "delete-state": (_delete, True, "internal"),
    "merge": (_delete, False, "external"),
    "merge-live": (_delete, True, "external"),
}


async def _prepare(root: Path, disks: list[Path], running: bool) -> None:
    write(disks[0], 1)
    async with virloom.open(embedded(root)) as conn:
        dom = await define(conn, *disks)
        if running:
            await dom.create(PAUSED)


async def _reset(dom: Domain, kind: str) -> None:
    """Before each kill: the guest has 1, or a snapshot has that and the guest 2."""
    names = [one.name for one in await dom.snapshots.list()]
    if not kind:
        if "new" in names:
            await (await dom.snapshots.lookup("new")).delete()
        return
    if "s" not in names:
        await _write(dom, 1)
        await make(dom, "s", _Create.DISK_ONLY if kind == "external" else 0)
    await _write(dom, 2)


async def _write(dom: Domain, value: int) -> None:
    if await dom.is_active():
        await write_live(dom, value)
    else:
        write(await top(dom), value)


def _fork(root: Path, work: Work, number: int) -> int:
    """Does the work in a process that is killed at its step of that number; how it ended."""
    pid = os.fork()
    if pid:
        status = os.waitpid(pid, 0)[1]
        with contextlib.suppress(ChildProcessError):  # guests of ours that it has ended
            while os.waitpid(-1, os.WNOHANG)[0]:
                pass
        return status
    left = number

    def count(step: str) -> None:
        nonlocal left
        left -= step.startswith("snapshot-")  # others have kills of their own
        if left == 0:
            os.kill(os.getpid(), signal.SIGKILL)

    async def main() -> None:
        async with virloom.open(embedded(root)) as conn:
            dom = await conn.lookup_by_name("web")
            with observed(count):
                await work(dom)

    code = 1
    try:
        asyncio.run(main())
        code = 0
    except VirloomError as error:
        print(error)
    finally:
        os._exit(code)


async def _look(dom: Domain, kind: str, name: str) -> bool:
    """All has what it had, in one of two ways; whether the work is done."""
    with contextlib.suppress(OperationInvalid):  # which waits for whatever goes on
        await dom.rename("web")
    names = [one.name for one in await dom.snapshots.list()]
    seen = content(str(await top(dom)))
    if not kind:
        assert seen == filled(1)
        return "new" in names
    if name.startswith("revert"):
        assert seen in (filled(1), filled(2))
        assert names == ["s"]
        return seen == filled(1)
    assert seen == filled(2)
    if "s" in names and kind == "internal":
        assert content(str(await top(dom)), "s") == filled(1)
    return "s" not in names


async def _after(root: Path, kind: str, name: str) -> bool:
    """How it ended, and all is as before it."""
    async with virloom.open(embedded(root)) as conn:
        dom = await conn.lookup_by_name("web")
        done = await _look(dom, kind, name)
        assert not list((root / "lib/qemu/snapshot-work").glob("*"))
        await _reset(dom, kind)
        return done


async def _before(root: Path, kind: str) -> None:
    async with virloom.open(embedded(root)) as conn:
        await _reset(await conn.lookup_by_name("web"), kind)


@pytest.mark.parametrize("name", WORKS)
def test_a_killed_owner_has_done_it_or_not(name: str, root: Path, tmp_path: Path) -> None:
    """At each of its steps, one after the other, until the work is done before the kill."""
    work, running, kind = WORKS[name]
    ends = set()
    disks = [image(tmp_path / "a.qcow2"), image(tmp_path / "b.qcow2")]
    asyncio.run(_prepare(root, disks, running))
    asyncio.run(_before(root, kind))
    for number in range(1, 60):
        status = _fork(root, work, number)
        assert os.WIFSIGNALED(status) or os.WEXITSTATUS(status) == 0, (name, number)
        ends.add(asyncio.run(_after(root, kind, name)))
        if not os.WIFSIGNALED(status):
            break
    asyncio.run(_end(root))
    for path in tmp_path.glob("*.*"):
        assert path.stat().st_uid == os.geteuid(), path
        assert not any(name.startswith("trusted.") for name in os.listxattr(path)), path
    assert True in ends
    assert number > 2, "there were steps to be killed at"


async def _end(root: Path) -> None:
    async with virloom.open(embedded(root)) as conn:
        await end_all(conn)
