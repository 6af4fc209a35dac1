# SPDX-License-Identifier: Apache-2.0
"""Guests on units of a real iSCSI target, which QEMU asks for itself; beside libvirtd 9."""

from __future__ import annotations

import json
import os
import shutil
import signal
import socket
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import virloom
from tests.interop import bootable
from tests.interop.conftest import Virtqemud
from tests.interop.iscsi_target import ME, TARGET, served
from tests.interop.reference import Libvirtd, needs_libvirtd
from virloom.sync.portal import portal
from virloom.testing.documents import tiny_guest_xml

SESSION = Path(__file__).parent / "sessions" / "iscsi_guests.py"
DRIVER = Path("/usr/lib/x86_64-linux-gnu/qemu/block-iscsi.so")

pytestmark = [
    pytest.mark.long,
    pytest.mark.timeout(600),
    pytest.mark.skipif(os.geteuid() != 0, reason="a network of its own: needs root"),
    pytest.mark.skipif(not DRIVER.exists(), reason="qemu-block-extra is not installed"),
]


class Everything(Virtqemud):
    """The daemon that has pools and secrets beside the guests."""

    name, sockets = "libvirtd", "libvirt"


@pytest.fixture(scope="module", autouse=True)
def _portal() -> None:
    """Lives as long as the process: no leak of the test that happens to be first."""
    portal()


@pytest.fixture
def prefix(tmp_path: Path) -> Iterator[list[str]]:
    """What a command line begins with that is to run in the target's network; all units boot."""
    with served(tmp_path) as space:
        for image in tmp_path.glob("*.img"):
            with image.open("r+b") as file:
                file.write(bootable.disk("BOOTED"))
        yield ["nsenter", "--target", str(space.pid), "--net"]


def session(uri: str) -> list[Any]:
    """What libvirt's binding makes of the session, step by step."""
    home = Path(tempfile.mkdtemp(prefix="ig"))
    home.chmod(0o777)
    words = ["/usr/bin/python3", str(SESSION), uri, str(home), TARGET, ME]
    done = subprocess.run(
        words, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=500, check=False
    )
    shutil.rmtree(home)
    assert done.returncode == 0, done.stderr
    return [json.loads(line) for line in done.stdout.splitlines()]


@pytest.fixture
def ours(prefix: list[str]) -> Iterator[Everything]:
    root = Path(tempfile.mkdtemp(prefix="ig"))
    root.chmod(0o755)
    daemon = Everything(root, prefix)
    daemon.start()
    try:
        yield daemon
    finally:
        assert daemon.signal(signal.SIGTERM) == 0, daemon.log()
        shutil.rmtree(root)


@needs_libvirtd[0]
@needs_libvirtd[1]
def test_guests_of_units(prefix: list[str], ours: Everything) -> None:
    directory = Path(tempfile.mkdtemp(prefix="lv-"))
    directory.chmod(0o755)  # its guests run as another user
    libvirtd = Libvirtd(directory, prefix=prefix)
    try:
        libvirtd.await_socket()
        theirs = session(libvirtd.uri)
    finally:
        libvirtd.end()
        shutil.rmtree(directory)
    assert ["of-pool: booted", True] in theirs
    assert session(ours.uri()) == theirs


DIRECT = f"""<pool type='iscsi-direct'><name>direct</name><source><host name='127.0.0.1'/>
<device path='{TARGET}'/><initiator><iqn name='{ME}'/></initiator></source></pool>"""
UNIT = """<disk type='volume' device='disk'><driver name='qemu' type='raw'/>
<source pool='direct' volume='unit:0:0:2'/><target dev='vda' bus='virtio'/></disk>"""


def test_a_microvm_of_a_unit(ours: Everything, tmp_path: Path) -> None:
    """Its firmware boots no disks: it sees what is on the unit, and writes there."""
    console = ours.root / "console"
    text = tiny_guest_xml(
        "small", machine="microvm", console=f"unix:{console}", extra_devices=UNIT,
        modules=("virtio_mmio", "virtio_blk"),
    )  # fmt: skip
    with virloom.open_sync(ours.uri()) as conn:
        conn.storage_pools.create_xml(DIRECT)
        guest = conn.create_xml(text)
        with socket.socket(socket.AF_UNIX) as line:
            line.settimeout(120)
            line.connect(str(console))
            said = told(line, b"VIRLOOM-GUEST-READY")
            line.sendall(b"grep -c BOOTED /dev/vda; echo WRITTEN >/dev/vda; sync; echo DO''NE\n")
            said = told(line, b"DONE")
        assert "# 1\r" in said
        assert "volume='unit:0:0:2'" in guest.xml_desc()
        guest.destroy()
    assert (tmp_path / "1-2.img").read_bytes().startswith(b"WRITTEN")


def told(line: socket.socket, word: bytes) -> str:
    """What a guest says until that word."""
    said = b""
    while word not in said:
        part = line.recv(4096)
        assert part, said
        said += part
    return said.decode(errors="replace")
