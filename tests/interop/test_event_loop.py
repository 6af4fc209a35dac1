# SPDX-License-Identifier: Apache-2.0
"""``virsh event --all --loop`` beside libvirtd 9 and ours: a guest's whole life, a daemon's end.

The guest has a kernel, is started with ``virsh start --console`` and obeys its power button.
"""

from __future__ import annotations

import contextlib
import os
import pty
import re
import select
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from tests.interop.reference import Libvirtd, needs_libvirtd
from virloom.testing import guest as tiny
from virloom.testing.documents import paused_guest_xml, tiny_guest_xml

pytestmark = [*needs_libvirtd, pytest.mark.timeout(240)]

STEP = 90
_UUID = "<uuid>11111111-2222-3333-4444-555555555555</uuid><memory"


class Terminal:
    """virsh on a terminal: what it has printed so far."""

    def __init__(self, uri: str, *words: str) -> None:
        self._fd, theirs = pty.openpty()
        self.process = subprocess.Popen(
            ["virsh", "-c", uri, *words],
            stdin=theirs, stdout=theirs, stderr=theirs, start_new_session=True,
        )  # fmt: skip
        os.close(theirs)
        self.text = ""

    def await_(self, pattern: str, count: int = 1) -> None:
        """Reads until *pattern* has been printed *count* times."""
        deadline = time.monotonic() + STEP
        while len(re.findall(pattern, self.text)) < count:
            assert time.monotonic() < deadline, f"no {pattern} in:\n{self.text}"
            assert self._read(1) is not None, f"virsh ended without {pattern}:\n{self.text}"

    def type(self, data: bytes) -> None:
        """What a user types."""
        os.write(self._fd, data)

    def end(self, number: int = 0) -> int:
        """Sends a signal if one is named, and reads to the end; the exit code."""
        if number:
            self.process.send_signal(number)
        deadline = time.monotonic() + STEP
        while self._read(0.2) is not None and time.monotonic() < deadline:
            continue
        return self.process.wait(STEP)

    def close(self) -> None:
        """Also ends what a failed test left."""
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait()
        os.close(self._fd)

    def _read(self, seconds: float) -> int | None:
        """The number of bytes that came in time; None at the end."""
        if not select.select([self._fd], [], [], seconds)[0]:
            return None if self.process.poll() is not None else 0
        try:
            data = os.read(self._fd, 1 << 16)
        except OSError:  # EIO: nobody has the other side any more
            return None
        self.text += data.decode(errors="replace").replace("\r\n", "\n")
        return len(data)


def virsh(uri: str, *words: str) -> str:
    """What virsh prints for what must succeed."""
    done = subprocess.run(
        ["virsh", "-c", uri, *words], stdin=subprocess.DEVNULL, capture_output=True, text=True,
        timeout=STEP, check=False,
    )  # fmt: skip
    assert done.returncode == 0, f"virsh {words}: {done.stderr}"
    return done.stdout


def guest_document(directory: Path) -> Path:
    """A guest's, whose files another user can read, too."""
    files = {tiny.kernel(): directory / "kernel", tiny.initramfs(): directory / "initramfs"}
    text = tiny_guest_xml("talk").replace("<memory", _UUID, 1)
    for own, copy in files.items():
        shutil.copyfile(own, copy)
        copy.chmod(0o644)
        assert str(own) in text
        text = text.replace(str(own), str(copy))
    path = directory / "talk.xml"
    path.write_text(text)
    return path


def life(uri: str, directory: Path) -> list[str]:
    """Defined, started, paused, rebooted, shut down, destroyed; the lines that virsh printed."""
    document = guest_document(directory)
    with contextlib.ExitStack() as stack:
        events = stack.enter_context(contextlib.closing(Terminal(uri, "event", "--all", "--loop")))
        time.sleep(2)  # it says nothing when it listens
        virsh(uri, "define", str(document))
        events.await_("Defined")
        console = stack.enter_context(
            contextlib.closing(Terminal(uri, "start", "talk", "--console"))
        )
        console.await_(tiny.READY)
        console.type(b"echo =$((6 * 7))=\n")
        console.await_("=42=")
        virsh(uri, "suspend", "talk")
        virsh(uri, "resume", "talk")
        events.await_("Resumed")
        virsh(uri, "desc", "talk", "--live", "--new-desc", "words")
        virsh(uri, "metadata", "talk", "--uri", "urn:x", "--key", "k", "--set", "<a/>", "--live")
        virsh(uri, "reboot", "talk")
        console.await_(tiny.READY, 2)
        events.await_("reboot")
        reason = virsh(uri, "domstate", "talk", "--reason").strip()
        console.type(b"\x1d")
        assert console.end() == 0
        virsh(uri, "shutdown", "talk")
        events.await_("Stopped")
        virsh(uri, "start", "talk", "--paused")
        virsh(uri, "destroy", "talk")
        events.await_("Stopped", 2)
        virsh(uri, "undefine", "talk")
        events.await_("Undefined")
        code = events.end(signal.SIGINT)
        # The firmware may reset once more; virsh's count goes with it.
        text = re.sub(r"(event 'reboot' .*\n)+", r"\1", events.text)
        lines = re.sub(r"(events received: )\d+", r"\1N", text).splitlines()
    banner = [line for line in console.text.splitlines() if "onsole" in line or "Escape" in line]
    return [f"exit code {code}", *lines, *banner, reason]


@pytest.mark.long
def test_a_guests_life_is_told_alike(libvirtd: Libvirtd, virtqemud: Any) -> None:
    sides = [(libvirtd.uri, libvirtd.directory), (virtqemud.uri(), virtqemud.root)]
    with ThreadPoolExecutor(2) as both:
        theirs, ours = both.map(lambda side: life(*side), sides)
    assert ours == theirs
    assert any("Shutdown" in line for line in theirs)


class Ended(NamedTuple):
    """How a client saw the end of its daemon."""

    code: int
    lines: list[str]


def seen_end(uri: str, directory: Path, process: Any, number: int) -> Ended:
    """A daemon with a guest gets a signal; what ``virsh event`` says of it."""
    path = directory / "paused.xml"
    path.write_text(paused_guest_xml("stays"))
    with contextlib.closing(Terminal(uri, "event", "--all", "--loop")) as events:
        time.sleep(2)
        virsh(uri, "create", str(path), "--paused")
        events.await_("Started|Suspended")
        process.send_signal(number)
        code = events.end()
        text = events.text.replace(uri, "@URI@")
    return Ended(code, text.splitlines())


@pytest.fixture
def own_libvirtd() -> Iterator[Libvirtd]:
    """One that the test ends; its guest ends with the fixture."""
    with tempfile.TemporaryDirectory(prefix="lv-") as name:
        Path(name).chmod(0o755)
        daemon = Libvirtd(Path(name))
        place = None
        try:
            daemon.await_socket()
            root = os.open(f"/proc/{daemon.process.pid}/root", os.O_RDONLY)
            place = os.open("run", os.O_RDONLY, dir_fd=root)  # outlives the mount namespace
            os.close(root)
            yield daemon
        finally:
            daemon.end()
            if place is not None:
                _end_guest(place)


def _end_guest(run: int) -> None:
    """By the pid file in libvirtd's own /run."""
    with contextlib.ExitStack() as stack:
        stack.callback(os.close, run)
        try:
            fd = os.open("libvirt/qemu/stays.pid", os.O_RDONLY, dir_fd=run)
        except FileNotFoundError:  # it was never started
            return
        with os.fdopen(fd) as file:
            os.kill(int(file.read()), signal.SIGKILL)


@pytest.mark.parametrize(
    "number", [pytest.param(signal.SIGTERM, marks=pytest.mark.long), signal.SIGKILL]
)
def test_a_daemons_end_is_told_alike(
    own_libvirtd: Libvirtd, virtqemud: Any, number: signal.Signals
) -> None:
    theirs = seen_end(own_libvirtd.uri, own_libvirtd.directory, own_libvirtd.process, number)
    ours = seen_end(virtqemud.uri(), virtqemud.root, virtqemud.process, number)
    virtqemud.process.wait(STEP)
    virtqemud.process = None
    virtqemud.start()
    assert ours == theirs
    assert virtqemud.virsh("domstate", "stays") == "paused"
