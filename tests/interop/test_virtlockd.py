# SPDX-License-Identifier: Apache-2.0
"""virtlockd: its answers beside libvirt's, locks that both meet, and leases that outlive it."""

from __future__ import annotations

import fcntl
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import pytest

from tests.interop.conftest import STEP, Virtlockd
from tests.interop.lock_client import AUTOCREATE, SHARED, LockClient, owned
from tests.interop.watcher import Watcher
from virloom.host.range_lock import lock_range

REFERENCE = Path("/usr/sbin/virtlockd")


@contextmanager
def owner() -> Iterator[subprocess.Popen[bytes]]:
    """A process that has leases, in the place of QEMU."""
    process = subprocess.Popen(["sleep", "60"])
    try:
        yield process
    finally:
        process.kill()
        process.wait()


def session(path: Path, directory: Path) -> list[str]:
    """What each call answers, one after the other."""
    a, b, space = f"{directory}/a", f"{directory}/b", f"{directory}/space"
    for name in (a, b):
        Path(name).touch()
    with owner() as one, owner() as two, closing(LockClient(path)) as c:
        said = [c.acquire("", a), c.release("", a), c.restrict(), c.new(space)]
        said += [c.create(space, "k")]
        said += [c.delete(space, "k"), c.space(f"{space}2")]
        said += [c.register(one.pid, flags=1), c.register(one.pid), c.register(one.pid)]
        said += [c.acquire("", a), c.acquire("", a), c.acquire("", a, SHARED), c.acquire("", b, 8)]
        with closing(owned(path, two.pid)) as d:
            said += [d.acquire("", a), d.release("", a), c.release("", a), c.release("", a)]
            said += [c.release("", a, 1), c.acquire("", a, SHARED), c.acquire("", a, SHARED)]
            said += [d.acquire("", a, SHARED), d.acquire("", a)]
            said += [c.release("", a), c.release("", a), c.release("", a), d.release("", a)]
            said += [c.acquire("", f"{directory}/no")]
            said += [c.acquire("", f"{directory}/no/no", AUTOCREATE)]
            said += [c.acquire("", ""), c.acquire("", str(directory)), c.acquire(f"{space}3", "k")]
            said += [c.new(space), c.new(space), c.new(f"{space}4", 1), c.new(""), c.space(space)]
            said += [c.acquire(space, "k"), c.create(space, "k"), c.create(space, "k")]
            said += [c.create(space, "k", 1), c.acquire(space, "k"), c.delete(space, "k")]
            said += [c.create(space, "k"), c.release(space, "k"), c.delete(space, "k")]
            said += [c.delete(space, "k"), c.delete(space, "k", 1)]
            made = Path(space, "made")
            said += [c.acquire(space, "made", AUTOCREATE | SHARED), oct(made.stat().st_mode)]
            said += [d.acquire(space, "made", AUTOCREATE | SHARED), c.release(space, "made")]
            said += [str(made.exists()), d.release(space, "made"), str(made.exists())]
        with held_by_another(Path(b), fcntl.LOCK_SH):
            said += [c.acquire("", b), c.acquire("", b, SHARED), c.release("", b)]
        said += [c.restrict(1), c.restrict(), c.restrict(), c.acquire("", a), c.release("", a)]
        said += [c.new(space), c.space(space), c.register(one.pid), c.create(space, "k")]
        said = [text.replace(f"owner {one.pid}", "owner 1") for text in said]
        return [
            text.replace(f"owner {two.pid}", "owner 2").replace(str(directory), "DIR")
            for text in said
        ]


@contextmanager
def held_by_another(path: Path, kind: int = fcntl.LOCK_EX) -> Iterator[None]:
    """Another process has a POSIX lock on the first byte, as libvirt's daemon takes it."""
    program = (
        "import fcntl, sys; file = open(sys.argv[1], 'r+')\n"
        "fcntl.lockf(file, int(sys.argv[2]), 1, 0); print(flush=True); input()"
    )
    process = subprocess.Popen(
        [sys.executable, "-c", program, str(path), str(kind)],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE,
    )  # fmt: skip
    assert process.stdout is not None
    assert process.stdout.readline()
    try:
        yield
    finally:
        process.communicate(b"\n", STEP)


def is_free(path: Path) -> bool:
    """Whether nobody has the lock."""
    with path.open("r+") as file:
        try:
            lock_range(file.fileno(), 0, 1)
        except BlockingIOError:
            return False
        return True


def becomes_free(path: Path) -> None:
    deadline = time.monotonic() + STEP
    while not is_free(path):
        assert time.monotonic() < deadline
        time.sleep(0.01)


_SCRIPT = """
for place in /etc/libvirt /run /var/lib/libvirt; do
    mkdir -p $place; mount -t tmpfs -o mode=755 private $place
done
mkdir /run/libvirt
exec {program}
"""


@contextmanager
def reference() -> Iterator[Path]:
    """The socket of libvirt's own daemon, in a mount namespace."""
    process = subprocess.Popen(
        ["unshare", "--mount", "--propagation", "private", "sh", "-ec",
         _SCRIPT.format(program=REFERENCE)],
        stdin=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
    )  # fmt: skip
    path = Path(f"/proc/{process.pid}", "root", "run/libvirt/virtlockd-sock")
    try:
        deadline = time.monotonic() + STEP
        while not path.with_name("virtlockd-admin-sock").is_socket():
            assert time.monotonic() < deadline
            time.sleep(0.02)
        yield path
    finally:
        process.terminate()
        process.wait(STEP)


@contextmanager
def running() -> Iterator[Virtlockd]:
    directory = Path(tempfile.mkdtemp(prefix="vl"))
    daemon = Virtlockd(directory)
    daemon.start()
    try:
        yield daemon
    finally:
        if daemon.process is not None:
            assert daemon.signal(signal.SIGTERM) == 0, daemon.log()
        shutil.rmtree(directory)


@pytest.fixture(scope="module")
def virtlockd() -> Iterator[Virtlockd]:
    """One that is not ended by a test."""
    with running() as daemon:
        yield daemon


@pytest.fixture
def own() -> Iterator[Virtlockd]:
    with running() as daemon:
        yield daemon


@pytest.mark.parity
@pytest.mark.skipif(
    not REFERENCE.exists() or os.geteuid() != 0, reason="libvirt's virtlockd needs root"
)
def test_the_same_answers(virtlockd: Virtlockd, tmp_path: Path) -> None:
    places = tmp_path / "theirs", tmp_path / "ours"
    for place in places:
        place.mkdir()
    with reference() as path:
        expected = session(path, places[0])
    assert session(virtlockd.socket(), places[1]) == expected


def test_refusals_of_ours(virtlockd: Virtlockd, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with owner() as process, closing(owned(virtlockd.socket(), process.pid)) as client:
        assert client.new(str(tmp_path)) == "ok"
        for name in ("../file", "", ".", "a/b"):
            assert "is no name in a lockspace" in client.acquire(str(tmp_path), name, AUTOCREATE)
        assert "Not a directory" in client.new(f"{tmp_path}/file")
        assert "is no absolute path" in client.new("relative")
        process.kill()
        process.wait()
        refused = client.acquire("", f"{tmp_path}/file")
        assert refused == (
            "55 51 Requested operation is not valid: "
            f"process {process.pid} of lock owner 'web' has ended"
        )


def test_whoever_ends_has_no_lease(virtlockd: Virtlockd, tmp_path: Path) -> None:
    """A process that is killed, and one that ends its own connection."""
    image, leases = tmp_path / "image", virtlockd.root / "run/libvirt/virtlockd/leases.json"
    image.touch()
    with owner() as process, closing(owned(virtlockd.socket(), process.pid)) as client:
        assert client.acquire("", str(image)) == "ok"
        assert json.loads(leases.read_text())["leases"][0]["owners"][0]["name"] == "web"
        assert not is_free(image)
        process.kill()
        becomes_free(image)
    with closing(owned(virtlockd.socket())) as client:
        assert client.acquire("", str(image)) == "ok"
        assert client.restrict() == "ok"
    becomes_free(image)
    assert json.loads(leases.read_text())["leases"] == []


def test_renewed_and_killed_without_anybody_who_watches(own: Virtlockd, tmp_path: Path) -> None:
    image, other = tmp_path / "image", tmp_path / "other"
    for path in (image, other):
        path.touch()
    with owner() as process, owner() as loser:
        with closing(owned(own.socket(), process.pid)) as client:
            assert client.new(str(tmp_path)) == "ok"
            assert client.acquire("", str(image)) == "ok"
            assert client.acquire(str(tmp_path), "made", AUTOCREATE) == "ok"
            os.kill(own.pid, signal.SIGUSR1)
            while client_is_connected(client):
                assert not is_free(image)
        with closing(owned(own.socket(), loser.pid)) as client:
            assert client.acquire("", str(image)).startswith("87 51 resource busy")
            assert client.acquire("", str(other)) == "ok"
        own.signal(signal.SIGKILL)
        with held_by_another(other):  # as nobody has kept it
            own.start()
            assert not is_free(image)
            assert loser.wait(STEP) == -signal.SIGTERM
        with closing(owned(own.socket(), process.pid)) as client:
            assert client.release("", str(image)) == "ok"
            assert is_free(image)
            assert client.release(str(tmp_path), "made") == "ok"
            assert not (tmp_path / "made").exists()
            assert client.acquire("", str(image)) == "ok"
        assert own.signal(signal.SIGTERM) == 0
    own.start()  # its owner has ended meanwhile
    assert is_free(image)


def client_is_connected(client: LockClient) -> bool:
    """Whether the daemon has not hung up."""
    try:
        client.register(os.getpid())
    except (AssertionError, OSError):
        return False
    return True


def test_killed_again_and_again(tmp_path: Path) -> None:
    """No moment without the lock, while somebody watches the daemon."""
    root = Path(tempfile.mkdtemp(prefix="vk"))
    image = tmp_path / "image"
    image.touch()
    watcher = Watcher(root, "virtlockd")
    path = root / "run/libvirt/virtlockd-sock"
    try:
        with owner() as process:
            with closing(owned(path, process.pid)) as client:
                assert client.acquire("", str(image)) == "ok"
            for _ in range(3):
                watcher.end_it()
                assert not is_free(image)
                watcher.start_it()
                with closing(owned(path)) as client:
                    assert client.acquire("", str(image)).startswith("87 51 resource busy")
        becomes_free(image)
    finally:
        assert watcher.end() == 0
        shutil.rmtree(root)
