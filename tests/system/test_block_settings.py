# SPDX-License-Identifier: Apache-2.0
"""Limits and sizes of the disks of a guest that runs."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

import virloom
from tests.system.plugged import PORTS
from tests.system.test_events import Heard
from virloom.client.connection import Connection
from virloom.client.domain.events import TunableEvent
from virloom.enums.domain import DomainBlockResizeFlags, DomainXMLFlags
from virloom.errors import InvalidArg, NumericOverflow
from virloom.procedures.record import typed_value
from virloom.testing.documents import paused_guest_xml

LIVE, CONFIG = 1, 2


def disk(
    path: Path, target: str, *, device: str = "disk", bus: str = "virtio", more: str = ""
) -> str:
    return (
        f"<disk type='file' device='{device}'><driver name='qemu' type='raw'/>"
        f"<source file='{path}'/><target dev='{target}' bus='{bus}'/>{more}</disk>"
    )


async def limits(dom: Any, target: str, flags: int = LIVE) -> dict[str, Any]:
    return {
        name: value for name, value in (await dom.block.io_tune(target, flags)).items() if value
    }


async def test_limits_hold_for_what_comes_later(root: Path, tmp_path: Path) -> None:
    paths = [tmp_path / f"{number}.raw" for number in range(4)]
    for path in paths:
        path.write_bytes(bytes(1 << 20))
    tune = "<iotune><total_iops_sec>70</total_iops_sec></iotune>"
    drive = disk(paths[1], "sda", device="cdrom", bus="sata", more=tune)
    empty = "<disk type='file' device='cdrom'><target dev='sda' bus='sata'/></disk>"
    uri = f"qemu:///embed?root={root}"
    async with virloom.open(uri) as conn, Heard(conn) as heard:
        document = paused_guest_xml("web", extra_devices=PORTS + disk(paths[0], "vda") + drive)
        dom = await conn.define_xml(document)
        await dom.create(1)
        # Both at once, and of a group that a plugged disk joins.
        both = {"read_bytes_sec": 5000, "group_name": "all"}
        await dom.block.set_io_tune("vda", both, LIVE | CONFIG)
        event = await heard.until(TunableEvent)
        assert event.params["blkdeviotune.disk"] == "vda"
        assert await limits(dom, "vda", CONFIG) == both == await limits(dom, "vda")
        member = (
            "<iotune><read_bytes_sec>5000</read_bytes_sec><group_name>all</group_name></iotune>"
        )
        await dom.devices.attach(disk(paths[2], "vdb", more=member), LIVE)
        await dom.block.set_io_tune("vda", {"write_bytes_sec": 9}, LIVE)
        assert (await limits(dom, "vdb"))["write_bytes_sec"] == 9
        # Of a drive, whatever is in it.
        assert (await limits(dom, "sda"))["total_iops_sec"] == 70
        await dom.devices.update(empty, LIVE)
        await dom.block.set_io_tune("sda", {"total_iops_sec": typed_value("ullong", 80)}, LIVE)
        await dom.devices.update(disk(paths[3], "sda", device="cdrom", bus="sata"), LIVE)
        assert (await limits(dom, "sda"))["total_iops_sec"] == 80
    async with virloom.open(uri) as conn:  # the next owner knows
        dom = await conn.lookup_by_name("web")
        assert "<write_bytes_sec>9</write_bytes_sec>" in await dom.xml_desc()
        assert "<write_bytes_sec>9" not in await dom.xml_desc(DomainXMLFlags.INACTIVE)
        await dom.destroy()


async def test_sizes_that_make_no_sense(conn: Connection, paused: Any, tmp_path: Path) -> None:
    image = tmp_path / "a.raw"
    image.write_bytes(bytes(1 << 20))
    dom = await paused("web", extra_devices=disk(image, "vda"))
    with pytest.raises(NumericOverflow):
        await dom.block.resize("vda", 1 << 60, 0)
    with pytest.raises(InvalidArg, match="block device"):
        await dom.block.resize("vda", 0, DomainBlockResizeFlags.CAPACITY)
    with pytest.raises(InvalidArg):
        await dom.block.resize("vda", 0, DomainBlockResizeFlags.EXTEND)
    await dom.block.resize("vda", 3 << 20)
    assert image.stat().st_size == 3 << 20
