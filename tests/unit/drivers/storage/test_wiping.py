# SPDX-License-Identifier: Apache-2.0
"""Volumes are overwritten, kept from guests, and their holes stay."""

from __future__ import annotations

import fcntl
import os
import struct
import threading
from pathlib import Path

import pytest

from virloom.drivers.storage.images import image_options
from virloom.drivers.storage.scan import volume_at
from virloom.drivers.storage.wiping import PASSES, passes, wipe
from virloom.enums.storage import StorageVolWipeAlgorithm as Algorithm
from virloom.errors import (
    ConfigUnsupported,
    InvalidArg,
    OperationAborted,
    OperationInvalid,
)

_MIB = 1 << 20


@pytest.fixture
def volume(tmp_path: Path) -> Path:
    """Data with a hole before it."""
    path = tmp_path / "volume"
    with path.open("wb") as file:
        file.seek(4 * _MIB)
        file.write(b"secret" * 100_000)
    return path


@pytest.mark.parametrize("algorithm", sorted(PASSES))
def test_nothing_of_it_is_left(volume: Path, algorithm: int) -> None:
    length, used = volume.stat().st_size, volume.stat().st_blocks
    wipe(volume_at(str(volume.parent), "volume"), algorithm, threading.Event())
    data = volume.read_bytes()
    assert b"secretsecret" not in data
    assert (len(data), volume.stat().st_blocks) == (length, used)
    last = {Algorithm.ZERO: 0, Algorithm.NNSA: 0, Algorithm.DOD: 255, Algorithm.BSI: 0x7F}
    if algorithm in last:
        assert set(data[4 * _MIB :]) == {last[Algorithm(algorithm)]}


def test_as_many_passes_as_their_names_say() -> None:
    assert len(passes(Algorithm.GUTMANN)) == 35
    assert len(passes(Algorithm.PFITZNER33)) == 33
    with pytest.raises(InvalidArg, match="99"):
        passes(99)


def test_a_guest_has_it_open(volume: Path) -> None:
    """QEMU's lock on the byte of the first permission, shared as it takes it."""
    with volume.open("rb") as guest:
        request = struct.pack("hhqqi4x", fcntl.F_RDLCK, os.SEEK_SET, 100, 1, 0)
        fcntl.fcntl(guest, fcntl.F_OFD_SETLK, request)
        with pytest.raises(OperationInvalid, match="still in use"):
            wipe(volume_at(str(volume.parent), "volume"), 0, threading.Event())
    assert volume.read_bytes().count(b"secret") == 100_000


def test_it_is_given_up(volume: Path) -> None:
    stopped = threading.Event()
    stopped.set()
    with pytest.raises(OperationAborted):
        wipe(volume_at(str(volume.parent), "volume"), 0, stopped)


def _qcow2(path: Path, backing: str, form: str = "qcow2") -> None:
    """A header that names a backing image, with no more than that behind it."""
    name = backing.encode()
    extension = struct.pack(">II", 0xE2792ACA, len(form)) + form.encode().ljust(8, b"\0")
    start = 104 + len(extension) + 8
    head = struct.pack(">4sIQIIQIIQQIIQ", b"QFI\xfb", 3, start, len(name), 16, _MIB, 0, *[0] * 6)
    head += struct.pack(">QQQII", 0, 0, 0, 4, 104)
    path.write_bytes(head + extension + bytes(8) + name)


def test_chains_are_spelled_out(tmp_path: Path) -> None:
    (tmp_path / "base").write_bytes(b"QFI\xfb a guest wrote this")
    _qcow2(tmp_path / "top", "base", "raw")
    options = image_options(str(tmp_path / "top"), "qcow2", lambda path: True)
    assert options["backing"] == {
        "driver": "raw",
        "file": {"driver": "file", "filename": str(tmp_path / "base")},
    }


def test_what_is_in_no_pool_is_not_opened(tmp_path: Path) -> None:
    _qcow2(tmp_path / "top", "/etc/shadow", "raw")
    with pytest.raises(ConfigUnsupported, match="no active pool"):
        image_options(str(tmp_path / "top"), "qcow2", lambda path: path != "/etc/shadow")


def test_an_image_that_stands_alone_stays_so(tmp_path: Path) -> None:
    """What its header says when it is opened is another matter."""
    _qcow2(tmp_path / "top", "")
    head = bytearray((tmp_path / "top").read_bytes())
    head[8:16] = bytes(8)
    (tmp_path / "top").write_bytes(head)
    options = image_options(str(tmp_path / "top"), "qcow2", lambda path: True)
    assert options["backing"] is None


@pytest.mark.parametrize("name", ["json:{}", "nbd://host/x", "http:x"])
def test_what_is_no_file_is_refused(tmp_path: Path, name: str) -> None:
    _qcow2(tmp_path / "top", name)
    with pytest.raises(ConfigUnsupported, match="no file"):
        image_options(str(tmp_path / "top"), "qcow2", lambda path: True)


def test_loops_are_refused(tmp_path: Path) -> None:
    _qcow2(tmp_path / "one", "two")
    _qcow2(tmp_path / "two", "one")
    with pytest.raises(OperationInvalid, match="no end"):
        image_options(str(tmp_path / "one"), "qcow2", lambda path: True)
