# SPDX-License-Identifier: Apache-2.0
"""Devices come and go: in documents, and in guests that run."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Callable
from pathlib import Path

import pytest

import virloom
from tests.fakes.impatient import impatient
from tests.system.conftest import BootGuest, PausedGuest
from tests.system.plugged import CARD, CONFIG, LIVE, NO_STICK, PORTS, RNG, USB, disk, xml
from tests.system.test_events import Heard
from virloom.client.connection import Connection
from virloom.client.domain.events import DeviceAddedEvent, DeviceRemovedEvent
from virloom.enums.domain import DomainXMLFlags
from virloom.errors import (
    ConfigUnsupported,
    ConfSyntax,
    DeviceMissing,
    InternalError,
    OperationInvalid,
    OperationUnsupported,
    SystemFailure,
    VirloomError,
    XmlError,
)
from virloom.testing.documents import paused_guest_xml, tiny_guest_xml

# -- documents ---------------------------------------------------------------------------------


async def test_a_document_gets_changes_and_loses_a_device(
    conn: Connection, image: Callable[[str], Path]
) -> None:
    dom = await conn.define_xml(paused_guest_xml("web"))
    before = await xml(dom)
    path = image("a")
    await dom.devices.attach(disk(path, "vda"), CONFIG)
    with pytest.raises(OperationInvalid, match="vda"):
        await dom.devices.attach(disk(path, "vda"), CONFIG)
    assert f"<source file='{path}'/>" in await xml(dom)
    await dom.devices.update(disk(image("b"), "vda"), CONFIG)
    assert f"<source file='{image('b')}'/>" in await xml(dom)
    await dom.devices.detach("<disk><target dev='vda'/></disk>", CONFIG)
    assert "<disk" not in await xml(dom)
    assert len(await xml(dom)) >= len(before)


async def test_what_is_not_there_is_missing(conn: Connection) -> None:
    dom = await conn.define_xml(paused_guest_xml("web"))
    with pytest.raises(DeviceMissing):
        await dom.devices.detach("<disk><target dev='vdz'/></disk>", CONFIG)
    with pytest.raises(InternalError, match="nothere"):
        await dom.devices.detach_alias("nothere", CONFIG)
    with pytest.raises(OperationInvalid):
        await dom.devices.attach(RNG, LIVE)
    with pytest.raises(ConfigUnsupported, match="bogus"):
        await dom.devices.attach("<bogus/>", CONFIG)


async def test_a_refused_device_leaves_the_document_alone(conn: Connection) -> None:
    dom = await conn.define_xml(paused_guest_xml("web"))
    before = await xml(dom)
    for document in ("<hub type='usb'/>", "<panic model='isa'/>"):
        with pytest.raises(OperationUnsupported):
            await dom.devices.attach(document, CONFIG)
    assert await xml(dom) == before


# -- guests that run ---------------------------------------------------------------------------


async def test_the_guest_sees_a_disk_come_and_go(
    conn: Connection, boot: BootGuest, image: Callable[[str], Path]
) -> None:
    guest = await boot(
        "web",
        extra_devices=PORTS,
        modules=["virtio_pci", "virtio_blk", "virtio_net", "button", "evdev"],
    )
    async with Heard(conn) as heard:
        await guest.domain.devices.attach(disk(image("a"), "vdb"), LIVE)
        await heard.until(DeviceAddedEvent, dev_alias="virtio-disk1")
        command = "until [ -e /sys/block/vda ]; do sleep 0.1; done; cat /sys/block/vda/size"
        assert "2048" in await guest.dialogue.ask(command)
        assert "<alias name='virtio-disk1'/>" in await xml(guest.domain)
        await guest.domain.devices.detach(disk(image("a"), "vdb"), LIVE)
        await heard.until(DeviceRemovedEvent, dev_alias="virtio-disk1")
    assert "vdb" not in await xml(guest.domain)
    nodes = await guest.domain.monitor_command('{"execute":"query-named-block-nodes"}')
    assert "libvirt-" not in nodes


@pytest.mark.parametrize(
    ("document", "alias"),
    [
        (CARD, "net0"),
        (RNG, "rng0"),
        ("<input type='mouse' bus='usb'/>", "input2"),
        ("<controller type='scsi' index='0' model='virtio-scsi'/>", "scsi0"),
        ("<serial type='null'><target type='usb-serial' port='1'/></serial>", "serial1"),
    ],
)
async def test_devices_are_plugged(paused: PausedGuest, document: str, alias: str) -> None:
    dom = await paused("web", extra_devices=PORTS + USB)
    await dom.devices.attach(document, LIVE)
    assert f"<alias name='{alias}'/>" in await xml(dom)


@pytest.mark.parametrize(
    ("document", "alias"),
    [
        ("<serial type='pty'><target type='pci-serial' port='1'/></serial>", "serial1"),
        ("<watchdog model='i6300esb' action='reset'/>", "watchdog0"),
        ("<shmem name='s0'><model type='ivshmem-plain'/><size unit='M'>1</size></shmem>", "shmem0"),
    ],
)
async def test_conventional_devices_need_such_a_slot(
    paused: PausedGuest, document: str, alias: str
) -> None:
    dom = await paused("web", machine="pc")
    await dom.devices.attach(document, LIVE)
    assert f"<alias name='{alias}'/>" in await xml(dom)
    express = await paused("db", extra_devices=PORTS)
    with pytest.raises(InternalError, match="PCI slots"):
        await express.devices.attach(document, LIVE)


async def test_a_disk_brings_its_controller(
    paused: PausedGuest, image: Callable[[str], Path]
) -> None:
    dom = await paused("web", machine="pc")  # what libvirt takes is a conventional card
    await dom.devices.attach(disk(image("a"), "sda", "scsi"), LIVE)
    text = await xml(dom)
    assert "<alias name='scsi0'/>" in text
    assert "<alias name='scsi0-0-0'/>" in text
    await dom.devices.detach(disk(image("a"), "sda", "scsi"), LIVE)


async def test_a_usb_device_goes_at_once(
    conn: Connection, paused: PausedGuest, image: Callable[[str], Path]
) -> None:
    dom = await paused("web", extra_devices=PORTS + USB)
    before = await xml(dom)
    async with Heard(conn) as heard:
        await dom.devices.attach(disk(image("a"), "sda", "usb"), LIVE)
        await dom.devices.detach_alias("usb-disk0", LIVE)
        await heard.until(DeviceRemovedEvent, dev_alias="usb-disk0")
    assert await xml(dom) == before


async def test_the_medium_of_a_drive_is_exchanged(
    paused: PausedGuest, image: Callable[[str], Path]
) -> None:
    first, second = image("a"), image("b")
    dom = await paused("web", extra_devices=disk(first, "sda", "sata", "cdrom"))
    await dom.devices.update(disk(second, "sda", "sata", "cdrom"), LIVE)
    assert str(second) in await xml(dom)
    assert str(second) not in str(first)
    empty = "<disk type='file' device='cdrom'><target dev='sda' bus='sata'/></disk>"
    await dom.devices.update(empty, LIVE)
    assert str(second) not in await xml(dom)
    await dom.devices.attach(disk(first, "sda", "sata", "cdrom"), LIVE)
    assert str(first) in await xml(dom)


async def test_a_link_goes_down_and_up(paused: PausedGuest) -> None:
    dom = await paused("web", extra_devices=PORTS + CARD)
    down = CARD.replace("<model", "<link state='down'/><model")
    await dom.devices.update(down, LIVE)
    assert "<link state='down'/>" in await xml(dom)
    await dom.devices.update(CARD, LIVE)
    assert "<link" not in await xml(dom)


async def test_what_cannot_be_plugged_changes_nothing(
    paused: PausedGuest, image: Callable[[str], Path], tmp_path: Path
) -> None:
    dom = await paused("web", extra_devices=PORTS + disk(image("a"), "vda"))
    before = await xml(dom)
    cases: list[tuple[str, type[Exception]]] = [
        (disk(image("a"), "vda"), XmlError),
        (disk(tmp_path / "none", "vdb"), SystemFailure),
        (disk(image("b"), "sdb", "sata"), InternalError),
        ("<sound model='ich6'/>", OperationUnsupported),
        ("<controller type='usb' index='1' model='qemu-xhci'/>", OperationUnsupported),
        (NO_STICK, VirloomError),
    ]
    for document, error in cases:
        with pytest.raises(error):
            await dom.devices.attach(document, LIVE)
    assert await xml(dom) == before
    nodes = await dom.monitor_command('{"execute":"query-named-block-nodes"}')
    assert nodes.count('"node-name":"libvirt-') in (0, 2)


async def test_both_documents_change_apart(conn: Connection, image: Callable[[str], Path]) -> None:
    dom = await conn.define_xml(paused_guest_xml("web", extra_devices=PORTS + USB))
    await dom.create(1)
    await dom.devices.attach(RNG, CONFIG)
    assert "<rng" not in await xml(dom)
    await dom.devices.attach(disk(image("a"), "sda", "usb"), LIVE | CONFIG)
    assert "sda" in await xml(dom)
    assert "sda" in await xml(dom, inactive=True)
    await dom.devices.detach(disk(image("a"), "sda", "usb"), LIVE | CONFIG)
    assert "sda" not in await xml(dom) + await xml(dom, inactive=True)


# -- the guest does not answer, the daemon dies ------------------------------------------------


async def test_a_guest_that_does_not_answer_keeps_the_device(root: Path) -> None:
    async with impatient(root) as conn:
        dom = await conn.create_xml(paused_guest_xml("web", extra_devices=PORTS + CARD), 1)
        await dom.devices.detach(CARD, LIVE)
        assert "<alias name='net0'/>" in await xml(dom)
        await dom.destroy()


async def test_an_end_of_the_guest_ends_the_wait(conn: Connection, paused: PausedGuest) -> None:
    dom = await paused("web", extra_devices=PORTS + CARD)
    waiting = asyncio.ensure_future(dom.devices.detach(CARD, LIVE))
    await asyncio.sleep(0.3)
    await dom.destroy()
    async with asyncio.timeout(2):
        with pytest.raises(OperationInvalid):
            await waiting


async def test_memory_is_added(conn: Connection) -> None:
    cells = "<cpu><numa><cell id='0' cpus='0' memory='64' unit='MiB'/></numa></cpu>"
    document = paused_guest_xml("web", memory_mib=64).replace("<features>", cells + "<features>")
    most = "<maxMemory slots='2' unit='MiB'>512</maxMemory><memory"
    dom = await conn.create_xml(document.replace("<memory", most, 1), 1)
    module = (
        "<memory model='dimm'><target><size unit='MiB'>128</size><node>0</node></target></memory>"
    )
    await dom.devices.attach(module, LIVE)
    text = await xml(dom)
    assert "<memory unit='KiB'>196608</memory>" in text
    assert "<address type='dimm' slot='0' base='0x100000000'/>" in text


async def test_a_lease_is_listed(paused: PausedGuest) -> None:
    dom = await paused("web")
    lease = "<lease><lockspace>s</lockspace><key>k</key><target path='/x'/></lease>"
    await dom.devices.attach(lease, LIVE)
    with pytest.raises(OperationInvalid):
        await dom.devices.attach(lease, LIVE)
    assert "<key>k</key>" in await xml(dom)
    await dom.devices.detach(lease, LIVE)
    assert "<lease>" not in await xml(dom)


async def test_without_anybody_who_gives_leases(root: Path) -> None:
    """Only where qemu.conf wants them given; a name that nobody has is refused at once."""
    (root / "etc").mkdir(parents=True)
    lease = "<lease><lockspace>s</lockspace><key>k</key><target path='/x'/></lease>"
    for manager in ("nop", "lockd"):
        (root / "etc/qemu.conf").write_text(f'lock_manager = "{manager}"\n')
        async with virloom.open(f"qemu:///embed?root={root}") as conn:
            holder = await conn.define_xml(paused_guest_xml(f"of-{manager}", extra_devices=lease))
            if manager == "nop":
                await holder.create(1)
                assert "<lease>" in await xml(holder)
                await holder.destroy()
            else:
                with pytest.raises(ConfigUnsupported, match="there is no virtlockd here"):
                    await holder.create(1)
    (root / "etc/qemu.conf").write_text('lock_manager = "sanlock"\n')
    with pytest.raises(ConfSyntax, match="nobody gives leases by the name of 'sanlock'"):
        async with virloom.open(f"qemu:///embed?root={root}"):
            pass


async def test_a_network_card_on_usb_has_its_port_from_the_document(conn: Connection) -> None:
    """As libvirt 9: a port that is given is taken; without one it looks for a slot, in vain."""
    card = "<interface type='user'><model type='usb-net'/>{}</interface>"
    with pytest.raises(InternalError):
        await conn.define_xml(tiny_guest_xml("web", extra_devices=card.format("")))
    port = "<address type='usb' bus='0' port='1'/>"
    document = tiny_guest_xml("web", extra_devices=f"{USB}{card.format(port)}")
    dom = await conn.create_xml(document, 1)
    assert "<address type='usb' bus='0' port='1'/>" in await xml(dom)
    await dom.destroy()


async def test_the_password_of_a_display_is_changed(paused: PausedGuest) -> None:
    dom = await paused("web", extra_devices="<graphics type='vnc' port='-1' passwd='one'/>")
    await dom.devices.update("<graphics type='vnc' listen='127.0.0.1' passwd='two'/>", LIVE)
    assert "passwd='two'" in await dom.xml_desc(DomainXMLFlags.SECURE)
    with pytest.raises(DeviceMissing):
        await dom.devices.update("<graphics type='spice' passwd='two'/>", LIVE)


async def test_nothing_renumbers(root: Path, image: Callable[[str], Path]) -> None:
    uri = f"qemu:///embed?root={root}"

    def places(text: str) -> dict[str, list[str]]:
        found = {}
        for part in re.findall(r"<disk .*?</disk>", text, re.DOTALL):
            target = re.search(r"dev='(\w+)'", part)
            assert target is not None
            found[target[1]] = re.findall(r"<(?:alias|address|source) [^>]*>", part)
        return found

    async with virloom.open(uri) as conn:
        document = paused_guest_xml("web", extra_devices=PORTS + USB)
        dom = await conn.define_xml(document)
        await dom.create(1)
        for name in ("sda", "sdb", "sdc"):
            await dom.devices.attach(disk(image(name), name, "usb"), LIVE)
        before = places(await xml(dom))
        await dom.devices.detach(disk(image("sda"), "sda", "usb"), LIVE)
        await dom.devices.attach(disk(image("sdd"), "sdd", "usb"), LIVE | CONFIG)
        after = places(await xml(dom))
        assert {name: after[name] for name in ("sdb", "sdc")} == {
            name: before[name] for name in ("sdb", "sdc")
        }
        assert "<alias" not in str(places(await xml(dom, inactive=True)))
    async with virloom.open(uri) as conn:  # nor for the next owner
        dom = await conn.lookup_by_name("web")
        assert places(await xml(dom)) == after
        await dom.devices.attach(disk(image("sde"), "sde", "usb"), LIVE)
        now = places(await xml(dom))
        assert {name: now[name] for name in after} == after
        assert len({str(place) for place in now.values()}) == len(now)
        await dom.destroy()
