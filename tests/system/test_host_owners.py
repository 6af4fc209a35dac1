# SPDX-License-Identifier: Apache-2.0
"""Remembered owners beside libvirt's: each respects what the other took."""

from __future__ import annotations

import os
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from virloom.host import ownership

# A libvirt with a new root asks every QEMU binary, which takes minutes on a busy machine.
pytestmark = pytest.mark.timeout(300)

ROOT = pytest.mark.skipif(os.geteuid() != 0, reason="only root can give files away")

QEMU_CONF = """
stdio_handler = "file"
user = "+64123"
group = "+64124"
"""
"""libvirt refuses an image that is in use under another owner than its own QEMU's."""

LIBVIRT = """
import sys, libvirt
libvirt.virEventRegisterDefaultImpl()
connection = libvirt.open("qemu:///embed?root=" + sys.argv[1])
guest = connection.createXML(f'''
    <domain type='qemu'><name>beside</name><memory unit='MiB'>16</memory>
    <os><type machine='q35'>hvm</type></os><devices><disk type='file'><source file='{sys.argv[2]}'/>
    <target dev='vda' bus='virtio'/></disk></devices></domain>''',
    libvirt.VIR_DOMAIN_START_PAUSED)
print("started", flush=True)
sys.stdin.readline()
guest.destroy()
print("ended", flush=True)
"""


class Libvirt:
    """A libvirt of its own that starts a guest for an image."""

    def __init__(self, root: Path, image: Path) -> None:
        argv = ["/usr/bin/python3", "-c", LIBVIRT, str(root), str(image)]
        pipe = subprocess.PIPE
        self.process = subprocess.Popen(argv, stdin=pipe, stdout=pipe, text=True, bufsize=1)
        try:
            self.expect("started")
        except BaseException:
            self.close()
            raise

    def expect(self, word: str) -> None:
        assert self.process.stdout is not None
        assert self.process.stdout.readline() == word + "\n"

    def end_guest(self) -> None:
        assert self.process.stdin is not None
        self.process.stdin.write("\n")
        self.expect("ended")

    def __enter__(self) -> Libvirt:
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()

    def close(self) -> None:
        try:
            self.process.communicate("\n\n", timeout=30)
        finally:
            self.process.kill()
            self.process.wait()


class Shared:
    """An image that libvirt and we use at the same time."""

    def __init__(self, directory: Path, root: Path) -> None:
        self.root = root
        self.image = directory / "image"
        self.image.write_bytes(bytes(1 << 20))
        os.chown(self.image, 1234, 5678)
        state = str(directory / "state")
        self.resource = ownership.plan(str(self.image), "token", 64123, 64124, state)

    @property
    def owner(self) -> tuple[int, int]:
        return self.image.stat().st_uid, self.image.stat().st_gid


@pytest.fixture(scope="module")
def root() -> Iterator[Path]:
    """A root of libvirt's for all tests: it asks every QEMU binary in each new one."""
    with open_directory() as path:
        (path / "etc").mkdir()
        (path / "etc" / "qemu.conf").write_text(QEMU_CONF)
        yield path


@pytest.fixture
def shared(root: Path) -> Iterator[Shared]:
    if not Path("/usr/lib/python3/dist-packages/libvirt.py").exists():
        pytest.skip("python3-libvirt is not installed")
    if not ownership.boot_time_by_utmp():
        # Each of its processes computes that anew, a second more or less by chance.
        pytest.skip("without utmp libvirt drops its own memory as that of another boot")
    with open_directory() as path:
        yield Shared(path, root)


@contextmanager
def open_directory() -> Iterator[Path]:
    """A directory that libvirt's QEMU, an ordinary user, may enter; tmp_path is closed to it."""
    with tempfile.TemporaryDirectory() as name:
        os.chmod(name, 0o755)
        yield Path(name)


@ROOT
@pytest.mark.parity
def test_what_libvirt_took_first_is_left_to_the_last(shared: Shared) -> None:
    with Libvirt(shared.root, shared.image) as libvirt:
        ownership.take(shared.resource)
        assert shared.owner == (64123, 64124)
        libvirt.end_guest()
        assert shared.owner == (64123, 64124)
        ownership.restore(shared.resource)
    assert shared.owner == (1234, 5678)
    assert not os.listxattr(shared.image)


@ROOT
@pytest.mark.parity
@pytest.mark.parametrize("last", ["libvirt", "ours"])
def test_what_we_took_first_is_left_to_the_last(shared: Shared, last: str) -> None:
    ownership.take(shared.resource)
    with Libvirt(shared.root, shared.image) as libvirt:
        if last == "libvirt":
            ownership.restore(shared.resource)
            assert shared.owner != (1234, 5678)
        libvirt.end_guest()
        if last == "ours":
            assert shared.owner != (1234, 5678)
            ownership.restore(shared.resource)
    assert shared.owner == (1234, 5678)
    assert not os.listxattr(shared.image)
