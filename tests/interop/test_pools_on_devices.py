# SPDX-License-Identifier: Apache-2.0
"""Pools on file systems and disks, on loop devices: killed at each step, and beside libvirtd 9."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.interop.conftest import Virtsecretd, Virtstoraged
from tests.interop.held_programs import Programs, cut_off, killed_at, records, until
from tests.interop.namespace import NetworkNamespace
from tests.interop.reference import Libvirtd, needs_libvirtd

SESSIONS = Path(__file__).parent / "sessions"
KEY = "ffffffff-2222-3333-4444-555555555555"
SECRET = f"<secret><uuid>{KEY}</uuid><usage type='volume'><volume>p</volume></usage></secret>"
ENCRYPTED = (
    "<volume><name>{}</name><capacity unit='MiB'>8</capacity><target><encryption format='luks'>"
    f"<secret type='passphrase' uuid='{KEY}'/></encryption></target></volume>"
)
VOLUME = "<volume><name>{0}</name><capacity unit='MiB'>8</capacity></volume>"


@pytest.fixture
def device(tmp_path: Path) -> Iterator[str]:
    """An empty loop device of 400 MiB."""
    image = tmp_path / "device.img"
    with image.open("wb") as file:
        file.truncate(400 << 20)
    try:
        name = subprocess.check_output(
            ["losetup", "--find", "--show", "--partscan", image], text=True
        ).strip()
    except (OSError, subprocess.CalledProcessError):
        pytest.skip("there are no loop devices here, or this is not root")
    yield name
    subprocess.run(["losetup", "--detach", name], check=True)


@pytest.fixture
def space() -> Iterator[NetworkNamespace]:
    """Where file systems are mounted: it outlives the daemon."""
    with NetworkNamespace("") as space:
        yield space


@pytest.fixture
def programs(tmp_path: Path) -> Programs:
    return Programs(tmp_path / "programs", ("mount", "umount", "mkfs", "parted"))


@pytest.fixture
def daemon(
    space: NetworkNamespace, programs: Programs, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Virtstoraged]:
    monkeypatch.setenv("PATH", f"{programs.directory}:{os.environ['PATH']}")
    root = Path(tempfile.mkdtemp(prefix="vp"))
    daemon = Virtstoraged(root, space.prefix)
    daemon.start()
    try:
        yield daemon
    finally:
        assert daemon.signal(signal.SIGTERM) == 0
        shutil.rmtree(root)


def test_a_file_system_and_a_disk(daemon: Virtstoraged, device: str, tmp_path: Path) -> None:
    run, place = daemon.virsh, tmp_path / "place"
    run("pool-create-as", "driver", "dir", "--target", str(tmp_path))  # no name is special
    run("pool-define-as", "fs", "fs", "--source-dev", device, "--target", str(place),
        "--source-format", "ext4")  # fmt: skip
    run("pool-start", "fs", "--build", "--overwrite")
    run("vol-create-as", "fs", "one", "1M")
    assert "lost+found" in run("vol-list", "fs")
    base = ("disk", "disk", "--source-dev", device, "--target", "/dev", "--source-format", "gpt")
    taken = daemon.try_virsh("pool-define-as", *base)
    assert "source conflict" in taken.stderr
    run("pool-destroy", "fs")
    assert list(place.iterdir()) == [], "it is not mounted any more"
    run("pool-undefine", "fs")
    run("pool-define-as", *base)
    assert "overwrite" in daemon.try_virsh("pool-build", "disk").stderr
    run("pool-build", "disk", "--overwrite")
    run("pool-start", "disk")
    part = f"{device.rpartition('/')[2]}p1"
    run("vol-create-as", "disk", part, "8M")
    assert f"{8 << 20}" in run("vol-dumpxml", part, "disk")
    assert Path(f"{device}p1").is_block_device()
    run("vol-delete", part, "disk")
    assert not Path(f"{device}p1").exists()
    run("pool-destroy", "disk")


@pytest.mark.long
def test_an_encrypted_partition(
    daemon: Virtstoraged, space: NetworkNamespace, device: str, tmp_path: Path
) -> None:
    run, document = daemon.virsh, tmp_path / "document.xml"
    keeper = Virtsecretd(daemon.root, space.prefix)
    keeper.start()
    try:
        document.write_text(SECRET)
        keeper.virsh("secret-define", str(document))
        base = ("--source-dev", device, "--target", "/dev", "--source-format", "gpt")
        run("pool-define-as", "disk", "disk", *base)
        run("pool-start", "disk", "--build")
        part = f"{device.rpartition('/')[2]}p1"
        document.write_text(ENCRYPTED.format(part))
        refused = daemon.try_virsh("vol-create", "disk", str(document))
        assert "does not have a value" in refused.stderr
        assert not Path(f"{device}p1").exists(), "nothing is made without a passphrase"
        keeper.virsh("secret-set-value", KEY, "c2VjcmV0")
        run("vol-create", "disk", str(document))
        assert Path(f"{device}p1").read_bytes()[:6] == b"LUKS\xba\xbe"
        assert "<encryption format='luks'>" in run("vol-dumpxml", part, "disk")
        assert "8.00 MiB" in run("vol-info", part, "disk"), "the header is beside that"
        document.write_text(ENCRYPTED.format(part).replace("luks", "qcow"))
        assert "LUKS" in daemon.try_virsh("vol-create", "disk", str(document)).stderr
        run("pool-destroy", "disk")
    finally:
        assert keeper.signal(signal.SIGTERM) == 0


@pytest.mark.long
def test_a_file_system_at_each_kill(
    daemon: Virtstoraged, programs: Programs, device: str, space: NetworkNamespace, tmp_path: Path
) -> None:
    place = str(tmp_path / "place")
    run = daemon.virsh

    def mounted() -> bool:
        return f" {place} " in space.run("cat", "/proc/mounts")

    def listed(*states: str) -> list[str]:
        return run("pool-list", "--name", *states).split()

    words = ("--source-dev", device, "--source-format", "ext4", "--target", place)
    run("pool-define-as", "fs", "fs", *words)
    cut_off(daemon, programs, "mkfs", "before", "pool-build", "fs", "--no-overwrite")
    with subprocess.Popen(
        ["virsh", "-c", daemon.uri(), "pool-build", "fs", "--overwrite"], stdout=subprocess.DEVNULL
    ) as again:
        with pytest.raises(subprocess.TimeoutExpired):
            again.wait(0.5)  # for the mkfs of the former daemon
        programs.release()
        assert again.wait(20) == 0
    for moment in ("before", "after"):
        killed_at(daemon, programs, "mount", moment, "pool-start", "fs")
        until(lambda: records(daemon) == [])
        assert not mounted()
        assert listed() == []
    run("pool-start", "fs")
    run("vol-create-as", "fs", "one", "1M")
    daemon.signal(signal.SIGKILL)
    daemon.start()
    assert listed() == ["fs"]
    assert "one" in run("vol-list", "fs")
    for moment in ("before", "after"):
        killed_at(daemon, programs, "umount", moment, "pool-destroy", "fs")
        until(lambda: records(daemon) == [])
        assert not mounted()
        run("pool-start", "fs")
    with open(f"/proc/{space.pid}/root{place}/one", "rb"):
        pass
    holder = subprocess.Popen(
        [*space.prefix, "sh", "-c", f"cd {place} && echo in && exec cat"],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE,
    )  # fmt: skip
    assert holder.stdout is not None
    assert holder.stdout.readline() == b"in\n"
    assert "busy" in daemon.try_virsh("pool-destroy", "fs").stderr
    assert listed() == ["fs"], "what cannot be unmounted stays active"
    holder.communicate(timeout=10)
    run("pool-destroy", "fs")
    assert not mounted()
    run("pool-delete", "fs")
    assert not Path(place).exists()


@pytest.mark.long
def test_a_disk_at_each_kill(
    daemon: Virtstoraged, programs: Programs, device: str, tmp_path: Path
) -> None:
    run = daemon.virsh
    part, base = f"{device.rpartition('/')[2]}p", ("--source-dev", device, "--target", "/dev")
    run("pool-define-as", "disk", "disk", *base, "--source-format", "gpt")
    killed_at(daemon, programs, "parted mklabel", "before", "pool-build", "disk")
    again = daemon.try_virsh("pool-build", "disk")
    assert "already" in again.stderr
    run("pool-start", "disk")
    for number in (1, 2):
        (tmp_path / f"{number}.xml").write_text(VOLUME.format(f"{part}{number}"))
    run("vol-create", "disk", str(tmp_path / "1.xml"))
    assert os.stat(f"{device}p1").st_rdev
    record = daemon.root / "run/libvirt/storage/disk.json"
    for moment in ("before", "after"):
        words = ("vol-create", "disk", str(tmp_path / "2.xml"))
        cut_off(daemon, programs, "parted mkpart", moment, *words)
        assert json.loads(record.read_text())["making"] == [f"{part}2"]
        programs.release()
        until(lambda: run("pool-list", "--name") == "disk")
        assert f"{part}1" in run("vol-list", "disk")
        assert f"{part}2" not in run("vol-list", "disk"), "what was being made is gone"
        assert json.loads(record.read_text())["making"] == []
        assert not Path(f"{device}p2").exists()
    run("vol-create", "disk", str(tmp_path / "2.xml"))
    killed_at(daemon, programs, "parted rm", "before", "vol-delete", f"{part}2", "disk")
    until(lambda: run("pool-list", "--name") == "disk")
    assert f"{part}2" not in run("vol-list", "disk")
    run("vol-create", "disk", str(tmp_path / "2.xml"))
    run("vol-delete", f"{part}1", "disk")
    assert run("vol-list", "disk").count(part) == 2  # its name and its path
    run("pool-destroy", "disk")
    run("pool-delete", "disk")


def steps(uri: str, script: str, home: Path, device: str, *more: str) -> list[str]:
    """What libvirt's binding makes of a session, step by step."""
    home.mkdir()
    subprocess.run(["wipefs", "--quiet", "--all", device], check=True)
    done = subprocess.run(
        ["/usr/bin/python3", str(SESSIONS / script), uri, str(home), device, *more],
        stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=280, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return done.stdout.splitlines()


@pytest.mark.long
@needs_libvirtd[0]
@needs_libvirtd[1]
@pytest.mark.parametrize(
    ("script", "part"),
    [("storage_builds.py", "-"), ("storage_fs.py", "-"), ("storage_disk.py", "labels"),
     ("storage_disk.py", "gpt"), ("storage_disk.py", "dos"), ("storage_states.py", "dir"),
     ("storage_states.py", "fs"), ("storage_states.py", "disk")],
)  # fmt: skip
def test_the_same_session(
    libvirtd: Libvirtd, daemon: Virtstoraged, device: str, tmp_path: Path, script: str, part: str
) -> None:
    theirs = steps(libvirtd.uri, script, tmp_path / "theirs", device, part)
    assert steps(daemon.uri(), script, tmp_path / "ours", device, part) == theirs
