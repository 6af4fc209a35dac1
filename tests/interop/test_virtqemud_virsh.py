# SPDX-License-Identifier: Apache-2.0
"""libvirt's own virsh drives our virtqemud."""

from __future__ import annotations

import os
import select
import shutil
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from virloom.testing.documents import paused_guest_xml, tiny_guest_xml

pytestmark = pytest.mark.skipif(shutil.which("virsh") is None, reason="virsh is not installed")

STEP = 60


def define(daemon: Any, text: str) -> None:
    document = Path(daemon.root / "guest.xml")
    document.write_text(text)
    assert "defined from" in daemon.virsh("define", str(document))


def read_until(fd: int, wanted: bytes) -> bytes:
    """Reads until *wanted* came; fails after a time."""
    seen, end = b"", time.monotonic() + STEP
    while wanted not in seen:
        ready, _, _ = select.select([fd], [], [], max(0.0, end - time.monotonic()))
        assert ready, f"{wanted!r} did not come; there was {seen[-2000:]!r}"
        data = os.read(fd, 65536)
        assert data, f"the end came before {wanted!r}; there was {seen[-2000:]!r}"
        seen += data
    return seen


def test_a_guest_from_definition_to_the_end(virtqemud: Any) -> None:
    virsh: Callable[..., str] = virtqemud.virsh
    screen = virtqemud.root / "screen.png"
    define(virtqemud, paused_guest_xml("one", extra_devices="<video><model type='vga'/></video>"))
    assert "shut off" in virsh("list", "--all")
    assert "<name>one</name>" in virsh("dumpxml", "one")
    assert "'one' marked as autostarted" in virsh("autostart", "one")
    assert (virtqemud.root / "etc/libvirt/qemu/autostart/one.xml").is_symlink()
    virsh("autostart", "one", "--disable")
    assert virsh("start", "one") == "Domain 'one' started"
    assert virsh("domstate", "one", "--reason") == "running (booted)"
    assert "balloon.maximum=32768" in virsh("domstats", "one")
    virsh("suspend", "one")
    assert virsh("domstate", "one", "--reason") == "paused (user)"
    virsh("resume", "one")
    virsh("screenshot", "one", str(screen))
    assert screen.read_bytes().startswith(b"\x89PNG")
    assert "reset" in virsh("reset", "one")
    assert "running" in virsh("qemu-monitor-command", "one", "--hmp", "info status")
    assert virsh("destroy", "one") == "Domain 'one' destroyed"
    assert virsh("undefine", "one") == "Domain 'one' has been undefined"
    assert "one" not in virsh("list", "--all")


def test_what_does_not_exist_is_said_in_libvirts_words(virtqemud: Any) -> None:
    done = virtqemud.try_virsh("start", "nobody")
    assert done.returncode == 1
    assert "failed to get domain 'nobody'" in done.stderr
    done = virtqemud.try_virsh("net-list")
    assert done.returncode == 1
    assert "not supported by the connection driver: virConnectNumOfNetworks" in done.stderr


def test_the_read_only_socket_changes_nothing(virtqemud: Any) -> None:
    define(virtqemud, paused_guest_xml("kept"))
    assert "kept" in virtqemud.virsh("list", "--all", readonly=True)
    done = virtqemud.try_virsh("start", "kept", readonly=True)
    assert done.returncode == 1
    assert "operation forbidden: read only access prevents virDomainCreate" in done.stderr
    assert virtqemud.virsh("domstate", "kept") == "shut off"


def test_the_modes_of_the_sockets(virtqemud: Any) -> None:
    assert virtqemud.socket().stat().st_mode & 0o777 == 0o700
    assert virtqemud.socket(readonly=True).stat().st_mode & 0o777 == 0o777


@contextmanager
def listening(daemon: Any) -> Iterator[subprocess.Popen[bytes]]:
    """``virsh event --all --loop``, once its callbacks are registered."""
    command = ["stdbuf", "-oL", "virsh", "-c", daemon.uri(), "event", "--all", "--loop"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stdin=subprocess.DEVNULL) as process:
        try:
            yield process
        finally:
            process.send_signal(signal.SIGINT)
            process.wait(STEP)


def test_events(virtqemud: Any) -> None:
    define(virtqemud, paused_guest_xml("told"))
    with listening(virtqemud) as process:
        assert process.stdout is not None
        output = process.stdout.fileno()
        end = time.monotonic() + STEP
        # It does not say when it listens: domains are defined until it hears of one.
        noise = 0
        while not select.select([output], [], [], 0.2)[0]:
            assert time.monotonic() < end
            define(virtqemud, paused_guest_xml(f"noise{noise}"))
            noise += 1
        virtqemud.virsh("start", "told")
        virtqemud.virsh("suspend", "told")
        virtqemud.virsh("resume", "told")
        virtqemud.virsh("destroy", "told")
        seen = read_until(output, b"Stopped Destroyed")
    for what in (b"Started Booted", b"Suspended Paused", b"Resumed Unpaused"):
        assert b"event 'lifecycle' for domain 'told': " + what in seen


def test_the_console(virtqemud: Any) -> None:
    define(virtqemud, tiny_guest_xml("talks"))
    ours, theirs = os.openpty()
    process = subprocess.Popen(
        ["virsh", "-c", virtqemud.uri(), "start", "talks", "--console"],
        stdin=theirs, stdout=theirs, stderr=theirs, start_new_session=True,
    )  # fmt: skip
    os.close(theirs)
    try:
        read_until(ours, b"VIRLOOM-GUEST-READY")
        os.write(ours, b"echo $((40 + 2)) is it\r")
        read_until(ours, b"42 is it")
        virtqemud.virsh("destroy", "talks")
        process.wait(STEP)
    finally:
        process.kill()
        process.wait()
        os.close(ours)


def test_guests_outlive_a_killed_daemon(virtqemud: Any) -> None:
    define(virtqemud, paused_guest_xml("stays"))
    virtqemud.virsh("start", "stays")
    before = virtqemud.virsh("qemu-monitor-command", "stays", '{"execute":"query-uuid"}')
    assert virtqemud.signal(signal.SIGKILL) == -signal.SIGKILL
    virtqemud.start()
    assert virtqemud.virsh("domstate", "stays") == "running"
    assert virtqemud.virsh("domid", "stays") == "1"
    after = virtqemud.virsh("qemu-monitor-command", "stays", '{"execute":"query-uuid"}')
    assert before.split('"id"')[0] == after.split('"id"')[0]


def test_sigterm_leaves_guests_and_takes_the_sockets_away(virtqemud: Any) -> None:
    define(virtqemud, paused_guest_xml("stays"))
    virtqemud.virsh("start", "stays")
    assert virtqemud.signal(signal.SIGTERM) == 0
    assert not virtqemud.socket().exists()
    assert not (virtqemud.root / "run/virtqemud.pid").exists()
    virtqemud.start()
    assert virtqemud.virsh("domstate", "stays") == "running"


def test_a_client_that_goes_takes_its_autodestroy_guest_along(virtqemud: Any) -> None:
    document = virtqemud.root / "guest.xml"
    document.write_text(paused_guest_xml("short"))
    shell = subprocess.Popen(
        ["virsh", "-c", virtqemud.uri()], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )
    assert shell.stdin is not None
    assert shell.stdout is not None
    shell.stdin.write(f"create {document} --autodestroy\n".encode())
    shell.stdin.flush()
    read_until(shell.stdout.fileno(), b"created from")
    assert virtqemud.virsh("domstate", "short") == "running"
    shell.kill()
    shell.communicate()
    end = time.monotonic() + STEP
    while virtqemud.virsh("list", "--name"):
        assert time.monotonic() < end


def test_sighup_brings_new_documents(virtqemud: Any) -> None:
    define(virtqemud, paused_guest_xml("first"))
    folder = virtqemud.root / "etc/libvirt/qemu"
    uuid = virtqemud.virsh("domuuid", "first")
    text = (folder / "first.xml").read_text()
    other = text.replace("<name>first<", "<name>second<").replace(uuid, _other(uuid))
    (folder / "second.xml").write_text(other)
    virtqemud.process.send_signal(signal.SIGHUP)
    end = time.monotonic() + STEP
    while "second" not in virtqemud.virsh("list", "--all", "--name").split():
        assert time.monotonic() < end


def _other(uuid: str) -> str:
    return ("0" if uuid[0] != "0" else "1") + uuid[1:]
