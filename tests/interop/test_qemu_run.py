# SPDX-License-Identifier: Apache-2.0
"""virt-qemu-run, ours and libvirt's, with the same real guest."""

from __future__ import annotations

import contextlib
import os
import re
import select
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.interop.programs import needs, ours, run
from virloom.testing.documents import tiny_guest_xml

pytestmark = needs("virt-qemu-run", root=True)

OURS = ours("qemu_run")
THEIRS = ["virt-qemu-run"]
#: That libvirt's own program does what is expected is seen by `make long`.
BOTH = pytest.mark.parametrize(
    "command", [OURS, pytest.param(THEIRS, marks=pytest.mark.long)], ids=["ours", "theirs"]
)
SECONDS = 60
UUID = "11111111-2222-3333-4444-555555555555"


@pytest.fixture
def place() -> Iterator[Path]:
    """A directory that QEMU's user may use, with a root whose guests need no other daemon."""
    with tempfile.TemporaryDirectory(prefix="qr") as name:
        path = Path(name)
        path.chmod(0o777)
        (path / "root/etc").mkdir(parents=True)
        words = 'stdio_handler = "file"\nsecurity_driver = "none"\nuser = "root"\ngroup = "root"\n'
        (path / "root/etc/qemu.conf").write_text(words)
        yield path


def _with_own_files(document: str, place: Path) -> str:
    """The document with copies of kernel and initramfs.

    libvirt notes in a file's attributes who uses it, and others of this host may do that now.
    """
    for name in ("kernel", "initrd"):
        (path,) = re.findall(f"<{name}>(.*)</{name}>", document)
        shutil.copyfile(path, place / name)
        document = document.replace(f"<{name}>{path}<", f"<{name}>{place / name}<")
    return document


class Running:
    """The program, and the console of its guest."""

    def __init__(self, command: list[str], place: Path, *words: str) -> None:
        self._console = place / "console"
        document = tiny_guest_xml("run", console=f"unix:{self._console}")
        (place / "guest.xml").write_text(_with_own_files(document, place))
        self.process = subprocess.Popen(
            [*command, "-r", str(place / "root"), *words, str(place / "guest.xml")],
            stdin=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True,
        )  # fmt: skip
        self.socket = socket.socket(socket.AF_UNIX)
        self.socket.settimeout(SECONDS)

    def boot(self) -> None:
        """Returns when the guest is up."""
        deadline = time.monotonic() + SECONDS
        while self.socket.connect_ex(str(self._console)):
            assert self.process.poll() is None, self.process.communicate()[1]
            assert time.monotonic() < deadline
            time.sleep(0.05)
        shown = b""
        # What it said before we were there is lost; its shell answers once it reads.
        while b"a42b" not in shown:
            assert time.monotonic() < deadline, shown
            if select.select([self.socket], [], [], 0.5)[0]:
                shown += self.socket.recv(65536)
            else:
                self.socket.sendall(b"echo a$((6 * 7))b\n")

    def guest(self) -> int:
        """The process of its QEMU, known by its log."""
        place = str(self._console.parent)
        for name in os.listdir("/proc"):
            with contextlib.suppress(OSError):
                if name.isdigit() and os.readlink(f"/proc/{name}/fd/2").startswith(place):
                    return int(name)
        raise AssertionError("there is no QEMU")

    def end(self) -> tuple[int, str]:
        """Exit code and last words."""
        words = self.process.communicate(timeout=SECONDS)[1]
        self.socket.close()
        return self.process.returncode, words


def test_a_guest_that_powers_off(place: Path) -> None:
    """libvirt's program does not notice it on our test machines, and waits for ever."""
    running = Running(OURS, place, "-v")
    running.boot()
    running.socket.sendall(b"poweroff -f\n")
    code, words = running.end()
    assert code == 0
    assert "guest running, Ctrl-C to stop now" in words
    assert "cleaned up, exiting" in words


@BOTH
@pytest.mark.parametrize(
    "number",
    [
        signal.SIGINT,
        pytest.param(signal.SIGTERM, marks=pytest.mark.long),
        pytest.param(signal.SIGHUP, marks=pytest.mark.long),
    ],
)
def test_a_signal_ends_both(command: list[str], number: signal.Signals, place: Path) -> None:
    running = Running(command, place)
    running.boot()
    guest = os.pidfd_open(running.guest())
    try:
        running.process.send_signal(number)
        assert running.end()[0] == 0
        assert select.select([guest], [], [], 5)[0]
    finally:
        os.close(guest)


def test_a_killed_guest_is_a_failure_here(place: Path) -> None:
    running = Running(OURS, place)
    running.boot()
    os.kill(running.guest(), signal.SIGKILL)
    assert running.end() == (1, "virt-qemu-run: guest 'run' failed\n")


def test_the_guest_dies_with_the_program(place: Path) -> None:
    running = Running(OURS, place)
    running.boot()
    guest = os.pidfd_open(running.guest())
    try:
        running.process.kill()
        assert running.end()[0] == -signal.SIGKILL
        assert select.select([guest], [], [], 10)[0], "the guest outlives its program"
    finally:
        os.close(guest)


@BOTH
def test_a_secret(command: list[str], place: Path) -> None:
    document = f"<secret><uuid>{UUID}</uuid><usage type='ceph'><name>n</name></usage></secret>"
    (place / "secret.xml").write_text(document)
    (place / "value").write_bytes(b"hush")
    running = Running(command, place, "-s", f"{place / 'secret.xml'},{place / 'value'}")
    running.boot()
    running.process.send_signal(signal.SIGTERM)
    assert running.end()[0] == 0
    assert [path.read_text() for path in place.glob("root/**/*.base64")] == ["aHVzaA=="]


def test_without_a_root_nothing_is_left(place: Path) -> None:
    (place / "guest.xml").write_text(tiny_guest_xml("run", console="null"))
    process = subprocess.Popen(
        [*OURS, "-v", str(place / "guest.xml")],
        stderr=subprocess.PIPE, text=True, env={**os.environ, "TMPDIR": str(place)},
    )  # fmt: skip
    assert process.stderr is not None
    with process.stderr:
        for line in process.stderr:
            if "guest running" in line:
                assert list(place.glob("virt-qemu-run-*"))
                process.send_signal(signal.SIGINT)
    assert process.wait(SECONDS) == 0
    assert not list(place.glob("virt-qemu-run-*"))


@pytest.mark.parametrize(
    "words",
    [
        [], ["no.xml"], ["a", "b"], ["--nothing"], ["-s", "one", "empty.xml"],
        ["-s", "no.xml,no", "empty.xml"], ["-s", "empty.xml,empty.xml", "empty.xml"],
        ["-r", "ROOT", "empty.xml"], ["--root=ROOT", "nameless.xml"], ["-h"], ["--help"],
    ],
    ids=lambda words: " ".join(words) or "nothing",
)  # fmt: skip
def test_the_same_exit_codes(words: list[str], place: Path) -> None:
    (place / "empty.xml").write_text("")
    (place / "nameless.xml").write_text("<domain type='qemu'/>")
    given = [word.replace("ROOT", str(place / "root")) for word in words]
    done, theirs = (run([*command, *given], cwd=place) for command in (OURS, THEIRS))
    assert done.returncode == theirs.returncode, (done.stderr, theirs.stderr)
    assert "Traceback" not in done.stderr


def test_the_version_is_ours_alone() -> None:
    done = run([*OURS, "-V"])
    assert (done.returncode, done.stdout) == (0, "virt-qemu-run (libvirt) 9.0.0\n")
