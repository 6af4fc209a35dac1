# SPDX-License-Identifier: Apache-2.0
"""Guests that write through virtlogd, while it is killed and renewed, and without it."""

from __future__ import annotations

import os
import re
import signal
import time
from pathlib import Path

import pytest

import virloom
from tests.interop.conftest import STEP, Virtlogd, Virtqemud
from tests.interop.test_daemons import Foreground, root
from virloom.errors import VirloomError
from virloom.testing import guest as tiny
from virloom.testing.dialogue import Dialogue
from virloom.testing.documents import paused_guest_xml, tiny_guest_xml

__all__ = ["root"]


def _document(directory: Path) -> str:
    """A guest that talks on its first port, and writes to a file on its second."""
    second = f"<serial type='file'><source path='{directory}/port.txt'/><target port='1'/></serial>"
    text = tiny_guest_xml("web", extra_devices=second)
    log = f"<log file='{directory}/console.txt'/>"
    return text.replace("<target port='0'/>", f"{log}<target port='0'/>")


LINES = 1500


async def test_no_line_is_lost(root: Path) -> None:
    try:
        tiny.kernel()
    except VirloomError as error:
        pytest.skip(error.message)
    family = Foreground(root, "--only", "log,qemu")
    try:
        pid = family.ready(2)["virtlogd"]
        uri = f"qemu+unix:///system?socket={root}/run/libvirt/virtqemud-sock"
        async with virloom.open(uri) as conn:
            domain = await conn.create_xml(_document(root))
            async with domain.console() as console:
                dialogue = Dialogue(console)
                await dialogue.ready(60)
                each = "i=$((i+1)); echo line $i; echo l $i >&4"
                loop = f"i=0; while [ $i -lt {LINES} ]; do {each}; done"
                await dialogue.tell(f"exec 4>/dev/ttyS1; {loop}; echo 'DO''NE'")
                for number in range(8):
                    mark = LINES // 10 * (number + 1)
                    await dialogue.expect(rf"line {mark}\r?\n".encode(), 60)
                    os.kill(pid, signal.SIGKILL if number % 2 else signal.SIGUSR1)
                    if number % 2:
                        pid = family.ready(1)["virtlogd"]
                await dialogue.expect(b"DONE", 60)
            await domain.destroy()
        assert _numbers(root / "console.txt", rb"line (\d+)\r?\n") == list(range(1, LINES + 1))
        assert _numbers(root / "port.txt", rb"l (\d+)\r?\n") == list(range(1, LINES + 1))
        log = root / "var/log/libvirt/qemu/web.log"
        assert "starting up\n" in log.read_text()
        _await_end(log)
    finally:
        code = family.end()
    assert code == 0


def _await_end(log: Path) -> None:
    """The note of a guest's end, which nobody waits for."""
    deadline = time.monotonic() + STEP
    while not log.read_text().endswith("shutting down, reason=destroyed\n"):
        assert time.monotonic() < deadline, log.read_text()[-500:]
        time.sleep(0.02)


def _numbers(path: Path, pattern: bytes) -> list[int]:
    return [int(number) for number in re.findall(pattern, path.read_bytes())]


def test_qemu_conf_says_who_writes(virtqemud: Virtqemud) -> None:
    root = virtqemud.root
    settings = root / "etc/libvirt/qemu.conf"
    usb = "<controller type='usb' model='qemu-xhci'/>"
    text = paused_guest_xml("web", console=f"file:{root}/port.txt", extra_devices=usb)
    (root / "guest.xml").write_text(text)
    (root / "port.xml").write_text(
        f"<serial type='file'><source path='{root}/plugged.txt'/>"
        "<target type='usb-serial' port='1'/></serial>"
    )
    create = ("create", str(root / "guest.xml"), "--paused")

    def restart(handler: str) -> None:
        assert virtqemud.signal(signal.SIGTERM) == 0
        settings.write_text(f'stdio_handler = "{handler}"\n')
        virtqemud.start()

    virtqemud.virsh(*create)  # without virtlogd, and nobody insists on it
    virtqemud.virsh("destroy", "web")
    restart("logd")
    refused = virtqemud.try_virsh(*create)
    assert 'stdio_handler = "logd", and there is no virtlogd' in refused.stderr
    daemon = Virtlogd(root)
    daemon.start()
    try:
        virtqemud.virsh(*create)
        assert "port.txt" in (root / "run/libvirt/virtlogd/logs.json").read_text()
        virtqemud.virsh("attach-device", "web", str(root / "port.xml"), "--live")
        assert "plugged.txt" in (root / "run/libvirt/virtlogd/logs.json").read_text()
        restart("file")  # of guests that start from now on
        virtqemud.virsh("destroy", "web")
        assert (
            "shutting down, reason=destroyed" in (root / "var/log/libvirt/qemu/web.log").read_text()
        )
        virtqemud.virsh(*create)
        assert "port.txt" not in (root / "run/libvirt/virtlogd/logs.json").read_text()
        virtqemud.virsh("destroy", "web")
        restart("logd")
        document = paused_guest_xml("bad").replace("</domain>", _BROKEN)
        (root / "bad.xml").write_text(document)
        failed = virtqemud.try_virsh("create", str(root / "bad.xml"))
        assert "nosuchoption: invalid option" in failed.stderr  # QEMU's own words
    finally:
        assert daemon.signal(signal.SIGTERM) == 0, daemon.log()


def test_one_that_is_dead_keeps_nobody_from_starting(virtqemud: Virtqemud) -> None:
    root = virtqemud.root
    shared = root / "shared"
    shared.mkdir()
    document = paused_guest_xml("web", extra_devices=_filesystem(shared))
    memory = "<memoryBacking><source type='memfd'/><access mode='shared'/></memoryBacking><vcpu>"
    (root / "guest.xml").write_text(document.replace("<vcpu>", memory))
    create = ("create", str(root / "guest.xml"), "--paused")
    daemon = Virtlogd(root)
    daemon.start()
    virtqemud.virsh(*create)
    state = root / "run/libvirt/virtlogd/logs.json"
    assert "web-fs0-virtiofsd.log" in state.read_text()
    assert daemon.signal(signal.SIGKILL) == -signal.SIGKILL
    assert virtqemud.virsh("domstate", "web") == "paused"  # it lives, and writes to nobody
    virtqemud.virsh("destroy", "web")
    virtqemud.virsh(*create)
    assert "writes its files itself: virtlogd cannot be reached" in virtqemud.log()
    virtqemud.virsh("destroy", "web")
    assert virtqemud.signal(signal.SIGTERM) == 0
    (root / "etc/libvirt").mkdir(parents=True, exist_ok=True)
    (root / "etc/libvirt/qemu.conf").write_text('stdio_handler = "logd"\n')
    virtqemud.start()
    assert "virtlogd cannot be reached" in virtqemud.try_virsh(*create).stderr


def _filesystem(path: Path) -> str:
    return (
        "<filesystem type='mount'><driver type='virtiofs'/>"
        f"<source dir='{path}'/><target dir='tag'/></filesystem>"
    )


_BROKEN = (
    "<qemu:commandline xmlns:qemu='http://libvirt.org/schemas/domain/qemu/1.0'>"
    "<qemu:arg value='-nosuchoption'/></qemu:commandline></domain>"
)
