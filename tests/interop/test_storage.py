# SPDX-License-Identifier: Apache-2.0
"""virtstoraged beside libvirtd 9, and after a kill: pools and volumes of directories."""

from __future__ import annotations

import asyncio
import os
import re
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

import virloom
from tests.interop.conftest import Virtstoraged
from tests.interop.reference import Libvirtd, needs_libvirtd
from virloom.drivers.storage.making import UNFINISHED
from virloom.endpoint.remote import RemoteEndpoint
from virloom.errors import OperationFailed
from virloom.procedures import storage as p
from virloom.transport.unix import connect_unix

SESSION = Path(__file__).parent / "sessions" / "storage.py"
POOL = "<pool type='dir'><name>{0}</name><target><path>{1}/{0}</path></target></pool>"


@pytest.fixture
def virtstoraged() -> Iterator[Virtstoraged]:
    root = Path(tempfile.mkdtemp(prefix="vs"))
    daemon = Virtstoraged(root)
    daemon.start()
    try:
        yield daemon
    finally:
        assert daemon.signal(signal.SIGTERM) == 0
        shutil.rmtree(root)


def session(uri: str, directory: Path) -> list[str]:
    """What libvirt's binding makes of the session, step by step."""
    directory.mkdir()
    done = subprocess.run(
        ["/usr/bin/python3", str(SESSION), uri, str(directory)],
        stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return done.stdout.splitlines()


@needs_libvirtd[0]
@needs_libvirtd[1]
def test_the_same_session(libvirtd: Libvirtd, virtstoraged: Virtstoraged, tmp_path: Path) -> None:
    ours = session(virtstoraged.uri(), tmp_path / "ours")
    assert ours == session(libvirtd.uri, tmp_path / "theirs")


def test_a_directory_by_another_path(virtstoraged: Virtstoraged, tmp_path: Path) -> None:
    """Is the other pool's still; libvirt makes two pools of it."""
    (tmp_path / "one").mkdir()
    (tmp_path / "link").symlink_to("one")
    (tmp_path / "later").symlink_to("absent")
    with virloom.open_sync(virtstoraged.uri()) as conn:
        one = conn.storage_pools.define_xml(POOL.format("one", tmp_path))
        conn.storage_pools.define_xml(POOL.format("absent", tmp_path))
        for change in (conn.storage_pools.define_xml, conn.storage_pools.create_xml):
            for name, other in (("link", "one"), ("later", "absent")):
                with pytest.raises(OperationFailed, match=f"conflict with pool: '{other}'"):
                    change(POOL.format(name, tmp_path))
        assert {pool.name for pool in conn.storage_pools.list()} == {"one", "absent"}
        one.undefine()
        assert conn.storage_pools.create_xml(POOL.format("link", tmp_path)).is_active()


def test_pools_outlive_a_kill(virtstoraged: Virtstoraged, tmp_path: Path) -> None:
    with virloom.open_sync(virtstoraged.uri()) as conn:
        for name in ("kept", "stopped", "by-itself"):
            (tmp_path / name).mkdir()
            conn.storage_pools.define_xml(POOL.format(name, tmp_path)).create()
        (tmp_path / "passing").mkdir()
        conn.storage_pools.create_xml(POOL.format("passing", tmp_path))
        conn.storage_pools.lookup_by_name("stopped").destroy()
        conn.storage_pools.lookup_by_name("by-itself").set_autostart(True)
        conn.storage_pools.lookup_by_name("by-itself").destroy()
        conn.storage_pools.lookup_by_name("stopped").set_autostart(True)
    mark = virtstoraged.root / "run/libvirt/storage/autostarted"
    assert mark.exists()
    virtstoraged.signal(signal.SIGKILL)
    half = tmp_path / "kept" / ".0123456789abcdef.virloom-new"
    half.write_bytes(b"half")
    (tmp_path / "kept" / "whole").write_bytes(b"whole")
    virtstoraged.start()
    with virloom.open_sync(virtstoraged.uri()) as conn:
        active = {pool.name for pool in conn.storage_pools.list(2)}
        assert active == {"kept", "passing"}, "what starts by itself, starts once in a boot"
        assert not conn.storage_pools.lookup_by_name("passing").is_persistent()
        kept = conn.storage_pools.lookup_by_name("kept")
        assert [volume.name for volume in kept.list_volumes()] == ["whole"]
    assert not half.exists()
    virtstoraged.signal(signal.SIGKILL)
    mark.write_text("an earlier boot")
    virtstoraged.start()
    with virloom.open_sync(virtstoraged.uri()) as conn:
        assert len(conn.storage_pools.list(2)) == 4


def test_a_kill_leaves_no_half_volume(
    tmp_path: Path, virtstoraged: Virtstoraged, monkeypatch: pytest.MonkeyPatch
) -> None:
    """``qemu-img`` is in the middle of its work when the daemon is killed."""
    programs, pid = tmp_path / "programs", tmp_path / "pid"
    programs.mkdir()
    slow = programs / "qemu-img"
    slow.write_text(f"#!/bin/sh\necho $$ > {pid}.new\nmv {pid}.new {pid}\nexec sleep 30\n")
    slow.chmod(0o755)
    virtstoraged.signal(signal.SIGTERM)
    with monkeypatch.context() as changed:
        changed.setenv("PATH", f"{programs}:{os.environ['PATH']}")
        virtstoraged.start()
    place = tmp_path / "pool"
    place.mkdir()
    document = "<volume><name>half</name><capacity>1048576</capacity><target><format type='qcow2'/>"
    document += "</target></volume>"
    (tmp_path / "vol.xml").write_text(document)
    virtstoraged.virsh("pool-create-as", "pool", "dir", "--target", str(place))
    words = ["virsh", "-c", virtstoraged.uri(), "vol-create", "pool", str(tmp_path / "vol.xml")]
    with subprocess.Popen(words, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as client:
        until(pid.exists)
        assert [UNFINISHED.match(path.name) is not None for path in place.iterdir()] == [True]
        virtstoraged.signal(signal.SIGKILL)
        client.wait(10)
    until(lambda: is_gone(int(pid.read_text())))
    virtstoraged.start()
    assert list(place.iterdir()) == []
    virtstoraged.virsh("vol-create", "pool", str(tmp_path / "vol.xml"))
    assert [path.name for path in place.iterdir()] == ["half"]


def test_bytes_go_there_and_back(virtstoraged: Virtstoraged, tmp_path: Path) -> None:
    """By virsh, dense and sparse, whole and in part."""
    size = 3 << 20
    source, place, back = tmp_path / "source", tmp_path / "pool", tmp_path / "back"
    with source.open("wb") as file:
        file.truncate(size)
        os.pwrite(file.fileno(), os.urandom(size // 3), size // 3)
    place.mkdir()
    run = virtstoraged.virsh
    run("pool-create-as", "pool", "dir", "--target", str(place))
    for name, options in (("dense", []), ("sparse", ["--sparse"])):
        run("vol-create-as", "pool", name, str(size), "--allocation", "0")
        run("vol-upload", name, str(source), "pool", *options)
        assert (place / name).read_bytes() == source.read_bytes()
        back.unlink(missing_ok=True)
        run("vol-download", name, str(back), "pool", *options)
        assert back.read_bytes() == source.read_bytes()
    assert back.stat().st_blocks * 512 < size
    assert (place / "sparse").stat().st_blocks * 512 < size
    run("vol-download", "dense", str(back), "pool", "--offset", "1048570", "--length", "12")
    assert back.read_bytes()[:12] == source.read_bytes()[1048570:1048582]
    back.write_bytes(b"XYZ")
    run("vol-upload", "dense", str(back), "pool", "--offset", "3", "--length", "3")
    assert (place / "dense").read_bytes()[:9] == b"\0\0\0XYZ\0\0\0"


async def test_ten_readers_that_stop_reading(virtstoraged: Virtstoraged, tmp_path: Path) -> None:
    """What they leave unread is in their sockets and in the file, not in the daemon's memory."""
    with (tmp_path / "volume").open("wb") as file:
        file.write(b"x" * (8 << 20))
        file.truncate(1 << 30)
    virtstoraged.virsh("pool-create-as", "pool", "dir", "--target", str(tmp_path))
    volume = p.NonnullStorageVol("pool", "volume", f"{tmp_path}/volume")
    before, endpoints = resident(virtstoraged.pid), []
    for _ in range(10):
        transport = await connect_unix(str(virtstoraged.socket()))
        endpoints.append(RemoteEndpoint(transport))
        await endpoints[-1].start()
        await endpoints[-1].open("storage:///system")
        args = p.StorageVolDownloadArgs(volume, 0, 0, 0)
        await endpoints[-1].open_stream(p.STORAGE_VOL_DOWNLOAD, args)
        transport.pause_reading()
    assert "volume" in await asyncio.to_thread(virtstoraged.virsh, "vol-list", "pool")
    assert resident(virtstoraged.pid) - before < 6000
    for endpoint in endpoints:
        endpoint._transport.abort()
        await endpoint.close()


def resident(pid: int) -> int:
    """KiB that a process has in memory."""
    found = re.search(r"VmRSS:\s+(\d+)", Path(f"/proc/{pid}/status").read_text())
    assert found is not None
    return int(found[1])


def is_gone(pid: int) -> bool:
    """Whether a process has ended, reaped or not."""
    try:
        return ") Z " in Path(f"/proc/{pid}/stat").read_text()
    except FileNotFoundError:
        return True


def until(true: Callable[[], bool]) -> None:
    """Returns once it is so; nobody tells when."""
    deadline = time.monotonic() + 10
    while not true():
        assert time.monotonic() < deadline
        time.sleep(0.01)


def test_an_embedded_root_has_pools_and_secrets(tmp_path: Path) -> None:
    """On the connection of the guests, and again when the root is opened anew."""
    (tmp_path / "pool").mkdir()
    uri = f"qemu:///embed?root={tmp_path}/root"
    with virloom.open_sync(uri) as conn:
        pool = conn.storage_pools.define_xml(POOL.format("pool", tmp_path))
        pool.create()
        pool.create_volume("<volume><name>disk</name><capacity>1048576</capacity></volume>")
        conn.secrets.define_xml("<secret><usage type='ceph'><name>n</name></usage></secret>")
    with virloom.open_sync(uri) as conn:
        pool = conn.storage_pools.lookup_by_name("pool")
        assert [volume.name for volume in pool.list_volumes()] == ["disk"]
        assert len(conn.secrets.list()) == 1
