# SPDX-License-Identifier: Apache-2.0
"""What a guest's images and memory hold, and marks that tell of a write beyond them."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from tests.system.backing import PART, disk, guest_with, image, write
from virloom.client.connection import Connection
from virloom.client.domain.events import BlockThresholdEvent
from virloom.enums.domain import DomainCreateFlags, DomainMemoryFlags
from virloom.errors import InternalError, InvalidArg, OperationInvalid, OperationUnsupported, Rpc
from virloom.testing.documents import paused_guest_xml

_PHYSICAL = DomainMemoryFlags.PHYSICAL


async def test_images(conn: Connection, tmp_path: Path) -> None:
    raw = image(tmp_path / "a.raw", form="raw")
    disks = disk(raw, "vda", "raw") + disk(image(tmp_path / "b.qcow2"), "vdb")
    disks += "<disk type='file' device='cdrom'><target dev='sda' bus='sata'/></disk>"
    dom = await conn.define_xml(paused_guest_xml("web", extra_devices=disks))
    await dom.create(DomainCreateFlags.START_PAUSED)
    await write(dom, 0, 6, part=1)
    assert await dom.block.peek("vda", PART - 2, 4) == b"\0\0\6\6"
    assert await dom.block.peek(str(raw), PART, 2) == b"\6\6"
    for name in ("vdb", "sda"):
        with pytest.raises(OperationUnsupported):
            await dom.block.peek(name, 0, 4)
    for name, offset in (("vdx", 0), ("vda", 1 << 40), ("vda", (1 << 64) - 1)):
        with pytest.raises(InvalidArg):
            await dom.block.peek(name, offset, 4)
    with pytest.raises(Rpc):
        await dom.block.peek("vda", 0, (4 << 20) + 1)
    with pytest.raises(InternalError, match="no medium"):
        await dom.block.set_threshold("sda", 4096)
    await dom.destroy()
    assert await dom.block.peek("vda", PART, 2) == b"\6\6"
    cluster = (
        "<disk type='network'><source protocol='rbd' name='p/i'/>"
        "<target dev='vdc' bus='virtio'/></disk>"
    )
    other = await conn.define_xml(paused_guest_xml("other", extra_devices=cluster))
    with pytest.raises(InternalError, match="protocol rbd"):
        await other.block.peek("vdc", 0, 4)


async def test_memory(conn: Connection, tmp_path: Path) -> None:
    dom = await guest_with(conn, tmp_path, "vda")
    # A PC starts with a far jump at the end of its firmware, which is both below 1 MiB and 4 GiB.
    assert (await dom.memory.peek(0xFFFF0, 1, _PHYSICAL)) == b"\xea"
    assert await dom.memory.peek(0xFFFF0, 16) == await dom.memory.peek(0xFFFF0, 16, _PHYSICAL)
    assert len(await dom.memory.peek(0, 4 << 20, _PHYSICAL)) == 4 << 20
    with pytest.raises(InvalidArg):
        await dom.memory.peek(0, 1, 0)
    with pytest.raises(Rpc):
        await dom.memory.peek(0, (4 << 20) + 1, _PHYSICAL)
    await dom.destroy()
    with pytest.raises(OperationInvalid):
        await dom.memory.peek(0, 1, _PHYSICAL)


async def test_thresholds(conn: Connection, tmp_path: Path) -> None:
    dom = await guest_with(conn, tmp_path, "vda")
    async with conn.events(BlockThresholdEvent) as events:

        async def told(device: str, count: int) -> list[str]:
            await dom.block.set_threshold(device, 10 * PART)
            await write(dom, 0, 1, part=10, parts=20)
            async with asyncio.timeout(5):
                seen = [await anext(events) for _ in range(count)]
            assert {(one.path, one.threshold) for one in seen} == {
                (str(tmp_path / "vda.qcow2"), 10 * PART)
            }
            assert all(one.excess > 0 for one in seen)
            return [one.dev for one in seen]

        assert await told("vda", 2) == ["vda", "vda[1]"]
        assert await told("vda[1]", 1) == ["vda[1]"]
    for name in ("vda[9]", "vdb", "vda[x]", ""):
        with pytest.raises(InvalidArg):
            await dom.block.set_threshold(name, 1)
    await dom.destroy()
