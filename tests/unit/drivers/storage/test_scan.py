# SPDX-License-Identifier: Apache-2.0
"""Files as volumes: which are opened again, and which are known."""

from __future__ import annotations

import os
import struct
import time
from pathlib import Path

import pytest

from virloom.drivers.storage.images import image_options
from virloom.drivers.storage.scan import Seen, volume_at
from virloom.errors import ConfigUnsupported, StorageProbeFailed

QCOW2 = b"QFI\xfb\0\0\0\2" + bytes(12) + b"\0\0\0\x10" + (1 << 20).to_bytes(8, "big")


#: Nanoseconds; as short as the kernel's clock of files allows.
SETTLED = 5 * 10**7


def settle(path: Path) -> None:
    """Lets the last change be long ago, as far as the measure of that goes."""
    deadline = time.monotonic() + 5
    while time.time_ns() - path.stat().st_ctime_ns <= SETTLED:
        assert time.monotonic() < deadline
        time.sleep(0.01)


def test_a_file_is_opened_again_only_when_it_changed(tmp_path: Path) -> None:
    restless, seen, path = Seen(10), Seen(10, SETTLED), tmp_path / "image"
    path.write_bytes(bytes(4096))
    restless.volume(str(path), "image")
    restless.volume(str(path), "image")
    assert restless.opened == 2, "what was just written may be written again within a tick"
    settle(path)
    former = seen.volume(str(path), "image")
    assert seen.volume(str(path), "image") is former
    assert seen.opened == 1
    os.utime(path, ns=(1, path.stat().st_mtime_ns))
    settle(path)
    assert seen.volume(str(path), "image").target.timestamps.atime == "0.000000001"
    with path.open("r+b") as file:
        file.write(QCOW2)
    assert seen.volume(str(path), "image").target.format.type == "qcow2"
    other = tmp_path / "other"
    other.write_bytes(bytes(4096))
    other.rename(path)
    assert seen.volume(str(path), "image").target.format.type == "raw"


def test_the_oldest_are_forgotten(tmp_path: Path) -> None:
    seen = Seen(2, 0)
    for _ in range(2):
        for number in range(3):
            path = tmp_path / str(number)
            path.touch()
            seen.volume(str(path), path.name)
    assert seen.opened == 6
    assert len(seen._looks) == len(seen._volumes) == 2


def test_a_pipe_is_never_opened(tmp_path: Path) -> None:
    seen = Seen(1)
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(StorageProbeFailed):
        seen.volume(str(tmp_path / "pipe"), "pipe")
    assert seen.opened == 0


def test_a_whole_second_has_no_fraction(tmp_path: Path) -> None:
    path = tmp_path / "image"
    path.touch()
    os.utime(path, ns=(10**18 + 5, 10**18))
    times = Seen(10).volume(str(path), "image").target.timestamps
    assert (times.atime, times.mtime) == ("1000000000.000000005", "1000000000")


def overlay(name: bytes) -> bytes:
    """An image that is laid over what has that name, of a format that it does not tell."""
    place = struct.pack(">QI", 104, len(name))
    return (QCOW2[:8] + place + QCOW2[20:]).ljust(104, b"\0") + name


@pytest.mark.parametrize(
    ("name", "path"),
    [
        (b"base", "HERE/base"), (b"/etc/a:b", "/etc/a:b"), (b"./a:b", "HERE/a:b"),
        (b"nbd:localhost:1", "nbd:localhost:1"), (b"http://h/x", "http://h/x"),
        (b'json:{"driver":"nbd"}', 'json:{"driver":"nbd"}'),
    ],
)  # fmt: skip
def test_what_an_image_is_laid_over(tmp_path: Path, name: bytes, path: str) -> None:
    """A file beside it, or what is no file, as the image has it; raw where it does not say."""
    (tmp_path / "image").write_bytes(overlay(name))
    below = volume_at(str(tmp_path), "image").backing_store
    assert below is not None
    assert (below.path, below.format.type) == (path.replace("HERE", str(tmp_path)), "raw")


@pytest.mark.parametrize("name", [b"\xff", b"a\nb", b"a\x01", b"\xed\xa0\x80", "\uffff".encode()])
def test_names_that_no_document_can_have(tmp_path: Path, name: bytes) -> None:
    """Are not told, and not in the error of who opens the image."""
    (tmp_path / "image").write_bytes(overlay(name))
    volume = volume_at(str(tmp_path), "image")
    assert (volume.target.format.type, volume.backing_store) == ("qcow2", None)
    with pytest.raises(ConfigUnsupported, match="whose name is no text"):
        image_options(str(tmp_path / "image"), "qcow2", lambda path: True)
