# SPDX-License-Identifier: Apache-2.0
"""``virloom daemons``: the family in the foreground, watched and started again."""

from __future__ import annotations

import os
import queue
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.interop.conftest import STEP
from tests.system.conftest import qemu_processes
from virloom.daemons import FAMILY
from virloom.testing.documents import paused_guest_xml

COMMAND = [sys.executable, "-c", "from virloom.cli.main import main; raise SystemExit(main())"]


class Foreground:
    """The command, and its lines as they come."""

    def __init__(self, root: Path, *options: str) -> None:
        self.root = root
        self.process = subprocess.Popen(
            [*COMMAND, "daemons", "--root", str(root), *options],
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True,
            start_new_session=True,
        )  # fmt: skip
        self.lines: queue.Queue[str] = queue.Queue()
        self.reader = threading.Thread(target=self._read)
        self.reader.start()

    def _read(self) -> None:
        assert self.process.stdout is not None
        for line in self.process.stdout:
            self.lines.put(line.strip())

    def next(self) -> str:
        return self.lines.get(timeout=STEP)

    def ready(self, count: int) -> dict[str, int]:
        """Process ids by name of the next daemons that are ready."""
        found: dict[str, int] = {}
        while len(found) < count:
            said = re.fullmatch(r"(\w+): ready as process (\d+)", self.next())
            if said is not None:
                found[said[1]] = int(said[2])
        return found

    def virsh(self, *words: str, socket: str = "libvirt-sock") -> str:
        uri = f"qemu+unix:///system?socket={self.root}/run/libvirt/{socket}"
        done = subprocess.run(
            ["virsh", "-q", "-c", uri, *words], capture_output=True, text=True, timeout=STEP
        )
        assert done.returncode == 0, done.stderr
        return done.stdout.strip()

    def end(self, number: int = signal.SIGTERM) -> int:
        self.process.send_signal(number)
        code = self.process.wait(STEP)
        self.reader.join(STEP)
        assert self.process.stdout is not None
        self.process.stdout.close()
        return code


@pytest.fixture
def root() -> Iterator[Path]:
    if shutil.which("virsh") is None:
        pytest.skip("virsh is not installed")
    path = Path(tempfile.mkdtemp(prefix="vd"))
    path.chmod(0o755)
    yield path
    shutil.rmtree(path)


def _guest(root: Path) -> int:
    """The process of the only guest below the root."""
    (pid,) = qemu_processes(root)
    return pid


def test_the_family_is_up_watched_and_ended(root: Path) -> None:
    family = Foreground(root)
    try:
        pids = family.ready(len(FAMILY))
        assert set(pids) == set(FAMILY.values())
        (root / "guest.xml").write_text(paused_guest_xml("web"))
        family.virsh("define", str(root / "guest.xml"))
        family.virsh("start", "web", "--paused")
        assert os.getpgid(_guest(root)) not in {os.getpgid(pid) for pid in pids.values()}
        assert os.getpgid(_guest(root)) != os.getpgid(family.process.pid)
        for name in FAMILY.values():
            os.kill(pids[name], signal.SIGKILL)
            assert family.next() == f"{name}: ended by SIGKILL; again in 0.1 s"
            again = family.ready(1)
            assert again.keys() == {name}
            assert again[name] != pids[name]
            assert os.getpgid(again[name]) != os.getpgid(family.process.pid)
            assert family.virsh("domstate", "web") == "paused"
            assert family.virsh("secret-list") == ""
            assert "lo" in family.virsh("iface-list", "--all").split()
        family.virsh("destroy", "web")
    finally:
        code = family.end()
    assert code == 0
    said = [family.lines.get_nowait() for _ in range(family.lines.qsize())]
    assert sorted(said) == [f"{name}: ended" for name in sorted(pids)]
    assert not list((root / "run/libvirt").glob("*-sock"))


def test_what_guests_need_is_there_before_they_are_started(root: Path) -> None:
    (root / "etc/libvirt").mkdir(parents=True)
    (root / "etc/libvirt/qemu.conf").write_text('stdio_handler = "logd"\n')
    document = paused_guest_xml("web")  # it runs firmware, and nothing else
    (root / "guest.xml").write_text(document)
    for run in range(2):
        family = Foreground(root, "--only", "qemu,secret,log")
        try:
            ready = list(family.ready(3))
            assert ready[2] == "virtqemud"
            if run == 0:
                family.virsh("define", str(root / "guest.xml"), socket="virtqemud-sock")
                family.virsh("autostart", "web", socket="virtqemud-sock")
            else:  # as after a boot
                assert family.virsh("domstate", "web", socket="virtqemud-sock") == "running"
                family.virsh("destroy", "web", socket="virtqemud-sock")
        finally:
            assert family.end() == 0
        shutil.rmtree(root / "run")


def test_only_some_and_an_interrupt(root: Path) -> None:
    family = Foreground(root, "--only", "secret")
    assert set(family.ready(1)) == {"virtsecretd"}
    assert family.end(signal.SIGINT) == 0
    assert family.lines.get_nowait() == "virtsecretd: ended"


def test_one_that_cannot_start_is_given_up(root: Path) -> None:
    (root / "etc/libvirt").mkdir(parents=True)
    (root / "etc/libvirt/virtsecretd.conf").write_text("nosuch = 1\n")
    family = Foreground(root, "--only", "secret")
    lines = [family.next() for _ in range(5)]
    assert lines[0] == "virtsecretd: ended with exit code 1; again in 0.1 s"
    assert lines[4] == "virtsecretd: ended with exit code 1; given up after 5 attempts"
    assert family.process.wait(STEP) == 1
    assert family.end() == 1


def test_an_unknown_daemon_is_a_wrong_command_line(root: Path) -> None:
    command = [*COMMAND, "daemons", "--root", str(root), "--only", "qemu,weather"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=STEP)
    assert done.returncode == 2
    assert "there is no daemon 'weather'" in done.stderr
