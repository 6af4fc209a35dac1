# SPDX-License-Identifier: Apache-2.0
"""Which capacity a volume gets, and images that are not to be followed."""

from __future__ import annotations

import struct
from pathlib import Path

import pytest

from virloom.drivers.storage.host import StorageHost
from virloom.drivers.storage.resizing import new_capacity, resize
from virloom.drivers.storage.volumes import in_bytes
from virloom.enums.storage import StorageVolResizeFlags as Flags
from virloom.errors import ConfigUnsupported, InvalidArg, OperationFailed, StorageProbeFailed
from virloom.model.storage import Volume

#: A qcow2 image, version 3, over ``json:{}`` of a format that is not told.
OVERLAY = struct.pack(
    ">4sIQIIQIIQQIIQQQQII", b"QFI\xfb", 3, 112, 7, 16, 1 << 20,
    0, 1, 0, 0, 0, 0, 0, 0, 0, 0, 4, 104,
).ljust(112, b"\0") + b"json:{}"  # fmt: skip


def volume(capacity: int = 100, allocation: int = 20) -> Volume:
    model = Volume()
    model.type, model.capacity, model.allocation = "file", in_bytes(capacity), in_bytes(allocation)
    return model


@pytest.mark.parametrize(
    ("capacity", "flags", "wanted"),
    [
        (150, 0, 150),
        (50, Flags.SHRINK, 50),
        (50, Flags.DELTA, 150),
        (50, Flags.DELTA | Flags.SHRINK, 50),
        (5000, 0, 5000),
        (70, Flags.ALLOCATE | Flags.SHRINK, 70),
    ],
)
def test_what_is_asked_for(capacity: int, flags: int, wanted: int) -> None:
    assert new_capacity(volume(), 60, capacity, flags) == wanted


@pytest.mark.parametrize(
    ("capacity", "flags", "error", "says"),
    [
        (50, 0, InvalidArg, "^invalid argument: .*below current capacity"),
        (10, Flags.SHRINK, InvalidArg, "^invalid argument: .*below existing allocation"),
        (200, Flags.DELTA | Flags.SHRINK, InvalidArg, "^invalid argument: .*below existing"),
        (5000, Flags.ALLOCATE, OperationFailed, "Not enough space"),
    ],
)
def test_what_is_refused(capacity: int, flags: int, error: type[Exception], says: str) -> None:
    with pytest.raises(error, match=says):
        new_capacity(volume(), 60, capacity, flags)


@pytest.mark.parametrize("data", [OVERLAY, OVERLAY[:100], b"raw now"])
async def test_an_image_is_not_followed(tmp_path: Path, data: bytes) -> None:
    model = volume()
    path = tmp_path / "image"
    path.write_bytes(data)
    model.target.path, model.target.format.type = str(path), "qcow2"
    with pytest.raises((ConfigUnsupported, StorageProbeFailed)):
        await resize(StorageHost(), model, 1 << 20, allocate=False, shrink=False)
    assert path.read_bytes() == data
