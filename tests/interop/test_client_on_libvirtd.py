# SPDX-License-Identifier: Apache-2.0
"""Our async and sync clients on a private libvirtd 9, over its sockets."""

from __future__ import annotations

import asyncio
import shutil
import sys
import tempfile
from pathlib import Path

import pytest

import virloom
from tests.interop.reference import Libvirtd, needs_libvirtd
from virloom.client.domain.domain import Domain
from virloom.enums.domain import (
    DomainCreateFlags,
    DomainEventType,
    DomainState,
    DomainUndefineFlagsValues,
)
from virloom.errors import (
    InvalidConn,
    NoDomain,
    OperationDenied,
    OperationInvalid,
    SystemFailure,
    XmlDetail,
)
from virloom.testing import guest as tiny
from virloom.testing.documents import paused_guest_xml, tiny_guest_xml

pytestmark = needs_libvirtd

#: As much of netcat as is needed: ``-U SOCKET``.
_RELAY = """
import os, select, socket, sys
if sys.argv[1] != "-U":
    sys.exit(1)
far = socket.socket(socket.AF_UNIX)
far.connect(sys.argv[2])
while True:
    for fd in select.select([0, far.fileno()], [], [])[0]:
        data = os.read(fd, 65536)
        if not data:
            sys.exit()
        far.sendall(data) if fd == 0 else os.write(1, data)
"""


@pytest.fixture
def kernel_document(libvirtd: Libvirtd) -> str:
    """A guest that boots, from an initramfs that its user may read."""
    copy = libvirtd.directory / "initramfs"
    if not copy.exists():
        shutil.copyfile(tiny.initramfs(), copy)
        copy.chmod(0o644)
    document = tiny_guest_xml("boots", extra_devices="<video><model type='vga'/></video>")
    return document.replace(str(tiny.initramfs()), str(copy))


async def _life(conn: virloom.Connection, name: str) -> None:
    """Define, list, describe, start paused, look at, stop, undefine; with their events."""
    async with conn.events(domain=None) as events:
        dom = await conn.define_xml(paused_guest_xml(name))
        assert dom.name == name
        assert dom in await conn.list_all_domains()
        assert f"<name>{name}</name>" in await dom.xml_desc()
        await dom.create(DomainCreateFlags.START_PAUSED)
        assert (await dom.state()).state == DomainState.PAUSED
        (stats,) = await conn.all_domain_stats(domains=[dom.ref])
        assert stats.values["state.state"] == DomainState.PAUSED
        await dom.destroy()
        await dom.undefine()
        seen = []
        async with asyncio.timeout(20):
            while DomainEventType.UNDEFINED not in seen:
                event = await anext(events)
                if isinstance(event, virloom.LifecycleEvent) and event.domain == dom.ref:
                    seen.append(event.event)
    kinds = DomainEventType
    # QEMU may have the time to say that it goes, or not.
    assert [kind for kind in seen if kind not in (kinds.RESUMED, kinds.SHUTDOWN)] == [
        kinds.DEFINED,
        kinds.STARTED,
        kinds.SUSPENDED,
        kinds.STOPPED,
        kinds.UNDEFINED,
    ]
    with pytest.raises(NoDomain):
        await dom.state()


async def test_life_over_a_unix_socket(libvirtd: Libvirtd) -> None:
    async with virloom.open(libvirtd.uri) as conn:
        assert await conn.lib_version() == 9_000_000
        assert await conn.driver_uri() == "qemu:///system"
        assert await conn.is_secure()
        await _life(conn, "over-unix")


async def test_life_over_tcp(libvirtd: Libvirtd) -> None:
    async with virloom.open(libvirtd.tcp_uri) as conn:
        assert not await conn.is_secure()
        await _life(conn, "over-tcp")


async def test_life_over_a_command(libvirtd: Libvirtd) -> None:
    """``ext`` runs a command, and ``ssh`` one that gets the far side's script."""
    relay = libvirtd.directory / "netcat"
    relay.write_text(f"#!{sys.executable}\n{_RELAY}")
    relay.chmod(0o755)
    command = libvirtd.directory / "command"
    command.write_text(f"#!/bin/sh\nexec {relay} -U {libvirtd.socket}\n")
    command.chmod(0o755)
    async with virloom.open(f"qemu+ext:///system?command={command}") as conn:
        await _life(conn, "over-command")
    ssh = libvirtd.directory / "ssh"
    ssh.write_text('#!/bin/sh\nwhile [ "$1" != host ]; do shift; done\nshift\neval "$@"\n')
    ssh.chmod(0o755)
    uri = f"qemu+ssh://host/system?command={ssh}&netcat={relay}&socket={libvirtd.socket}"
    async with virloom.open(uri) as conn:
        await _life(conn, "over-ssh")


async def test_a_command_that_fails_says_why(libvirtd: Libvirtd) -> None:
    command = libvirtd.directory / "fails"
    command.write_text("#!/bin/sh\necho no such luck >&2\nexit 3\n")
    command.chmod(0o755)
    with pytest.raises(SystemFailure, match="no such luck"):
        await virloom.open(f"qemu+ext:///system?command={command}")


async def test_console_and_screenshot_of_a_guest(libvirtd: Libvirtd, kernel_document: str) -> None:
    async with virloom.open(libvirtd.uri) as conn:
        dom = await conn.create_xml(kernel_document)
        try:
            await _talk(dom)
            shot = await dom.screenshot()
            assert shot.mime in ("image/png", "image/x-portable-pixmap")
            assert len(shot.data) > 100
        finally:
            await dom.destroy()


async def _talk(dom: Domain) -> None:
    async with asyncio.timeout(90), dom.console() as console:
        text = b""
        while not tiny.READY_PATTERN.search(text):
            text += await console.read()
        await console.write(b"echo $((6 * 7)) and more\n")
        while b"42 and more" not in text:
            text += await console.read()


async def test_errors_are_those_of_the_daemon(libvirtd: Libvirtd) -> None:
    async with virloom.open(libvirtd.uri) as conn:
        with pytest.raises(NoDomain, match="no domain with matching name 'none'"):
            await conn.lookup_by_name("none")
        with pytest.raises(XmlDetail):
            await conn.define_xml("<domain>")
        dom = await conn.define_xml(paused_guest_xml("errors"))
        with pytest.raises(OperationInvalid):
            await dom.destroy()
        await dom.undefine(DomainUndefineFlagsValues.NVRAM)


async def test_a_readonly_connection(libvirtd: Libvirtd) -> None:
    async with virloom.open(libvirtd.readonly_uri, readonly=True) as conn:
        assert await conn.hostname()
        with pytest.raises(OperationDenied):
            await conn.define_xml(paused_guest_xml("denied"))


async def test_many_calls_at_once_and_some_given_up(libvirtd: Libvirtd) -> None:
    async with virloom.open(libvirtd.uri) as conn:
        calls = [asyncio.create_task(conn.capabilities()) for _ in range(4)]
        calls += [asyncio.create_task(conn.hostname()) for _ in range(40)]
        await asyncio.wait(calls, timeout=0)
        for call in calls[::3]:
            call.cancel()
        results = await asyncio.gather(*calls, return_exceptions=True)
        assert all(isinstance(one, asyncio.CancelledError) for one in results[::3])
        assert all(isinstance(one, str) for n, one in enumerate(results) if n % 3)
        assert await conn.hostname() == results[-2 if len(results) % 3 == 1 else -1]


def test_the_sync_client(libvirtd: Libvirtd) -> None:
    with virloom.open_sync(libvirtd.uri) as conn, conn.lifecycle_events() as events:
        dom = conn.define_xml(paused_guest_xml("blocking"))
        dom.create(DomainCreateFlags.START_PAUSED)
        assert dom.info().max_memory == 32 * 1024
        dom.destroy()
        dom.undefine()
        seen: list[object] = []
        for event in events:
            assert isinstance(event, virloom.LifecycleEvent)
            seen.append(event.event)
            if event.event == DomainEventType.UNDEFINED:
                break
        assert seen[0] == DomainEventType.DEFINED


async def test_the_daemon_goes_away() -> None:
    with tempfile.TemporaryDirectory(prefix="lv-") as name:
        daemon = Libvirtd(Path(name))
        try:
            daemon.await_socket()
            conn = await virloom.open(daemon.uri)
            reasons: list[virloom.VirloomError | None] = []
            conn.on_close(reasons.append)
            async with conn.lifecycle_events() as events:
                daemon.process.kill()
                with pytest.raises(SystemFailure):
                    await anext(events)
            with pytest.raises(InvalidConn):
                await conn.hostname()
            await conn.close()
            assert [type(reason) for reason in reasons] == [SystemFailure]
        finally:
            daemon.end()
    with pytest.raises(SystemFailure, match="libvirt-sock"):
        await virloom.open(f"qemu+unix:///system?socket={name}/libvirt-sock")
