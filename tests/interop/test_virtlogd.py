# SPDX-License-Identifier: Apache-2.0
"""virtlogd: its answers beside libvirt's, and what it hands to the next process."""

from __future__ import annotations

import ctypes
import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import closing, suppress
from pathlib import Path
from typing import Any

import pytest

from tests.interop.conftest import STEP, Virtlogd
from tests.interop.log_client import Client, Position, told
from virloom.errors import VirloomError

REFERENCE = Path("/usr/sbin/virtlogd")


def session(client: Client, directory: str, settle: Callable[[], None]) -> list[str]:
    """One step after the other; *settle*: until what was written is in the file."""
    a, b, none = f"{directory}/a.log", f"{directory}/b.log", f"{directory}/none.log"
    found: list[Any] = []
    result, (pipe,) = client.open(a)
    start = result.pos
    found += [result, client.open(a)[0], client.open("/nosuch/a.log")[0]]
    found += [client.position(a), client.position(none), client.position(a, 1)]
    os.write(pipe, b"a line\n")
    settle()
    found += [client.position(a), client.append(a, "ours\n"), client.append(b, "closed\n")]
    found += [client.append(a, "x", 4), client.read(a, start, 100), client.read(a, start, 3)]
    found += [client.read(a, Position(start.inode, 7), 100), client.read(a, start, 1 << 40)]
    found += [client.read(a, Position(start.inode, 700), 100), client.read(a, start, 100, 1)]
    os.close(pipe)
    settle()
    result, (pipe,) = client.open(a)
    found.append(result)
    os.close(pipe)
    settle()
    result, (pipe,) = client.open(a, 1)
    found.append(result)
    os.close(pipe)
    return [told(each).replace(directory, "DIR") for each in found]


_SCRIPT = """
for place in /etc/libvirt /run /var/log/libvirt; do
    mkdir -p $place; mount -t tmpfs -o mode=755 private $place
done
mkdir -p /run/libvirt /var/log/libvirt/qemu
exec {program}
"""


@pytest.fixture
def reference() -> Iterator[Path]:
    """libvirt's own daemon in a mount namespace; the root that it sees."""
    if not REFERENCE.exists() or os.geteuid() != 0:
        pytest.skip("libvirt's virtlogd is not installed, or this is not root")
    process = subprocess.Popen(
        ["unshare", "--mount", "--propagation", "private", "sh", "-ec",
         _SCRIPT.format(program=REFERENCE)],
        stdin=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
    )  # fmt: skip
    seen = Path(f"/proc/{process.pid}/root")
    deadline = time.monotonic() + STEP
    while not (seen / "run/libvirt/virtlogd-admin-sock").is_socket():
        assert time.monotonic() < deadline
        time.sleep(0.02)
    try:
        yield seen
    finally:
        process.terminate()
        process.wait(STEP)


@pytest.fixture
def virtlogd() -> Iterator[Virtlogd]:
    directory = Path(tempfile.mkdtemp(prefix="vl"))
    daemon = Virtlogd(directory)
    (directory / "etc/libvirt").mkdir(parents=True)
    (directory / "logs").mkdir()
    daemon.start()
    try:
        yield daemon
    finally:
        if daemon.process is not None:
            assert daemon.signal(signal.SIGTERM) == 0, daemon.log()
        shutil.rmtree(directory)


@pytest.mark.parity
def test_the_same_answers(reference: Path, virtlogd: Virtlogd) -> None:
    with closing(Client(reference / "run/libvirt/virtlogd-sock")) as theirs:
        expected = session(theirs, "/var/log/libvirt/qemu", lambda: time.sleep(0.2))
    with closing(Client(virtlogd.socket())) as ours:
        assert session(ours, str(virtlogd.root / "logs"), lambda: None) == expected


def test_wrong_configuration_is_refused(virtlogd: Virtlogd) -> None:
    assert virtlogd.signal(signal.SIGTERM) == 0
    (virtlogd.root / "etc/libvirt/virtlogd.conf").write_text("max_size = -1\n")
    done = subprocess.run(virtlogd.command, capture_output=True, text=True, timeout=STEP)
    assert done.returncode == 1
    assert "virtlogd.conf:1: max_size must be a number from 0" in done.stderr


def test_sigusr1_keeps_pipes_sockets_and_pid(virtlogd: Virtlogd) -> None:
    path = str(virtlogd.root / "logs/web.log")
    with closing(Client(virtlogd.socket())) as client:
        result, (pipe,) = client.open(path)
    for number in range(5):
        os.write(pipe, b"before %d\n" % number)
        os.kill(virtlogd.pid, signal.SIGUSR1)
        os.write(pipe, b"after %d\n" % number)
        wanted = "".join(f"before {each}\nafter {each}\n" for each in range(number + 1))
        assert _read_patiently(virtlogd, path, result.pos) == wanted
    assert virtlogd.process is not None
    assert virtlogd.process.poll() is None
    os.close(pipe)


def test_what_systemd_kept_is_gone_on_with(virtlogd: Virtlogd) -> None:
    """Its descriptor store hands over pipes by name, beside the sockets of the units."""
    path = str(virtlogd.root / "logs/web.log")
    with closing(Client(virtlogd.socket())) as client:
        result, (pipe,) = client.open(path)
    state = json.loads((virtlogd.root / "run/libvirt/virtlogd/logs.json").read_text())
    (name,) = state["logs"]
    assert virtlogd.process is not None
    virtlogd.process.send_signal(signal.SIGSTOP)  # so it takes nothing any more
    kept = _their_end(virtlogd.process.pid, pipe)
    os.write(pipe, b"while nobody was there\n")
    assert virtlogd.signal(signal.SIGKILL) == -signal.SIGKILL
    with socket.socket(socket.AF_UNIX) as listening:
        virtlogd.socket().unlink()
        listening.bind(str(virtlogd.socket()))
        listening.listen()
        process = _started_by_systemd(virtlogd, {"virtlogd.socket": listening.fileno(), name: kept})
        os.close(kept)
        with closing(Client(virtlogd.socket())) as client:
            os.write(pipe, b"and now\n")
            answer = told(client.read(path, result.pos, 1000))
        assert answer == "while nobody was there\nand now\n"
        os.close(pipe)
        process.terminate()
        assert process.wait(STEP) == 0
    assert virtlogd.socket().exists()  # systemd's, and systemd's to remove


def _alone(root: Path) -> list[int]:
    """Who goes on while there is no daemon."""
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            with suppress(OSError):
                words = (entry / "cmdline").read_bytes()
                if b"guestlog.alone" in words and str(root).encode() in words:
                    found.append(int(entry.name))
    return found


def test_an_orderly_end_loses_nothing_either(virtlogd: Virtlogd) -> None:
    path = virtlogd.root / "logs/web.log"
    other = virtlogd.root / "logs/other.log"
    with closing(Client(virtlogd.socket())) as client:
        result, (pipe,) = client.open(str(path))
        _, (short,) = client.open(str(other))
    os.write(pipe, b"before\n")
    for number in range(3):
        assert virtlogd.signal(signal.SIGTERM) == 0
        assert len(_alone(virtlogd.root)) == 1
        for _ in range(10):
            os.write(pipe, b"%d %s\n" % (number, b"x" * 50_000))  # more than the pipe holds
        if number == 1:
            os.close(short)
        virtlogd.start()
        os.write(pipe, b"%d again\n" % number)
    with closing(Client(virtlogd.socket())) as client:
        text = told(client.read(str(path), result.pos, 1 << 22)).replace("x", "")
        each = [line for at in range(3) for line in (*[f"{at} "] * 10, f"{at} again")]
        assert text.splitlines() == ["before", *each]
        assert isinstance(client.position(str(other)), VirloomError)
    assert virtlogd.signal(signal.SIGTERM) == 0
    os.close(pipe)
    deadline = time.monotonic() + STEP
    while _alone(virtlogd.root):  # its last guest has gone
        assert time.monotonic() < deadline
        time.sleep(0.02)
    virtlogd.start()


def _their_end(pid: int, pipe: int) -> int:
    """A copy of a process's end of *pipe*, from which it reads."""
    name = f"pipe:[{os.fstat(pipe).st_ino}]"
    number = next(
        int(entry.name)
        for entry in Path(f"/proc/{pid}/fd").iterdir()
        if os.readlink(entry) == name and not _writes(pid, entry.name)
    )
    held = os.pidfd_open(pid)
    try:
        return _copy_of(held, number)
    finally:
        os.close(held)


def _writes(pid: int, number: str) -> bool:
    """Whether a descriptor is for writing (proc(5), the octal flags of ``fdinfo``)."""
    found = re.search(r"flags:\s+(\d+)", Path(f"/proc/{pid}/fdinfo/{number}").read_text())
    assert found is not None
    return bool(int(found[1], 8) & os.O_ACCMODE)


def _copy_of(pidfd: int, number: int) -> int:
    """pidfd_getfd(2), which Python does not have."""
    copy = ctypes.CDLL(None, use_errno=True).syscall(438, pidfd, number, 0)
    assert copy >= 0, os.strerror(ctypes.get_errno())
    return int(copy)


#: Moves the descriptors of its first word to 3 and up, names them, and becomes the others.
_HAND_OVER = """
import fcntl, os, sys
fds = [fcntl.fcntl(int(fd), fcntl.F_DUPFD, 100) for fd in sys.argv[1].split(",")]
for at, fd in enumerate(fds):
    os.dup2(fd, 3 + at)
    os.close(fd)
os.environ.update(LISTEN_PID=str(os.getpid()), LISTEN_FDS=str(len(fds)), LISTEN_FDNAMES=sys.argv[2])
os.execv(sys.argv[3], sys.argv[3:])
"""


def _started_by_systemd(daemon: Virtlogd, handed: dict[str, int]) -> subprocess.Popen[bytes]:
    """A process that is handed descriptors as sd_listen_fds(3) has it."""
    numbers, names = ",".join(map(str, handed.values())), ":".join(handed)
    return subprocess.Popen(
        [sys.executable, "-c", _HAND_OVER, numbers, names, *daemon.command],
        pass_fds=list(handed.values()),
    )


def _read_patiently(daemon: Virtlogd, path: str, start: Position) -> str:
    """What a log has. A connection from before the renewal is hung up; the socket never is away."""
    deadline = time.monotonic() + STEP
    while True:
        with closing(Client(daemon.socket())) as client:
            try:
                return told(client.read(path, start, 1 << 20))
            except (AssertionError, OSError):
                assert time.monotonic() < deadline
