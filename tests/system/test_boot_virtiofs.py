# SPDX-License-Identifier: Apache-2.0
"""Directories served over virtiofs: the guest reads and writes, and the server goes with it."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

import virloom
from tests.system.conftest import embedded, end_all, full_kernel_boot
from tests.system.plugged import PORTS
from virloom.client.connection import Connection
from virloom.client.domain.domain import Domain
from virloom.drivers.qemu.capabilities.vhost_user import find_server
from virloom.enums.domain import DomainCreateFlags, DomainState
from virloom.errors import OperationInvalid, VirloomError
from virloom.testing.dialogue import Dialogue

pytestmark = [
    pytest.mark.timeout(180),
    pytest.mark.skipif(find_server() is None, reason="no virtiofsd"),
    pytest.mark.skipif(os.geteuid() != 0, reason="virtiofsd is started by root"),
]

SECOND = (
    "<filesystem type='mount'><driver type='virtiofs'/><source dir='{}'/><target dir='two'/>"
    "</filesystem>"
)
MODULES = ("virtio_pci", "virtiofs", "button")


@pytest.fixture
async def kept(root: Path) -> AsyncIterator[Path]:
    """A root whose guests outlive connections, and not the test."""
    yield root
    async with virloom.open(embedded(root)) as conn:
        await end_all(conn)


@pytest.fixture
def shared(tmp_path: Path) -> Path:
    place = tmp_path / "shared, and more"
    place.mkdir()
    (place / "read").write_text("of the host\n")
    return place


@pytest.fixture
def document(tmp_path: Path, shared: Path, installed: None) -> str:
    return (
        "<domain type='qemu'><name>sharer</name><memory unit='MiB'>128</memory><vcpu>1</vcpu>"
        "<memoryBacking><source type='memfd'/><access mode='shared'/></memoryBacking>"
        "<os><type arch='x86_64' machine='q35'>hvm</type>"
        f"{full_kernel_boot(tmp_path, MODULES)}</os><features><acpi/></features><devices>"
        "<serial type='pty'><target port='0'/></serial>"
        f"{PORTS}<filesystem type='mount'><driver type='virtiofs' queue='512'/>"
        "<binary xattr='on'><cache mode='none'/><sandbox mode='chroot'/>"
        "<lock posix='off' flock='off'/><thread_pool size='2'/></binary>"
        f"<source dir='{shared}'/><target dir='tag'/></filesystem></devices></domain>"
    )


def servers(shared: Path) -> list[int]:
    """The processes that serve a directory, by their command lines."""
    found = []
    wanted = f"source={shared}".replace(",", "\\,").encode()
    for name in filter(str.isdigit, os.listdir("/proc")):
        try:
            words = Path(f"/proc/{name}/cmdline").read_bytes()
        except OSError:
            continue  # it has ended meanwhile
        if wanted in words:
            found.append(int(name))
    return found


async def ended(shared: Path) -> None:
    """Waits for the end of all of them."""
    async with asyncio.timeout(10):
        while found := servers(shared):
            fd = os.pidfd_open(found[0])
            try:
                readable = asyncio.Event()
                asyncio.get_running_loop().add_reader(fd, readable.set)
                await readable.wait()
            finally:
                asyncio.get_running_loop().remove_reader(fd)
                os.close(fd)


async def test_a_directory_is_shared(kept: Path, document: str, shared: Path) -> None:
    async with virloom.open(embedded(kept)) as conn:
        domain = await conn.create_xml(document, DomainCreateFlags.START_PAUSED)
        assert f"<binary path='{find_server()}' xattr='on'>" in await domain.xml_desc()
        async with domain.console() as console:
            await domain.resume()
            dialogue = Dialogue(console)
            await dialogue.ready(120)
            await dialogue.ask("mkdir /tmp/shared; mount -t virtiofs tag /tmp/shared")
            assert await dialogue.ask("cat /tmp/shared/read") == "of the host\n"
            await dialogue.ask("echo of the guest > /tmp/shared/written; sync")
            assert (shared / "written").read_text() == "of the guest\n"
    assert servers(shared), "the guest outlives its driver, and its server does"
    async with virloom.open(embedded(kept)) as conn:
        (domain,) = await conn.list_all_domains()
        async with domain.console() as console:
            dialogue = Dialogue(console)
            (shared / "read").write_text("once more\n")
            assert await dialogue.ask("cat /tmp/shared/read") == "once more\n"
            await plugged_and_taken_out(domain, dialogue, shared.parent / "second")
        for pid in servers(shared):
            os.kill(pid, signal.SIGKILL)
        await ended(shared)
        assert (await domain.state()).state == DomainState.RUNNING, "as with libvirt"
        await domain.destroy()


async def plugged_and_taken_out(domain: Domain, dialogue: Dialogue, second: Path) -> None:
    """Another directory comes and goes while the guest runs."""
    second.mkdir()
    (second / "read").write_text("plugged\n")
    document = SECOND.format(second)
    await domain.devices.attach(document, 1)
    assert "<alias name='fs1'/>" in await domain.xml_desc()
    with pytest.raises(OperationInvalid):
        await domain.devices.attach(document, 1)
    mount = "mkdir /tmp/2; until mount -t virtiofs two /tmp/2 2>/dev/null; do sleep 0.1; done"
    assert await dialogue.ask(f"{mount}; cat /tmp/2/read; umount /tmp/2") == "plugged\n"
    await domain.devices.detach(document, 1)
    await ended(second)
    assert "<alias name='fs1'/>" not in await domain.xml_desc()


_OWNER = """
import asyncio, os, sys, virloom
from virloom.drivers.qemu.process.steps import observed
def die_at(step):
    if step == "before-device_add":
        os.kill(os.getpid(), 9)
async def main():
    conn = await virloom.open(sys.argv[1])
    dom = await conn.create_xml(sys.argv[2], 1)
    await dom.devices.attach(sys.argv[3], 1)
with observed(die_at):
    asyncio.run(main())
"""


async def test_a_server_that_nobody_came_to_ends(kept: Path, document: str, shared: Path) -> None:
    second = shared.parent / "second"
    second.mkdir()
    plugged = SECOND.format(second)
    words = [sys.executable, "-c", _OWNER, embedded(kept), document, plugged]
    done = await asyncio.to_thread(subprocess.run, words, timeout=60)
    assert done.returncode == -9
    # It was started; on a busy machine QEMU may have let go of it by now.
    assert any(kept.rglob("*-fs1-virtiofsd.log"))
    async with virloom.open(embedded(kept)) as conn:
        await ended(second)
        (domain,) = await conn.list_all_domains()
        broken = plugged.replace("<source", "<binary path='/bin/false'/><source")
        with pytest.raises(VirloomError):
            await domain.devices.attach(broken, 1)
        assert not servers(second)
        assert "<alias name='fs1'/>" not in await domain.xml_desc()


async def test_a_server_ends_with_its_guest(conn: Connection, document: str, shared: Path) -> None:
    domain = await conn.create_xml(document, DomainCreateFlags.START_PAUSED)
    assert servers(shared)
    await domain.destroy()
    await ended(shared)


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("</devices>", "<qemu:commandline xmlns:qemu='http://libvirt.org/schemas/domain/qemu/1.0'>"
         "<qemu:arg value='-nonsense'/></qemu:commandline>"),
        ("<binary xattr", "<binary path='/bin/false' xattr"),
        ("<binary xattr", "<binary path='/no/such' xattr"),
        ("<source dir='/", "<source dir='/no/such/"),
    ],
)  # fmt: skip
async def test_nothing_is_left_of_a_failed_start(
    conn: Connection, document: str, shared: Path, old: str, new: str
) -> None:
    if old == "</devices>":
        new = old + new
    with pytest.raises(VirloomError):
        await conn.create_xml(document.replace(old, new), DomainCreateFlags.START_PAUSED)
    assert not servers(shared)
    assert await conn.list_all_domains() == []
