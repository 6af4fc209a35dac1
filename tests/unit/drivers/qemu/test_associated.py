# SPDX-License-Identifier: Apache-2.0
"""Images that a client opened: which descriptor serves, how long, and what a start makes of it."""

from __future__ import annotations

import fcntl
import os
import struct
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from virloom.drivers.qemu.associated import FdGroup, FdGroups
from virloom.drivers.qemu.command.files import plan_files
from virloom.drivers.qemu.process.resources import given_images, image_chains, open_files
from virloom.errors import InvalidArg
from virloom.model.domain import Domain
from virloom.xml import parse_document

DOCUMENT = """<domain type='qemu'><name>x</name><memory>1024</memory><os><type>hvm</type></os>
<devices><disk type='file' device='disk'><driver name='qemu' type='qcow2'/>
<source file='{top}' fdgroup='top'/><backingStore type='file'><format type='raw'/>
<source file='{base}' fdgroup='base'/><backingStore/></backingStore>
<target dev='vda' bus='virtio'/><alias name='virtio-disk0'/></disk></devices></domain>"""


class Session:
    """As much of a connection as is needed: what is done when it ends."""

    def __init__(self) -> None:
        self.actions: list[Callable[[], None]] = []

    def on_close(self, action: Callable[[], None]) -> Callable[[], None]:
        self.actions.append(action)
        return lambda: self.actions.remove(action)

    def close(self) -> None:
        for action in list(self.actions):
            action()


@pytest.fixture
def session() -> Iterator[Session]:
    """It ends with the test."""
    made = Session()
    yield made
    made.close()


def opened(path: Path, flags: int) -> int:
    return os.open(path, flags | os.O_CLOEXEC)


def mode(fd: int) -> int:
    return fcntl.fcntl(fd, fcntl.F_GETFL) & os.O_ACCMODE


def test_the_descriptor_with_just_the_right_access(tmp_path: Path) -> None:
    file = tmp_path / "image"
    file.write_bytes(b"image")
    group = FdGroup("g", [opened(file, os.O_RDONLY), opened(file, os.O_RDWR)])
    file.unlink()
    for access, expected in (("r", os.O_RDONLY), ("rw", os.O_RDWR)):
        fd = group.open(access)
        assert mode(fd) == expected
        assert not os.get_inheritable(fd)
        os.close(fd)
    group.close()
    group.close()


def test_a_writer_can_be_opened_for_reading_alone(tmp_path: Path) -> None:
    file = tmp_path / "image"
    file.write_bytes(b"image")
    group = FdGroup("g", [opened(file, os.O_RDWR)])
    file.unlink()
    fd = group.open("r")
    assert mode(fd) == os.O_RDONLY
    assert os.pread(fd, 9, 0) == b"image"
    os.close(fd)
    group.close()


def test_a_reader_cannot_be_made_a_writer(tmp_path: Path) -> None:
    file = tmp_path / "image"
    file.touch()
    group = FdGroup("g", [opened(file, os.O_RDONLY)])
    with pytest.raises(InvalidArg, match="no file descriptor of group 'g' is open for writing"):
        group.open("rw")
    group.close()


def test_a_group_lives_as_long_as_its_connection() -> None:
    groups, one, two = FdGroups(), Session(), Session()
    first_end, first = os.pipe()
    second_end, second = os.pipe()
    groups.put(FdGroup("g", [first]), one.on_close)
    groups.put(FdGroup("g", [second]), two.on_close)
    assert os.read(first_end, 1) == b""  # replaced, so closed
    assert one.actions == []
    one.close()
    assert groups.get("g").first == second
    two.close()
    assert os.read(second_end, 1) == b""
    with pytest.raises(InvalidArg, match="group 'g' was not associated with the domain"):
        groups.get("g")
    os.close(first_end)
    os.close(second_end)


def test_a_start_reads_and_opens_by_descriptor(tmp_path: Path, session: Session) -> None:
    groups = FdGroups()
    top, base = tmp_path / "top", tmp_path / "base"
    head = b"QFI\xfb" + struct.pack(">IQI", 2, 0, 0) + struct.pack(">IQI", 16, 1 << 20, 0)
    top.write_bytes(head.ljust(104, b"\0"))
    base.write_bytes(b"raw data")
    groups.put(FdGroup("top", [opened(top, os.O_RDWR)]), session.on_close)
    groups.put(FdGroup("base", [opened(base, os.O_RDONLY)]), session.on_close)
    model = parse_document(Domain, DOCUMENT.format(top=top, base=base))
    top.unlink()
    base.unlink()  # only the descriptors are left of them
    given = given_images(model, groups)
    chains = image_chains(model, given)
    assert [layer.format for layer in chains["virtio-disk0"]] == ["qcow2", "raw"]
    with ExitStack() as stack:
        files = open_files(plan_files(model, chains), stack, given=given)
        assert [mode(fd) for fd in files.values()] == [os.O_RDWR, os.O_RDONLY]
        assert os.pread(list(files.values())[1], 8, 0) == b"raw data"


def test_a_group_that_nobody_has_associated() -> None:
    model = parse_document(Domain, DOCUMENT.format(top="/a", base="/b"))
    with pytest.raises(InvalidArg, match="group 'top' was not associated"):
        given_images(model, FdGroups())
