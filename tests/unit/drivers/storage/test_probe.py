# SPDX-License-Identifier: Apache-2.0
"""What the first bytes of a volume tell, hostile ones included."""

from __future__ import annotations

import struct

import pytest

from virloom.drivers.runtime.image import Backing, ImageHead
from virloom.drivers.storage.probe import Probed, probe


def qcow2(
    *, version: int = 3, bits: int = 16, backing: bytes = b"", size: int | None = None,
    incompatible: int = 0, compatible: int = 0,
) -> bytes:  # fmt: skip
    length = len(backing) if size is None else size
    head = struct.pack(
        ">4sIQIIQIIQQIIQQQQII", b"QFI\xfb", version, 112 if length else 0, length, bits, 1 << 20,
        0, 1, 0, 0, 0, 0, 0, incompatible, compatible, 0, 4, 104,
    )  # fmt: skip
    return head.ljust(112, b"\0") + backing


def looked_at(data: bytes) -> Probed:
    return probe(ImageHead((1, 1), False, data), "/pool/image")


def test_a_sound_image_says_what_it_is() -> None:
    found = looked_at(qcow2(backing=b"base", compatible=1, incompatible=1 << 4))
    assert (found.format, found.capacity, found.compat) == ("qcow2", 1 << 20, "1.1")
    assert (found.cluster, found.lazy_refcounts, found.extended_l2) == (65536, True, True)
    assert found.backing is not None
    assert found.backing.reference == "base"
    assert looked_at(qcow2(version=2)).compat is None


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"QFI\xfb",
        qcow2(version=9),
        qcow2(bits=63),
        qcow2(backing=b"x", size=1 << 31),
        qcow2(backing=b"a\0b"),
        qcow2()[:24] + b"\xff" * 8 + qcow2()[32:],
        b"KDMV" + b"\1\0\0\0" + b"\xff" * 400,
        b"LUKS\xba\xbe\0\1",
        b"QED\0",
        b"QFI\xfb" + b"\xff" * 400,
    ],
)
def test_what_nobody_can_use_is_raw(data: bytes) -> None:
    assert looked_at(data) == Probed("raw")


def test_a_cd_is_told_by_its_descriptor() -> None:
    assert looked_at(bytes(32769) + b"CD001").format == "iso"
    assert looked_at(bytes(32770) + b"CD001").format == "raw"


def test_what_is_never_opened_is_told_without_what_it_names() -> None:
    """An image whose data is in another file, and one of the old encryption."""
    found = looked_at(qcow2(backing=b"base", incompatible=1 << 2))
    assert (found.format, found.capacity, found.backing) == ("qcow2", 1 << 20, None)
    old = bytearray(qcow2())
    old[32:36] = struct.pack(">I", 1)
    assert looked_at(bytes(old)).encryption == "qcow"


def test_an_encrypted_raw_volume_has_what_follows_its_header() -> None:
    head = b"LUKS\xba\xbe\0\1".ljust(104, b"\0") + struct.pack(">I", 8)
    assert looked_at(head) == Probed("raw", encryption="luks", payload=4096)


def test_older_formats_tell_their_size_and_what_they_name() -> None:
    header = b"QED\0" + bytes(12) + struct.pack("<Q", 5) + bytes(24) + struct.pack("<Q", 1 << 20)
    qed = header + struct.pack("<II", 64, 4) + b"base"
    found = looked_at(qed)
    assert (found.format, found.capacity) == ("qed", 1 << 20)
    assert found.backing == Backing("base", "raw")
    assert looked_at(qed[:56] + struct.pack("<II", 64, 1 << 30) + b"base").backing is None
    cow = b"OOOM\0\0\0\2" + b"base".ljust(1028, b"\0") + struct.pack(">QI", 7 << 20, 512)
    found = looked_at(cow)
    assert (found.format, found.capacity, found.backing) == ("cow", 7 << 20, Backing("base", None))
    assert looked_at(cow[:8] + bytes(1028) + cow[1036:]).backing is None
    assert looked_at(cow[:1040]) == Probed("raw")
