# SPDX-License-Identifier: Apache-2.0
"""Leases on the disks of guests: with libvirt's daemons, with ours, and with one of each."""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import pytest

from tests.interop.conftest import STEP, Virtlockd, Virtqemud
from tests.interop.reference import Libvirtd, needs_libvirtd
from tests.interop.test_virtlockd import REFERENCE, becomes_free, held_by_another, is_free
from virloom.host.files import write_atomic

pytestmark = [*needs_libvirtd, pytest.mark.timeout(120)]

SESSION = Path(__file__).parent / "sessions" / "locks.py"

GUEST = """<domain type='qemu'><name>{name}</name><memory unit='MiB'>32</memory>
<os><type arch='x86_64' machine='q35'>hvm</type></os>
<devices><disk type='file'><driver name='qemu' type='raw'/><source file='{image}'/>
<target dev='sda'/></disk><memballoon model='none'/></devices></domain>"""

CONFIG = 'lock_manager = "lockd"\nsecurity_driver = "none"\nuser = "root"\ngroup = "root"\n'

_THEIRS = """
printf '{config}' >> /etc/libvirt/qemu.conf
printf '{lockd}' > /etc/libvirt/qemu-lockd.conf
mkdir -p /run/libvirt
{program} & echo $! > {pid}
while [ ! -S /run/libvirt/virtlockd-sock ]; do sleep 0.02; done
"""


@contextmanager
def directory() -> Iterator[Path]:
    path = Path(tempfile.mkdtemp(prefix="vl"))
    path.chmod(0o755)
    try:
        yield path
    finally:
        shutil.rmtree(path)


@contextmanager
def theirs(place: Path, lockd: str = "", program: str = str(REFERENCE)) -> Iterator[Libvirtd]:
    """libvirtd with a virtlockd of its own in its namespace."""
    pid = place / "virtlockd.pid"
    extra = CONFIG.partition("\n")[0] + "\n"
    before = _THEIRS.format(
        config=extra.replace("\n", "\\n"), lockd=lockd.replace("\n", "\\n"), pid=pid,
        program=program,
    )  # fmt: skip
    daemon = Libvirtd(place, before=before)
    try:
        daemon.await_socket()
        yield daemon
    finally:
        daemon.end()
        with suppress(ProcessLookupError, ValueError):
            os.kill(int(pid.read_text()), signal.SIGTERM)


_OURS = f'{sys.executable} -c "from virloom.daemons.virtlockd import main; main()"'


class Ours:
    """Our two daemons over one root."""

    def __init__(self, root: Path, lockd: str = "") -> None:
        self.root = root
        self.qemu, self.lock = Virtqemud(root), Virtlockd(root)
        settings = root / "etc/libvirt"
        settings.mkdir(parents=True)
        write_atomic(settings / "qemu.conf", CONFIG.encode())
        write_atomic(settings / "qemu-lockd.conf", lockd.encode())

    def virsh(self, *words: str) -> str:
        return self.qemu.virsh(*words)

    def refused(self, *words: str) -> str:
        done = self.qemu.try_virsh(*words)
        assert done.returncode != 0
        return done.stderr

    def end(self) -> None:
        if self.qemu.process is not None:
            for name in self.virsh("list", "--name").split():
                self.virsh("destroy", name)
        for daemon in (self.qemu, self.lock):
            if daemon.process is not None:
                assert daemon.signal(signal.SIGTERM) == 0, daemon.log()


@contextmanager
def ours(root: Path, lockd: str = "") -> Iterator[Ours]:
    daemons = Ours(root, lockd)
    try:
        daemons.lock.start()
        daemons.qemu.start()
        yield daemons
    finally:
        daemons.end()


def steps(uri: str, place: Path) -> list[Any]:
    done = subprocess.run(
        ["/usr/bin/python3", str(SESSION), uri, str(place)],
        stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=250, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    said = re.sub("[0-9a-f]{64}", "HASH", done.stdout.replace(str(place), "DIR"))
    return [json.loads(line) for line in said.splitlines()]


@pytest.mark.long
@pytest.mark.timeout(600)
def test_the_same_session() -> None:
    with directory() as place, theirs(place, f'file_lockspace_dir = "{place}/space"\n') as daemon:
        expected = steps(daemon.uri, place)
    with directory() as place, ours(place, f'file_lockspace_dir = "{place}/space"\n') as daemons:
        found = steps(daemons.qemu.uri(), place)
    different = [(a, b) for a, b in zip(expected, found, strict=True) if a != b]
    assert not different, "\n\n".join(f"libvirt {a}\nours    {b}" for a, b in different)


def write_guest(place: Path, name: str, image: Path) -> str:
    path = place / f"{name}.xml"
    path.write_text(GUEST.format(name=name, image=image))
    return str(path)


def pid_of(daemons: Ours, name: str) -> int:
    record = json.loads((daemons.root / f"run/libvirt/qemu/{name}.json").read_text())
    return int(record["process"]["pid"])


def made_image(place: Path) -> Path:
    image = place / "image"
    with image.open("w") as file:
        file.truncate(1 << 20)
    return image


def test_a_lease_outlives_every_daemon() -> None:
    """Killed, one after the other, and both at once; the guest's own end gives it back."""
    with directory() as place, ours(place) as daemons:
        image = made_image(place)
        one = write_guest(place, "one", image)
        daemons.virsh("create", one)
        assert not is_free(image)
        for killed in ([daemons.qemu], [daemons.lock], [daemons.lock, daemons.qemu]):
            for daemon in killed:
                daemon.signal(signal.SIGKILL)
            for daemon in killed:
                daemon.start()
            assert not is_free(image)
        assert "Failed to get" in daemons.refused("create", write_guest(place, "two", image))
        daemons.virsh("suspend", "one")
        assert is_free(image)
        with held_by_another(image):
            assert "is locked" in daemons.refused("resume", "one")
            assert daemons.virsh("domstate", "one") == "paused"
        daemons.virsh("resume", "one")
        assert not is_free(image)
        daemons.qemu.signal(signal.SIGKILL)
        os.kill(pid_of(daemons, "one"), signal.SIGKILL)
        becomes_free(image)
        daemons.lock.signal(signal.SIGTERM)
        daemons.qemu.start()
        assert "virtlockd cannot be reached" in daemons.refused("create", one) or (
            "there is no virtlockd here" in daemons.refused("create", one)
        )
        assert not (place / "run/libvirt/qemu/one.json").exists()


@contextmanager
def libvirts_virtlockd(root: Path) -> Iterator[None]:
    """libvirt's, whose ``/run/libvirt`` is that of *root*."""
    run = root / "run/libvirt"
    script = (
        "for place in /etc/libvirt /run; do mount -t tmpfs private $place; done; "
        f"mkdir /run/libvirt; mount --bind {run} /run/libvirt; exec {REFERENCE}"
    )
    process = subprocess.Popen(
        ["unshare", "--mount", "--propagation", "private", "sh", "-ec", script],
        stdin=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
    )  # fmt: skip
    try:
        yield
    finally:
        process.kill()
        process.wait(STEP)


@pytest.mark.long
def test_our_guests_with_libvirts_virtlockd() -> None:
    """Also when nobody but the next virtqemud can tell it that a guest has ended."""
    with directory() as place, ours(place) as daemons:
        image = made_image(place)
        one = write_guest(place, "one", image)
        daemons.lock.signal(signal.SIGTERM)
        with libvirts_virtlockd(place):
            becomes_there(place / "run/libvirt/virtlockd-sock")
            with held_by_another(image):
                assert f"'{image}' is locked" in daemons.refused("create", one)
            for _ in range(2):
                daemons.virsh("create", one)
                assert not is_free(image)
                daemons.qemu.signal(signal.SIGKILL)
                os.kill(pid_of(daemons, "one"), signal.SIGKILL)
                daemons.qemu.start()
                becomes_free(image)
            daemons.virsh("create", one)
            daemons.virsh("destroy", "one")
            becomes_free(image)


def becomes_there(path: Path) -> None:
    deadline = time.monotonic() + STEP
    while not path.is_socket():
        assert time.monotonic() < deadline
        time.sleep(0.02)


@pytest.mark.long
def test_libvirts_guests_with_our_virtlockd() -> None:
    with directory() as place, theirs(place, program=_OURS) as daemon:
        image = made_image(place)
        one = write_guest(place, "one", image)
        with held_by_another(image):
            assert f"'{image}' is locked" in virsh(daemon, "create", one).stderr
        for end in ("destroy", "kill"):
            assert virsh(daemon, "create", one).returncode == 0
            assert not is_free(image)
            if end == "kill":
                pid = (daemon.root / "run/libvirt/qemu/one.pid").read_text()
                os.kill(int(pid), signal.SIGKILL)
            else:
                assert virsh(daemon, "destroy", "one").returncode == 0
            becomes_free(image)


def virsh(daemon: Libvirtd, *words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        ["virsh", "-c", daemon.uri, *words],
        capture_output=True, text=True, timeout=STEP, check=False,
    )  # fmt: skip
