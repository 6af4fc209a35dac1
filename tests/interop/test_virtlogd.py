# SPDX-License-Identifier: Apache-2.0
"""virtlogd: its answers beside libvirt's, and guests that write while it is killed and renewed."""

from __future__ import annotations

import array
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

import virloom
from tests.interop.conftest import STEP, Virtqemud
from tests.interop.test_daemons import Foreground, root
from virloom.errors import VirloomError
from virloom.procedures import find
from virloom.procedures import log as p
from virloom.procedures.record import Procedure, Record
from virloom.rpc.connection import ClientConnection
from virloom.rpc.messages import Reply
from virloom.testing import guest as tiny
from virloom.testing.dialogue import Dialogue
from virloom.testing.documents import paused_guest_xml, tiny_guest_xml

__all__ = ["root"]

REFERENCE = Path("/usr/sbin/virtlogd")
GUEST = p.VirLogManagerProtocolDomain(bytes(16), "web")
Position = p.VirLogManagerProtocolLogFilePosition


class Virtlogd(Virtqemud):
    """Our daemon."""

    name = sockets = "virtlogd"


class Client:
    """Speaks the log program, and nothing else."""

    def __init__(self, path: Path) -> None:
        self._socket = socket.socket(socket.AF_UNIX)
        self._socket.settimeout(STEP)
        directory = os.open(path.parent, os.O_PATH)
        self._socket.connect(f"/proc/self/fd/{directory}/{path.name}")  # however long it is
        os.close(directory)
        self._connection = ClientConnection(find)

    def ask(self, procedure: Procedure[Any, Any], args: Record) -> tuple[Any, list[int]]:
        """The result, or the error, and the descriptors that came with it."""
        _, data = self._connection.call(procedure, args)
        self._socket.sendall(data)
        fds = array.array("i")
        while True:
            data, messages, _, _ = self._socket.recvmsg(1 << 16, 1024)
            assert data, "the daemon has hung up"
            for _, _, payload in messages:
                fds.frombytes(payload)
            for message in self._connection.receive(data, list(fds)):
                assert isinstance(message, Reply)
                return message.result, list(message.fds)

    def open(self, path: str, flags: int = 0) -> tuple[Any, list[int]]:
        args = p.VirLogManagerProtocolDomainOpenLogFileArgs("qemu", GUEST, path, flags)
        return self.ask(p.DOMAIN_OPEN_LOG_FILE, args)

    def append(self, path: str, text: str, flags: int = 0) -> Any:
        args = p.VirLogManagerProtocolDomainAppendLogFileArgs("qemu", GUEST, path, text, flags)
        return self.ask(p.DOMAIN_APPEND_LOG_FILE, args)[0]

    def position(self, path: str, flags: int = 0) -> Any:
        args = p.VirLogManagerProtocolDomainGetLogFilePositionArgs(path, flags)
        return self.ask(p.DOMAIN_GET_LOG_FILE_POSITION, args)[0]

    def read(self, path: str, start: Position, length: int, flags: int = 0) -> Any:
        args = p.VirLogManagerProtocolDomainReadLogFileArgs(path, start, length, flags)
        return self.ask(p.DOMAIN_READ_LOG_FILE, args)[0]

    def close(self) -> None:
        self._socket.close()


def told(result: Any) -> str:
    """An answer without what is different each time."""
    if isinstance(result, VirloomError):
        return f"{result.code} {result.message} {result.int1}"
    if hasattr(result, "pos"):
        return f"at {result.pos.offset}"
    return str(getattr(result, "data", getattr(result, "ret", None)))


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
    (root / "guest.xml").write_text(paused_guest_xml("web", console=f"file:{root}/port.txt"))
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
