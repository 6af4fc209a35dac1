# SPDX-License-Identifier: Apache-2.0
"""Long work at volumes: seen, given up; a full disk, streams that end early."""

from __future__ import annotations

import os
import re
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.interop.conftest import STEP, Virtstoraged
from virloom.drivers.storage.making import UNFINISHED

MIB = 1 << 20
#: A small file system of the daemon's own.
_MOUNTED = 'mount -t tmpfs -o size=16m,mode=755 tmpfs "$0/full"; exec "$@"'
#: Does its work only when nobody holds it.
_SLOW = """#!/bin/sh
while [ -e {root}/hold ]; do : > {root}/waiting; sleep 0.05; done
exec /usr/bin/qemu-img "$@"
"""

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="only root may mount")


class Storage(Virtstoraged):
    """With pools on two file systems, one of them small, and a ``qemu-img`` that can be held."""

    def __init__(self, root: Path) -> None:
        space = ["unshare", "--mount", "--propagation", "private", "sh", "-ec", _MOUNTED, str(root)]
        super().__init__(root, space)
        for name in ("full", "pool", "programs"):
            (root / name).mkdir()
        program = root / "programs" / "qemu-img"
        program.write_text(_SLOW.format(root=root))
        program.chmod(0o755)

    def place(self, pool: str) -> Path:
        """The directory of a pool, as the daemon sees it."""
        return Path(f"/proc/{self.pid}/root{self.root}/{pool}")

    def names(self, pool: str) -> list[str]:
        """What is there."""
        return sorted(os.listdir(self.place(pool)))

    @contextmanager
    def held(self) -> Iterator[None]:
        """``qemu-img`` waits meanwhile."""
        (self.root / "waiting").unlink(missing_ok=True)
        (self.root / "hold").touch()
        try:
            yield
        finally:
            (self.root / "hold").unlink()

    @contextmanager
    def client(self, *words: str) -> Iterator[subprocess.Popen[str]]:
        """A virsh that does not end soon."""
        command = ["virsh", "-c", self.uri(), *words]
        with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as client:
            try:
                yield client
            finally:
                client.kill()


@pytest.fixture
def storage(monkeypatch: pytest.MonkeyPatch) -> Iterator[Storage]:
    root = Path(tempfile.mkdtemp(prefix="vw"))
    daemon = Storage(root)
    monkeypatch.setenv("PATH", f"{root}/programs:{os.environ['PATH']}")
    daemon.start()
    for name in ("full", "pool"):
        daemon.virsh("pool-create-as", name, "dir", "--target", str(root / name))
    try:
        yield daemon
    finally:
        if daemon.process is not None:
            assert daemon.signal(signal.SIGTERM) == 0, daemon.log()
        shutil.rmtree(root)


def until(true: Callable[[], bool]) -> None:
    """Returns once it is so; nobody tells when."""
    deadline = time.monotonic() + STEP
    while not true():
        assert time.monotonic() < deadline
        time.sleep(0.02)


def refused(storage: Storage, *words: str) -> str:
    """What virsh says of a command that fails."""
    done = storage.try_virsh(*words)
    assert done.returncode != 0, words
    return done.stderr


def test_work_is_seen_and_given_up(storage: Storage, tmp_path: Path) -> None:
    """By its volume; whatever else would disturb it is refused; an end of the daemon undoes it."""
    making = ("vol-create-as", "pool", "slow", "1M", "--format", "qcow2")
    with storage.held(), storage.client(*making) as client:
        until(lambda: "slow" in storage.virsh("vol-list", "pool"))
        assert "Allocation:     0.00 B" in storage.virsh("vol-info", "slow", "pool")
        assert f"<path>{storage.root}/pool/slow<" in storage.virsh("vol-dumpxml", "slow", "pool")
        refusals: tuple[tuple[str, ...], ...] = (
            ("vol-resize", "slow", "2M", "pool"), ("vol-wipe", "slow", "pool"),
            ("vol-clone", "slow", "other", "pool"),
            ("vol-download", "slow", str(tmp_path / "file"), "pool"),
        )  # fmt: skip
        for words in refusals:
            assert "volume 'slow' is still being allocated" in refused(storage, *words)
        assert "exists already" in refused(storage, "vol-create-as", "pool", "slow", "1M")
        for words in (("pool-refresh", "pool"), ("pool-destroy", "pool")):
            assert "has asynchronous jobs running" in refused(storage, *words)
        storage.virsh("vol-create-as", "pool", "beside", "1M")
        storage.virsh("vol-delete", "slow", "pool")
        _, said = client.communicate(timeout=STEP)
        assert "the work was given up" in said
        assert storage.names("pool") == ["beside"]
    with storage.held(), storage.client(*making):
        until(lambda: any(UNFINISHED.match(name) for name in storage.names("pool")))
        place = storage.root / "pool"
        assert storage.signal(signal.SIGTERM) == 0
        assert os.listdir(place) == ["beside"]


def test_nobody_disturbs_a_resize(storage: Storage) -> None:
    """It ends although its client goes away, and before the daemon does."""
    run, words = storage.virsh, ("vol-resize", "v", "2M", "pool")
    run("vol-create-as", "pool", "v", "1M", "--format", "qcow2")
    with storage.held(), storage.client(*words) as client:
        refusals: tuple[tuple[str, ...], ...] = (
            words, ("vol-wipe", "v", "pool"), ("vol-delete", "v", "pool"),
        )  # fmt: skip
        until((storage.root / "waiting").exists)
        for other in refusals:
            assert "volume 'v' is still in use" in refused(storage, *other)
        assert "has asynchronous jobs running" in refused(storage, "pool-destroy", "pool")
        client.kill()
    until(lambda: "Capacity:       2.00 MiB" in storage.virsh("vol-info", "v", "pool"))
    words = ("vol-resize", "v", "3M", "pool")
    with storage.held(), storage.client(*words):
        until((storage.root / "waiting").exists)
        assert storage.process is not None
        storage.process.terminate()
        time.sleep(0.2)
        assert storage.process.poll() is None
    assert storage.signal(signal.SIGTERM) == 0
    storage.start()
    assert "Capacity:       3.00 MiB" in storage.virsh("vol-info", "v", "pool")


def test_names_of_files(storage: Storage) -> None:
    """All that can be told; what a stranger has put there is in nobody's way, nor lost."""
    run, place = storage.virsh, storage.root / "pool"
    run("vol-create-as", "pool", "no\u00a0break\u200b", "1M")
    (place / "narrow\u202fspace.iso").touch()
    (place / "line\nbreak").touch()
    for kind in ("raw", "qcow2", "dir"):
        said = refused(
            storage, "vol-create-as", "pool", "narrow\u202fspace.iso", "1M", "--format", kind
        )
        assert "no volume of the pool yet (refresh the pool" in said
    assert run("pool-refresh", "pool") == "Pool pool refreshed"
    named = "no\u00a0break\u200b", "narrow\u202fspace.iso"
    listed = run("vol-list", "pool")
    assert all(f"{place}/{name}" in listed for name in named)
    assert "line" not in listed
    assert run("vol-pool", f"{place}/{named[1]}") == "pool"


def test_a_full_disk(storage: Storage, tmp_path: Path) -> None:
    """What does not fit is not there in part; what was uploaded in part is a volume as before."""
    big, small = tmp_path / "big", tmp_path / "small"
    big.write_bytes(os.urandom(24 * MIB))
    small.write_bytes(os.urandom(10 * MIB))
    run, names = storage.virsh, storage.names
    assert "No space left" in refused(storage, "vol-create-as", "full", "raw", "32M")
    assert names("full") == []
    run("vol-create-as", "full", "thin", "24M", "--allocation", "0")
    assert "No space left" in refused(storage, "vol-upload", "thin", str(big), "full")
    until(lambda: "ended early" in storage.log())
    assert names("full") == ["thin"]
    run("vol-delete", "thin", "full")
    run("vol-create-as", "full", "one", "10M", "--allocation", "0")
    run("vol-upload", "one", str(small), "full")
    assert "No space left" in refused(storage, "vol-clone", "one", "two", "full")
    clone = storage.root / "clone.xml"
    clone.write_text(
        "<volume><name>two</name><capacity>1</capacity><target><format type='qcow2'/></target>"
        "</volume>"
    )
    assert "two" in refused(storage, "vol-create-from", "full", str(clone), "one", "full")
    assert names("full") == ["one"]
    assert (storage.place("full") / "one").read_bytes() == small.read_bytes()
    run("vol-create-as", "full", "three", "1M", "--format", "qcow2")
    run("vol-create-as", "full", "four", "64K")
    (storage.place("full") / "stranger").write_bytes(bytes(3 * MIB))  # the pool knows nothing of it
    assert "No space left" in refused(storage, "vol-resize", "four", "4M", "full", "--allocate")
    assert (storage.place("full") / "four").stat().st_size == 64 << 10


def test_streams_that_end_early(storage: Storage, tmp_path: Path) -> None:
    """At the volume's end, by their client's; two at once; and what may not be done meanwhile."""
    run, root = storage.virsh, storage.root
    data = tmp_path / "data"
    data.write_bytes(os.urandom(2 * MIB))
    run("vol-create-as", "pool", "v", "1M", "--allocation", "0")
    assert "No space left" in refused(storage, "vol-upload", "v", str(data), "pool")
    behind = ("vol-upload", "v", str(data), "pool", "--offset", str(2 * MIB))
    assert "No space left" in refused(storage, *behind)
    assert (root / "pool/v").stat().st_size == MIB
    run("vol-create-as", "pool", "w", "4M", "--allocation", "0")
    os.mkfifo(tmp_path / "pipe")
    upload = ("vol-upload", "w", str(tmp_path / "pipe"), "pool")
    with storage.client(*upload) as client, (tmp_path / "pipe").open("wb") as pipe:
        pipe.write(b"x" * MIB)
        pipe.flush()
        part = MIB // 2  # virsh sends when it has a quarter of a MiB
        until(lambda: (root / "pool/w").read_bytes()[:part] == b"x" * part)
        assert "volume 'w' is still in use" in refused(storage, "vol-wipe", "w", "pool")
        run("vol-upload", "w", str(data), "pool", "--offset", str(2 * MIB))
        run("pool-refresh", "pool")
        former = storage.log().count("ended early")
        client.send_signal(signal.SIGKILL)
        until(lambda: storage.log().count("ended early") > former)
    told = re.findall(r"as far as byte (\d+) of '(\S+)'\n", storage.log())[-1]
    assert told[1] == f"{root}/pool/w"
    found = (root / "pool/w").read_bytes()
    assert found[: 2 * MIB] == (b"x" * int(told[0])).ljust(2 * MIB, b"\0")
    assert found[2 * MIB :] == data.read_bytes()
    until(lambda: storage.try_virsh("vol-wipe", "w", "pool").returncode == 0)
