# SPDX-License-Identifier: Apache-2.0
"""Events of real guests: clock, balloon, display, disk errors, panics, and what follows."""

from __future__ import annotations

import asyncio
import os
import socket
import subprocess
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import pytest

import virloom
from tests.fakes import ports
from virloom.client.connection import Connection
from virloom.enums.domain import (
    DomainCreateFlags,
    DomainEventGraphicsPhase,
    DomainEventIOErrorAction,
    DomainEventWatchdogAction,
    DomainPausedReason,
    DomainState,
    DomainXMLFlags,
)
from virloom.errors import OperationAborted, OperationFailed
from virloom.host.files import Directory
from virloom.testing.dialogue import Dialogue
from virloom.testing.documents import paused_guest_xml, tiny_guest_xml

PAUSED = DomainCreateFlags.START_PAUSED
BALLOON = "<memballoon model='virtio'/>"
DISK = (
    "<disk type='file' device='disk'><driver name='qemu' type='raw'/>"
    "<source file='{}'/><target dev='vda' bus='virtio'/></disk>"
)
VNC = "<graphics type='vnc' port='-1'/>"


class Heard:
    """All events of a connection, as they come."""

    def __init__(self, conn: Connection) -> None:
        self._stream = conn.events()

    async def __aenter__(self) -> Heard:
        await self._stream.start()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._stream.close()

    async def until(self, kind: type, **wanted: Any) -> Any:
        """The next event of *kind* whose fields are as *wanted*."""
        async with asyncio.timeout(30):
            async for event in self._stream:
                if isinstance(event, kind) and all(
                    getattr(event, name) == value for name, value in wanted.items()
                ):
                    return event
        raise AssertionError("the events ended")


@pytest.fixture
async def heard(conn: Connection) -> AsyncIterator[Heard]:
    """What happens from now on."""
    async with Heard(conn) as listener:
        yield listener


async def test_the_clock_and_the_balloon(conn: Connection, heard: Heard) -> None:
    document = tiny_guest_xml("web", memory_mib=160, extra_devices=BALLOON)
    dom = await conn.create_xml(document, PAUSED)
    async with dom.console() as console:
        guest = Dialogue(console)
        await dom.resume()
        await guest.ready()
        await guest.ask("date -s 2031-01-01; hwclock -w -u")
        event = await heard.until(virloom.RtcChangeEvent)
        assert event.offset > 0
        await dom.memory.set(128 * 1024)
        await heard.until(virloom.BalloonChangeEvent, actual=128 * 1024)
        assert (await dom.info()).memory == 128 * 1024
        await dom.memory.set_stats_period(1)
        assert "<stats period='1'/>" in await dom.xml_desc()


async def test_displays_as_the_configuration_wants_them(root: Path) -> None:
    (root / "etc").mkdir(parents=True)
    (root / "etc" / "qemu.conf").write_text(
        'vnc_password = "secret"\nvnc_auto_unix_socket = 1\ndump_guest_core = 1\n'
    )
    async with virloom.open(f"qemu:///embed?root={root}") as conn:
        dom = await conn.create_xml(paused_guest_xml("web", extra_devices=VNC), PAUSED)
        assert "secret" not in await dom.xml_desc()
        model = await dom.model(DomainXMLFlags.SECURE)
        assert model.devices.graphics[0].passwd == "secret"
        assert model.memory_dump_core is True
        path = Path(model.devices.graphics[0].listens[0].socket or "")
        with Directory(path.parent) as directory, directory.connect_unix(path.name) as viewer:
            viewer.setblocking(True)
            assert await asyncio.to_thread(viewer.recv, 12) == b"RFB 003.008\n"
        await dom.destroy()


async def test_a_display(conn: Connection, heard: Heard) -> None:
    dom = await conn.create_xml(paused_guest_xml("web", extra_devices=VNC))
    graphics = (await dom.model()).devices.graphics[0]
    assert graphics.port is not None
    with socket.create_connection(("127.0.0.1", graphics.port)) as viewer:
        event = await heard.until(virloom.GraphicsEvent, phase=DomainEventGraphicsPhase.CONNECT)
        assert event.local.service == str(graphics.port)
        assert event.remote.service == str(viewer.getsockname()[1])
    await heard.until(virloom.GraphicsEvent, phase=DomainEventGraphicsPhase.DISCONNECT)
    shot = await dom.screenshot()
    assert shot.mime == "image/png"
    assert shot.data.startswith(b"\x89PNG")
    await dom.send_key([28])


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of one megabyte."""
    if os.geteuid() != 0:
        pytest.skip("mounting a file system needs root")
    path = tmp_path / "small"
    path.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", str(path)], check=True)
    yield path
    subprocess.run(["umount", "-l", str(path)], check=True)


async def test_a_full_host_disk_pauses_the_guest(
    conn: Connection, heard: Heard, small_disk: Path
) -> None:
    image = small_disk / "disk.raw"
    image.touch()
    os.truncate(image, 8 << 20)
    dom = await conn.create_xml(tiny_guest_xml("web", disks=[image]), PAUSED)
    async with dom.console() as console:
        guest = Dialogue(console)
        await dom.resume()
        await guest.ready()
        await guest.tell("dd if=/dev/zero of=/dev/vda bs=1M count=4; sync")
        event = await heard.until(virloom.IOErrorReasonEvent)
        assert (event.src_path, event.action, event.reason) == (
            str(image),
            DomainEventIOErrorAction.PAUSE,
            "enospc",
        )
        suspended = await heard.until(virloom.LifecycleEvent)
        assert (suspended.event.name, suspended.detail.name) == ("SUSPENDED", "IOERROR")
        assert await dom.state() == (DomainState.PAUSED, DomainPausedReason.IOERROR)


@pytest.mark.parametrize(
    ("action", "told"),
    [
        ("destroy", ["CRASHED", "STOPPED"]),
        ("preserve", ["CRASHED"]),
        ("coredump-destroy", ["CRASHED", "STOPPED"]),
    ],
)
async def test_a_panic(
    conn: Connection, heard: Heard, root: Path, tmp_path: Path, action: str, told: list[str]
) -> None:
    image = tmp_path / "ports.raw"
    image.write_bytes(ports.boot_sector().ljust(1 << 20, b"\0"))
    document = paused_guest_xml(
        "web",
        machine="pc",
        console="pty",
        extra_devices=f"{DISK.format(image)}<panic model='isa'/>",
    ).replace("<devices>", f"<on_crash>{action}</on_crash><devices>")
    dom = await conn.create_xml(document, PAUSED)
    async with dom.console() as console:
        await dom.resume()
        await Dialogue(console).expect(b"R")
        await console.write(ports.told(ports.PANICKED))
        for name in told:
            event = await heard.until(virloom.LifecycleEvent)
            while event.event.name not in told:
                event = await heard.until(virloom.LifecycleEvent)
            assert event.event.name == name
    cores = [file.read_bytes()[:4] for file in root.glob("lib/qemu/dump/*")]
    assert cores == ([b"\x7fELF"] if action.startswith("coredump") else [])
    if action == "preserve":
        assert (await dom.state()).state == DomainState.CRASHED


async def test_a_watchdog_that_wants_a_dump(
    conn: Connection, heard: Heard, root: Path, tmp_path: Path
) -> None:
    image = tmp_path / "ports.raw"
    image.write_bytes(ports.boot_sector().ljust(1 << 20, b"\0"))
    dog = "<watchdog model='ib700' action='dump'/>"
    document = paused_guest_xml(
        "web", machine="pc", console="pty", extra_devices=DISK.format(image) + dog
    )
    dom = await conn.create_xml(document, PAUSED)
    async with dom.console() as console:
        await dom.resume()
        await Dialogue(console).expect(b"R")
        await console.write(ports.told(ports.WATCHDOG))
        event = await heard.until(virloom.WatchdogEvent)
        assert event.action == DomainEventWatchdogAction.PAUSE
        await heard.until(virloom.JobCompletedEvent)
        while (await heard.until(virloom.LifecycleEvent)).event.name != "RESUMED":
            pass
    (dump,) = root.glob("lib/qemu/dump/*")
    assert dump.read_bytes()[:4] == b"QEVM"  # the whole state, as a migration has it


async def test_power_off_reboot_and_what_they_mean(conn: Connection, heard: Heard) -> None:
    document = tiny_guest_xml("web", machine="q35")
    dom = await conn.create_xml(document, PAUSED)
    async with dom.console() as console:
        guest = Dialogue(console)
        await dom.resume()
        first = await guest.ready()
        await dom.reboot()
        second = await guest.ready()
        assert second != first
        assert (await dom.state()).state == DomainState.RUNNING
        await dom.shutdown()
        shutdown = await heard.until(virloom.LifecycleEvent)
        while shutdown.event.name != "SHUTDOWN":
            shutdown = await heard.until(virloom.LifecycleEvent)
        assert shutdown.detail.name == "GUEST"
        stopped = await heard.until(virloom.LifecycleEvent)
        assert (stopped.event.name, stopped.detail.name) == ("STOPPED", "SHUTDOWN")


async def test_a_console_has_one_user_until_another_takes_it(conn: Connection) -> None:
    dom = await conn.create_xml(paused_guest_xml("web", console="pty"), PAUSED)
    async with dom.console() as first:
        with pytest.raises(OperationFailed, match="Active console"):
            async with dom.console():
                pass
        async with dom.console(force=True) as second:
            with pytest.raises(OperationAborted, match="force"):
                await first.read()
            await second.write(b"x")
    async with dom.console(safe=True) as third:
        await third.write(b"x")


async def test_raw_monitor_commands_and_events(conn: Connection) -> None:
    dom = await conn.create_xml(paused_guest_xml("web"), PAUSED)
    async with conn.monitor_events("RES.*", regex=True) as events:
        assert '"status":"prelaunch"' in await dom.monitor_command('{"execute":"query-status"}')
        assert "CommandNotFound" in await dom.monitor_command('{"execute":"nonsense"}')
        with pytest.raises(virloom.VirloomError, match="cannot parse json"):
            await dom.monitor_command("nonsense")
        await dom.resume()
        async with asyncio.timeout(5):
            event = await anext(events)
        assert (event.event, event.domain.name) == ("RESUME", "web")
