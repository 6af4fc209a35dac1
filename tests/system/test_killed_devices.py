# SPDX-License-Identifier: Apache-2.0
"""Devices come and go while their owner dies, or nobody looks."""

from __future__ import annotations

import asyncio
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

import virloom
from tests.system.plugged import CARD, LIVE, PORTS, USB, disk, xml
from tests.system.test_events import Heard
from virloom.client.domain.events import DeviceRemovedEvent
from virloom.testing.documents import paused_guest_xml, tiny_guest_xml

#: Boots a guest, stops its CPUs, asks it to let a card go, and dies.
_OWNER = """
import asyncio, os, sys, virloom
from virloom.testing.dialogue import Dialogue
async def main():
    conn = await virloom.open(sys.argv[1])
    dom = await conn.create_xml(sys.argv[2], 1)
    async with dom.console() as console:
        await dom.resume()
        await Dialogue(console).ready()
    await dom.devices.attach(sys.argv[3], 1)
    await dom.suspend()
    task = asyncio.ensure_future(dom.devices.detach(sys.argv[4], 1))
    await asyncio.sleep(0.5)
    os.kill(os.getpid(), 9)
asyncio.run(main())
"""


async def test_a_pending_removal_survives_the_daemon(
    root: Path, image: Callable[[str], Path]
) -> None:
    document = tiny_guest_xml("web", extra_devices=PORTS + CARD)
    uri = f"qemu:///embed?root={root}"
    plugged = disk(image("a"), "vdb")
    words = [sys.executable, "-c", _OWNER, uri, document, plugged, CARD]
    await asyncio.to_thread(subprocess.run, words, timeout=60)
    async with virloom.open(uri) as conn, Heard(conn) as heard:
        dom = await conn.lookup_by_name("web")
        try:
            assert "<alias name='virtio-disk1'/>" in await xml(dom)
            assert "<alias name='net0'/>" in await xml(dom)
            await dom.resume()  # the guest sees the request now
            await heard.until(DeviceRemovedEvent, dev_alias="net0")
            assert "<alias name='net0'/>" not in await xml(dom)
        finally:
            await dom.destroy()


async def test_a_device_that_somebody_else_removes_goes_from_the_document(
    root: Path, image: Callable[[str], Path]
) -> None:
    document = paused_guest_xml("web", extra_devices=PORTS + USB)
    uri = f"qemu:///embed?root={root}"
    async with virloom.open(uri) as conn:
        dom = await conn.create_xml(document, 1)
        await dom.devices.attach(disk(image("a"), "sda", "usb"), LIVE)
    record = next(root.glob("**/web.json"))
    text = record.read_text().replace('"runtime": {', '"runtime": {\n"removals": ["usb-disk0"],', 1)
    record.write_text(text)
    async with virloom.open(uri) as conn:  # it has not gone: the device stays
        dom = await conn.lookup_by_name("web")
        assert "usb-disk0" in await xml(dom)
        await dom.monitor_command('{"execute":"device_del","arguments":{"id":"usb-disk0"}}')
        async with asyncio.timeout(5):
            while "usb-disk0" in await xml(dom):
                await asyncio.sleep(0.05)
        await dom.destroy()


_PLUGGER = """
import asyncio, os, sys, virloom
from virloom.drivers.qemu.process.steps import observed
def die_at(step):
    if step == sys.argv[4]:
        os.kill(os.getpid(), 9)
async def main():
    conn = await virloom.open(sys.argv[1])
    dom = await conn.create_xml(sys.argv[2], 1)
    await dom.devices.attach(sys.argv[3], 1)
    await dom.devices.detach(sys.argv[3], 1)
with observed(die_at):
    asyncio.run(main())
"""


@pytest.mark.parametrize(
    ("step", "stays"),
    [
        ("device-noted", False),
        ("before-add-fd", False),
        ("before-blockdev-add", False),
        ("before-device_add", False),
        ("device-plugged", True),
        ("device-gone", False),
        ("device-dropped", False),
    ],
)
async def test_a_kill_at_any_step_leaves_a_device_or_none(
    root: Path, image: Callable[[str], Path], step: str, *, stays: bool
) -> None:
    document = paused_guest_xml("web", extra_devices=PORTS + USB)
    uri = f"qemu:///embed?root={root}"
    plugged = disk(image("a"), "sda", "usb")
    words = [sys.executable, "-c", _PLUGGER, uri, document, plugged, step]
    done = await asyncio.to_thread(subprocess.run, words, timeout=30)
    assert done.returncode == -9
    async with virloom.open(uri) as conn:
        dom = await conn.lookup_by_name("web")
        try:
            assert ("usb-disk0" in await xml(dom)) == stays
            nodes = await dom.monitor_command('{"execute":"query-named-block-nodes"}')
            assert ("libvirt-1-format" in nodes) == stays
            again = dom.devices.detach if stays else dom.devices.attach
            await again(plugged, LIVE)
            assert ("usb-disk0" in await xml(dom)) != stays
        finally:
            await dom.destroy()


_CHANGER = _PLUGGER.replace(
    """    await dom.devices.attach(sys.argv[3], 1)
    await dom.devices.detach(sys.argv[3], 1)
""",
    "    await dom.devices.update(sys.argv[3], 1)\n",
)


@pytest.mark.parametrize(
    ("step", "is_new"),
    [
        ("medium-noted", False),
        ("before-blockdev-add", False),
        ("medium-removed", False),
        ("medium-inserted", True),
    ],
)
async def test_a_kill_at_any_step_leaves_one_medium_in_the_drive(
    root: Path, image: Callable[[str], Path], step: str, *, is_new: bool
) -> None:
    first, second = image("a"), image("b")
    drive = disk(first, "sda", "sata", "cdrom")
    uri = f"qemu:///embed?root={root}"
    document = paused_guest_xml("web", extra_devices=drive)
    changed = disk(second, "sda", "sata", "cdrom")
    words = [sys.executable, "-c", _CHANGER, uri, document, changed, step]
    done = await asyncio.to_thread(subprocess.run, words, timeout=30)
    assert done.returncode == -9
    async with virloom.open(uri) as conn:
        dom = await conn.lookup_by_name("web")
        try:
            assert str(second if is_new else first) in await xml(dom)
            nodes = await dom.monitor_command('{"execute":"query-block"}')
            assert f'"node-name":"libvirt-{2 if is_new else 1}-format"' in nodes.replace(" ", "")
            assert '"tray_open":true' not in nodes.replace(" ", "")
            nodes = await dom.monitor_command('{"execute":"query-named-block-nodes"}')
            assert nodes.count('-format"') == 1
            await dom.devices.update(disk(image("c"), "sda", "sata", "cdrom"), LIVE)
        finally:
            await dom.destroy()
