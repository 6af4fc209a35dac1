# SPDX-License-Identifier: Apache-2.0
"""Checkpoints of guests: their bitmaps, their files, and owners that are killed in between."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

import virloom
from tests.system.backing import PART, bitmaps, checkpoint_xml, die_at, guest_with, write
from tests.system.conftest import embedded, end_all
from virloom.client.connection import Connection
from virloom.client.domain.domain import Domain
from virloom.drivers.qemu.process.steps import CHECKPOINT_STEPS, DISCARD_STEPS
from virloom.enums.checkpoint import (
    DomainCheckpointCreateFlags,
    DomainCheckpointDeleteFlags,
    DomainCheckpointXMLFlags,
)
from virloom.enums.domain import DomainUndefineFlagsValues
from virloom.enums.snapshot import DomainSnapshotCreateFlags
from virloom.errors import (
    CheckpointInconsistent,
    NoDomainCheckpoint,
    OperationFailed,
    OperationInvalid,
    OperationUnsupported,
)
from virloom.model import Checkpoint
from virloom.xml import parse_document

_XML = DomainCheckpointXMLFlags
_Delete = DomainCheckpointDeleteFlags
_Create = DomainCheckpointCreateFlags


async def tree(dom: Domain) -> dict[str, str | None]:
    """Every checkpoint and its parent."""
    found = {}
    for one in await dom.checkpoints.list():
        model = parse_document(Checkpoint, await one.xml_desc(_XML.NO_DOMAIN))
        found[one.name] = model.parent.name if model.parent is not None else None
    return found


async def sizes(dom: Domain, name: str) -> dict[str, int | None]:
    """The bytes of each disk that changed since a checkpoint."""
    text = await (await dom.checkpoints.lookup(name)).xml_desc(_XML.SIZE | _XML.NO_DOMAIN)
    return {
        disk.name or "": disk.size
        for disk in parse_document(Checkpoint, text).disks.disks
        if disk.checkpoint == "bitmap"
    }


async def test_each_counts_on_its_own(conn: Connection, root: Path, tmp_path: Path) -> None:
    dom = await guest_with(conn, tmp_path, "vda", "vdb")
    for number, name in enumerate(("a", "b", "c")):
        await dom.checkpoints.create(checkpoint_xml(name))
        await write(dom, 0, 1, part=number)
    assert await tree(dom) == {"a": None, "b": "a", "c": "b"}
    below = await (await dom.checkpoints.lookup("a")).children()
    assert [one.name for one in below] == ["b"]
    assert await sizes(dom, "a") == {"vda": 3 * PART, "vdb": 0}
    assert await sizes(dom, "c") == {"vda": PART, "vdb": 0}
    with pytest.raises(OperationFailed, match="already exists"):
        await dom.checkpoints.create(checkpoint_xml("a"))
    await (await dom.checkpoints.lookup("b")).delete()
    assert await tree(dom) == {"a": None, "c": "a"}
    assert await sizes(dom, "a") == {"vda": 3 * PART, "vdb": 0}
    assert set(map(tuple, (await bitmaps(dom)).values())) == {("a", "c")}
    places = sorted(path.name for path in (root / "lib/qemu/checkpoint/chk").iterdir())
    assert places == ["a.xml", "c.xml"]
    # They are in the images: another run of the guest goes on with them.
    await dom.destroy()
    with pytest.raises(OperationUnsupported):
        await dom.checkpoints.create(checkpoint_xml("d"))
    await dom.create(1)
    assert await sizes(dom, "a") == {"vda": 3 * PART, "vdb": 0}
    await (await dom.checkpoints.lookup("a")).delete(_Delete.CHILDREN)
    assert await tree(dom) == {}
    assert await bitmaps(dom) == {}


async def test_one_is_described_again(conn: Connection, tmp_path: Path) -> None:
    dom = await guest_with(conn, tmp_path, "vda")
    made = await dom.checkpoints.create(checkpoint_xml("a"))
    text = await made.xml_desc(_XML.SECURE)
    await made.delete(_Delete.METADATA_ONLY)
    with pytest.raises(NoDomainCheckpoint):
        await dom.checkpoints.lookup("a")
    again = _Create.REDEFINE | _Create.REDEFINE_VALIDATE
    with pytest.raises(CheckpointInconsistent):
        await dom.checkpoints.create(text.replace("'a'", "'x'").replace(">a<", ">x<"), again)
    made = await dom.checkpoints.create(text, again)
    assert await made.xml_desc(_XML.SECURE) == text
    await dom.destroy()
    with pytest.raises(OperationInvalid, match="1 checkpoints"):
        await dom.undefine()
    await dom.rename("other")
    dom = await conn.lookup_by_name("other")
    assert await tree(dom) == {"a": None}
    await dom.undefine(DomainUndefineFlagsValues.CHECKPOINTS_METADATA)
    dom = await guest_with(conn, tmp_path, "vdb", name="other")
    assert await tree(dom) == {}


async def test_they_go_on_through_a_snapshot(conn: Connection, tmp_path: Path) -> None:
    """What changed before it is known of the image below, and what changed after it of the new."""
    dom = await guest_with(conn, tmp_path, "vda", "vdb")
    for name in ("a", "b"):
        await dom.checkpoints.create(checkpoint_xml(name))
        await write(dom, 0, 1, part=0, parts=2)
    only = DomainSnapshotCreateFlags.DISK_ONLY
    await dom.snapshots.create("<domainsnapshot><name>s</name></domainsnapshot>", only)
    await dom.checkpoints.create(checkpoint_xml("c"))
    await write(dom, 0, 2, part=1, parts=3)
    assert await sizes(dom, "a") == {"vda": 4 * PART, "vdb": 0}
    assert await sizes(dom, "c") == {"vda": 3 * PART, "vdb": 0}
    assert sorted((await bitmaps(dom)).values()) == [["a", "b"]] * 2 + [["a", "b", "c"]] * 2
    # It goes out of images that are open for reading only, and those are so afterwards.
    await (await dom.checkpoints.lookup("b")).delete()
    assert sorted((await bitmaps(dom)).values()) == [["a"]] * 2 + [["a", "c"]] * 2
    assert await sizes(dom, "a") == {"vda": 4 * PART, "vdb": 0}
    answer = await dom.monitor_command('{"execute":"query-named-block-nodes"}')
    nodes = {node["node-name"]: node["ro"] for node in json.loads(answer)["return"]}
    assert sum(nodes.values()) == 4, nodes
    await (await dom.checkpoints.lookup("a")).delete(_Delete.CHILDREN)
    assert await bitmaps(dom) == {}
    await dom.destroy()


async def test_those_of_a_transient_guest_go_with_it(
    conn: Connection, root: Path, tmp_path: Path
) -> None:
    dom = await guest_with(conn, tmp_path, "vda")
    await dom.undefine()
    await dom.checkpoints.create(checkpoint_xml("a"))
    await dom.destroy()
    assert not (root / "lib/qemu/checkpoint/chk").exists()


async def test_files_of_others_are_taken_as_they_are(root: Path, tmp_path: Path) -> None:
    async with virloom.open(embedded(root)) as conn:
        dom = await guest_with(conn, tmp_path, "vda")
        for name in ("a", "b", "c"):
            await dom.checkpoints.create(checkpoint_xml(name))
    place = root / "lib/qemu/checkpoint/chk"
    (place / "broken.xml").write_text("<domaincheckpoint")
    (place / "b.xml").unlink()  # c has no parent any more
    text = (place / "a.xml").read_text()
    parent = "<parent><name>a</name></parent><creationTime>9000000000<"
    later = re.sub("<creationTime>\\d+<", parent, text.replace(">a<", ">d<", 1))
    (place / "d.xml").write_text(f"<!-- by somebody else -->\n{later}")
    async with virloom.open(embedded(root)) as conn:
        dom = await conn.lookup_by_name("chk")
        assert await tree(dom) == {"a": None, "c": None, "d": "a"}
        await dom.checkpoints.create(checkpoint_xml("e"))
        assert (await tree(dom))["e"] == "d"
        await end_all(conn)


async def test_killed_while_one_is_made(root: Path, tmp_path: Path) -> None:
    async with virloom.open(embedded(root)) as conn:
        await guest_with(conn, tmp_path, "vda", "vdb")
    for step in CHECKPOINT_STEPS:
        await die_at(root, step, "chk", {"checkpoint": checkpoint_xml("a")})
        async with virloom.open(embedded(root)) as conn:
            dom = await conn.lookup_by_name("chk")
            made = step != "checkpoint-noted"
            assert await tree(dom) == ({"a": None} if made else {}), step
            assert list((await bitmaps(dom)).values()) == ([["a"], ["a"]] if made else [])
            await dom.checkpoints.create(checkpoint_xml("b"))
            assert await tree(dom) == ({"a": None, "b": "a"} if made else {"b": None})
            for one in await dom.checkpoints.list():
                await one.delete()
            if step == CHECKPOINT_STEPS[-1]:
                await end_all(conn)


async def test_killed_while_one_is_deleted(root: Path, tmp_path: Path) -> None:
    async with virloom.open(embedded(root)) as conn:
        dom = await guest_with(conn, tmp_path, "vda", "vdb")
        for name in ("a", "b", "c", "d"):
            await dom.checkpoints.create(checkpoint_xml(name))
    left = ["a", "b", "c", "d"]
    for step, name in zip(DISCARD_STEPS, ("b", "c"), strict=True):
        await die_at(root, step, "chk", {"delete": name})
        left.remove(name)
        async with virloom.open(embedded(root)) as conn:
            dom = await conn.lookup_by_name("chk")
            assert list(await tree(dom)) == left, step
            assert (await tree(dom))["d"] == left[-2]
            assert list((await bitmaps(dom)).values()) == [left] * 2
            if name == "c":
                await end_all(conn)


async def test_a_snapshot_needs_a_guest_that_runs(conn: Connection, tmp_path: Path) -> None:
    dom = await guest_with(conn, tmp_path, "vda")
    await dom.checkpoints.create(checkpoint_xml("a"))
    text = "<domainsnapshot><name>{}</name></domainsnapshot>"
    await dom.snapshots.create(text.format("live"))
    await dom.destroy()
    with pytest.raises(OperationUnsupported, match="has checkpoints"):
        await dom.snapshots.create(text.format("off"))
