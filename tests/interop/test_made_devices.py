# SPDX-License-Identifier: Apache-2.0
"""Mediated devices and virtual adapters, made for libvirtd 9 and for us by a kernel of files."""

from __future__ import annotations

import os
import re
import shutil
import signal
import subprocess
import tempfile
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.fakes import making_kernel, sys_hardware
from tests.interop.conftest import Virtnodedevd
from tests.interop.reference import Libvirtd, needs_libvirtd

SESSION = Path(__file__).parent / "sessions" / "made_devices.py"
#: Each daemon gets a tree and definitions of its own, and in them a kernel.
_SPACE = """
for place in /sys /run /etc/mdevctl.d; do mount -t tmpfs own $place; done
cp -a {sys}/. /sys/
mkdir -p /etc/mdevctl.d/scripts.d/callouts /etc/mdevctl.d/scripts.d/notifiers
/usr/bin/python3 {kernel} & echo $! > {pid}
export SYSTEMD_DEVICE_VERIFY_SYSFS=0
exec "$@"
"""

pytestmark = [
    pytest.mark.long,
    *needs_libvirtd,
    pytest.mark.skipif(shutil.which("mdevctl") is None, reason="mdevctl is not installed"),
]


def build(root: Path) -> None:
    """A tree with what is written to."""
    sys_hardware.build(root)
    for kind in root.glob("devices/**/mdev_supported_types/*"):
        (kind / "create").write_text("")
    buses = root / "class/mdev_bus"
    for place in ("devices/css0/0.0.0053", "devices/vfio_ap/matrix"):
        link = buses / Path(place).name
        link.symlink_to(os.path.relpath(root / place, buses))
    (root / "class/fc_host/host3/vport_delete").write_text("")


@contextmanager
def space(directory: Path) -> Iterator[list[str]]:
    """What a daemon's command begins with."""
    directory.mkdir()
    build(directory / "sys")
    pid = directory / "kernel.pid"
    script = _SPACE.format(sys=directory / "sys", kernel=making_kernel.__file__, pid=pid)
    own = ["unshare", "--mount", "--net", "--propagation", "private"]
    try:
        yield [*own, "sh", "-ec", script, "sh"]
    finally:
        os.kill(int(pid.read_text()), signal.SIGTERM)


def session(uri: str, pid: int) -> list[str]:
    """What the session prints; a definition has the group of the device that was there, or none."""
    inside = ["nsenter", f"--mount=/proc/{pid}/ns/mnt", "--", "/usr/bin/python3", str(SESSION), uri]
    done = subprocess.run(
        inside, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=110, check=False
    )
    assert done.returncode == 0, done.stderr
    return re.sub(r"<iommuGroup number='\d+'/>", "<iommuGroup/>", done.stdout).splitlines()


def of_ours(directory: Path) -> list[str]:
    root = Path(tempfile.mkdtemp(prefix="vd"))
    with space(directory) as prefix:
        daemon = Virtnodedevd(root, prefix)
        daemon.start()
        try:
            return session(daemon.uri(), daemon.pid)
        finally:
            assert daemon.signal(signal.SIGTERM) == 0
            shutil.rmtree(root)


def of_theirs(directory: Path) -> list[str]:
    place = Path(tempfile.mkdtemp(prefix="lv"))
    with space(directory) as prefix:
        try:
            with Libvirtd(place, prefix=prefix).running() as daemon:
                return session(daemon.uri, daemon.process.pid)
        finally:
            shutil.rmtree(place)


@pytest.mark.timeout(240)
def test_the_same_is_made_and_told(tmp_path: Path) -> None:
    with ThreadPoolExecutor() as pool:  # most of both is waiting
        theirs = pool.submit(of_theirs, tmp_path / "theirs")
        found, expected = of_ours(tmp_path / "ours"), theirs.result()
    assert found == expected
    assert any("scsi_host51" in line for line in found)
