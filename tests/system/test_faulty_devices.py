# SPDX-License-Identifier: Apache-2.0
"""Devices of a QEMU that answers late, never or wrongly, at each step."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import suppress
from pathlib import Path

import pytest

from tests.fakes.faulty_monitor import (
    Fault,
    FaultyMonitor,
    answers,
    faulty,
    garbles,
    hangs_up,
    late,
    never,
    refuses,
)
from tests.fakes.impatient import impatient
from tests.system.test_events import Heard
from virloom.client.connection import Connection
from virloom.client.domain.domain import Domain
from virloom.client.domain.events import DeviceRemovalFailedEvent, DeviceRemovedEvent
from virloom.drivers.qemu.patience import Patience
from virloom.enums.domain import DomainXMLFlags
from virloom.errors import (
    InternalError,
    InvalidConn,
    NoDomain,
    OperationFailed,
    OperationInvalid,
    OperationTimeout,
    VirloomError,
)
from virloom.procedures.record import typed_value
from virloom.testing.documents import paused_guest_xml

LIVE = 1
LIMITS = Patience(job=1.0, answer=0.4, greeting=30.0, reunion=5.0, unplug=1.0)
DISPLAY = "<graphics type='vnc' port='-1' listen='127.0.0.1' passwd='{}'/>"
DEVICES = (
    f"{DISPLAY.format('one')}<video><model type='vga'/></video>"
    "<controller type='pci' index='0' model='pcie-root'/>"
    "<controller type='pci' index='1' model='pcie-root-port'/>"
    "<controller type='pci' index='2' model='pcie-root-port'/>"
    "<controller type='usb' model='qemu-xhci'/>"
    "<disk type='file' device='cdrom'><target dev='sdb' bus='sata'/></disk>"
    "<interface type='user'><mac address='52:54:00:00:00:02'/><model type='virtio'/></interface>"
)


class Place:
    """A guest, and the monitor between it and its driver."""

    def __init__(self, conn: Connection, dom: Domain, monitor: FaultyMonitor, disk: str) -> None:
        self.conn = conn
        self.dom = dom
        self.monitor = monitor
        self.disk = disk

    async def nodes(self) -> str:
        return str(await self.dom.monitor_command('{"execute":"query-named-block-nodes"}'))


@pytest.fixture
async def place(root: Path, tmp_path: Path) -> AsyncIterator[Place]:
    image = tmp_path / "a.raw"
    image.write_bytes(bytes(1 << 20))
    disk = (
        f"<disk type='file' device='disk'><driver name='qemu' type='raw'/><source file='{image}'/>"
        "<target dev='sda' bus='usb'/></disk>"
    )
    with faulty(root) as monitor:
        async with impatient(root, LIMITS) as conn:
            dom = await conn.create_xml(paused_guest_xml("web", extra_devices=DEVICES), 1)
            found = Place(conn, dom, monitor, disk)
            yield found
            with suppress(OperationInvalid, NoDomain, OperationFailed, InvalidConn):
                await found.dom.destroy()


STEPS = ("add-fd", "blockdev-add", "device_add")


async def test_a_step_that_is_refused_or_not_answered_is_taken_back(place: Place) -> None:
    before = await place.dom.xml_desc()
    faults: list[tuple[Fault, type[VirloomError]]] = [
        (refuses(times=1), InternalError),
        (never(times=1), OperationTimeout),
    ]
    for step in STEPS:
        for fault, error in faults:
            place.monitor.on(step, fault)
            with pytest.raises(error):
                await place.dom.devices.attach(place.disk, LIVE)
            assert await place.dom.xml_desc() == before, (step, fault)
            assert "libvirt-" not in await place.nodes(), (step, fault)
    for step in STEPS[:-1]:  # QEMU has done it, and all that follows, and did not say so
        place.monitor.on(step, never(reaches=True, times=1))
        await place.dom.devices.attach(place.disk, LIVE)
        await place.dom.devices.detach(place.disk, LIVE)
        assert "libvirt-" not in await place.nodes(), step
    await place.dom.devices.attach(place.disk, LIVE)
    assert "dev='sda'" in await place.dom.xml_desc()


@pytest.mark.parametrize("fault", [never(reaches=True, times=1), late(0.6, times=1)])
async def test_a_device_that_is_there_all_the_same_is_taken_in(place: Place, fault: Fault) -> None:
    place.monitor.on("device_add", fault)
    await place.dom.devices.attach(place.disk, LIVE)
    assert "dev='sda'" in await place.dom.xml_desc()
    await place.dom.devices.detach(place.disk, LIVE)
    assert "libvirt-" not in await place.nodes()


async def test_what_nobody_could_find_out_is_found_out_later(place: Place) -> None:
    place.monitor.on("device_add", never(reaches=True, times=1))
    place.monitor.on("qom-list", never(times=1))
    with pytest.raises(OperationTimeout):
        await place.dom.devices.attach(place.disk, LIVE)
    assert "dev='sda'" not in await place.dom.xml_desc()
    await place.dom.devices.detach(place.disk, LIVE)  # looks first
    assert "libvirt-" not in await place.nodes()


@pytest.mark.parametrize("reaches", [True, False])
async def test_a_monitor_that_breaks_off_leaves_it_to_the_next_owner(
    place: Place, root: Path, reaches: bool
) -> None:
    place.monitor.on("device_add", hangs_up(reaches=reaches, times=1))
    with pytest.raises(OperationFailed):
        await place.dom.devices.attach(place.disk, LIVE)
    await place.conn.close()
    async with impatient(root, Patience()) as conn:
        dom = await conn.lookup_by_name("web")
        assert ("dev='sda'" in await dom.xml_desc()) is reaches
        nodes = await dom.monitor_command('{"execute":"query-named-block-nodes"}')
        assert ("libvirt-" in nodes) is reaches
        await dom.destroy()


@pytest.mark.parametrize("line", [b"}{", b'{"return": {}, "id": 7777}', b"\xff" * 40])
async def test_a_qemu_that_talks_nonsense_is_cut_off(place: Place, line: bytes) -> None:
    place.monitor.on("blockdev-add", garbles(line))
    async with asyncio.timeout(5):
        with pytest.raises(OperationFailed):
            await place.dom.devices.attach(place.disk, LIVE)


async def test_a_guest_that_refuses_keeps_its_device(place: Place) -> None:
    card = "<interface type='user'><mac address='52:54:00:00:00:02'/></interface>"
    place.monitor.on("device_del", answers({}))  # nothing happens
    async with Heard(place.conn) as heard:
        asking = asyncio.ensure_future(place.dom.devices.detach(card, LIVE))
        while "device_del" not in place.monitor.commands:
            await asyncio.sleep(0.01)
        place.monitor.event("DEVICE_UNPLUG_GUEST_ERROR", {"device": "net0", "path": "/x"})
        await heard.until(DeviceRemovalFailedEvent, dev_alias="net0")
        with pytest.raises(OperationFailed):
            await asking
    assert "net0" in await place.dom.xml_desc()


async def test_a_removal_that_is_not_answered_is_pending(place: Place) -> None:
    place.monitor.on("device_del", never(times=1))
    await place.dom.devices.attach(place.disk, LIVE)
    with pytest.raises(OperationTimeout):
        await place.dom.devices.detach(place.disk, LIVE)
    assert "dev='sda'" in await place.dom.xml_desc()
    async with Heard(place.conn) as heard:
        await place.dom.devices.detach(place.disk, LIVE)
        await heard.until(DeviceRemovedEvent, dev_alias="usb-disk0")


async def test_back_ends_that_do_not_go_do_not_keep_the_device(place: Place) -> None:
    await place.dom.devices.attach(place.disk, LIVE)
    place.monitor.on("blockdev-del", refuses("it is in use"))
    place.monitor.on("remove-fd", never(times=1))
    await place.dom.devices.detach(place.disk, LIVE)
    assert "dev='sda'" not in await place.dom.xml_desc()
    place.monitor.on("blockdev-del", None)
    await place.dom.devices.attach(place.disk, LIVE)  # under names of its own
    await place.dom.devices.detach(place.disk, LIVE)


async def test_a_medium_whose_change_is_not_answered_is_the_one_or_the_other(
    place: Place, tmp_path: Path
) -> None:
    for step in ("blockdev-open-tray", "blockdev-insert-medium", "blockdev-close-tray"):
        image = tmp_path / f"{step}.iso"
        image.write_bytes(bytes(1 << 16))
        drive = (
            f"<disk type='file' device='cdrom'><source file='{image}'/>"
            "<target dev='sdb' bus='sata'/></disk>"
        )
        place.monitor.on(step, never(reaches=True, times=1))
        with pytest.raises(OperationTimeout):
            await place.dom.devices.update(drive, LIVE)
        await place.dom.devices.update(drive, LIVE)  # looks first
        assert f"{step}.iso" in await place.dom.xml_desc()
        assert (await place.nodes()).count('-format"') == 1
        place.monitor.on(step, refuses(times=1))
        other = tmp_path / "other.iso"
        other.write_bytes(bytes(1 << 16))
        with pytest.raises(InternalError):
            await place.dom.devices.update(drive.replace(f"{step}.iso", "other.iso"), LIVE)
        assert f"{step}.iso" in await place.dom.xml_desc()


async def test_settings_that_are_refused_are_not_noted(place: Place) -> None:
    await place.dom.devices.attach(place.disk, LIVE)
    before = await place.dom.xml_desc(DomainXMLFlags.SECURE)
    card = (
        "<interface type='user'><mac address='52:54:00:00:00:02'/><link state='down'/>"
        "<model type='virtio'/></interface>"
    )
    rate = {"total_iops_sec": typed_value("ullong", 5)}
    calls: list[tuple[str, Callable[[], Awaitable[object]]]] = [
        ("block_set_io_throttle", lambda: place.dom.block.set_io_tune("sda", rate, LIVE)),
        ("block_resize", lambda: place.dom.block.resize("sda", 4 << 20)),
        ("set_link", lambda: place.dom.devices.update(card, LIVE)),
        ("set_password", lambda: place.dom.devices.update(DISPLAY.format("two"), LIVE)),
        ("query-block", lambda: place.dom.block.io_tune("sda", LIVE)),
        ("screendump", place.dom.screenshot),
    ]
    for command, call in calls:
        place.monitor.on(command, refuses())
        with pytest.raises(InternalError):
            await call()
        place.monitor.on(command, never())
        with pytest.raises(OperationTimeout):
            await call()
        assert await place.dom.xml_desc(DomainXMLFlags.SECURE) == before, command
    place.monitor.on("query-block", answers([{"qdev": "usb-disk0", "inserted": 7}]))
    with pytest.raises(VirloomError):
        await place.dom.block.io_tune("sda", LIVE)


async def test_an_end_in_the_middle_leaves_no_record(place: Place, root: Path) -> None:
    place.monitor.on("blockdev-add", never())
    asking = asyncio.ensure_future(place.dom.devices.attach(place.disk, LIVE))
    while "blockdev-add" not in place.monitor.commands:
        await asyncio.sleep(0.01)
    await place.dom.destroy()
    with pytest.raises(VirloomError):
        await asking
    assert not list(root.glob("**/web.json"))
    place.dom = await place.conn.create_xml(paused_guest_xml("web"), 1)
