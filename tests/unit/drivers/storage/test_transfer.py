# SPDX-License-Identifier: Apache-2.0
"""Streams of a volume: holes both ways, bounds, and descriptors that are closed once."""

from __future__ import annotations

import asyncio
import os
from pathlib import Path

import pytest

from virloom.drivers.storage.transfer import VolumeStream, open_and_look, open_volume
from virloom.endpoint.stream import FilePart, Hole
from virloom.errors import OperationAborted, SystemFailure

PART = 1 << 20


def stream(path: Path, offset: int = 0, length: int = 0, *, writing: bool = False) -> VolumeStream:
    descriptor = open_volume(str(path), offset, writing=writing)
    return VolumeStream(descriptor, offset, length, sparse=True, closed=lambda: None)


async def sections(path: Path, offset: int = 0, length: int = 0) -> list[bytes | Hole]:
    source, found = stream(path, offset, length), []
    while part := await source.read_sparse(PART):
        found.append(part)
    await source.finish()
    return found


async def test_holes_are_told_and_made(tmp_path: Path) -> None:
    source, copy = tmp_path / "source", tmp_path / "copy"
    with source.open("wb") as file:
        file.truncate(3 * PART)
        os.pwrite(file.fileno(), b"x" * PART, PART)
    assert await sections(source) == [Hole(PART), b"x" * PART, Hole(PART)]
    assert await sections(source, PART // 2, PART) == [Hole(PART // 2), b"x" * (PART // 2)]
    copy.write_bytes(b"stale" * PART)
    target = stream(copy, writing=True)
    for part in await sections(source):
        if isinstance(part, Hole):
            await target.write_hole(part.length)
        else:
            await target.write(part)
    await target.finish()
    assert copy.read_bytes()[: 3 * PART] == source.read_bytes()


async def test_what_lies_in_a_file_is_told_by_its_place(tmp_path: Path) -> None:
    path, small = tmp_path / "volume", b"small" * 1000
    with path.open("wb") as file:
        file.truncate(24 * PART)
        os.pwrite(file.fileno(), b"x" * (19 * PART), PART)
        os.pwrite(file.fileno(), small, 22 * PART)
    source, found = stream(path), []
    while part := await source.read_placed(PART):
        if isinstance(part, FilePart):
            assert os.pread(part.descriptor, 10, part.offset) == b"x" * 10
            part = part._replace(descriptor=0)
        found.append(part)
    data = small.ljust(8192, b"\0")
    assert found == [
        Hole(PART), FilePart(0, PART, 16 * PART), FilePart(0, 17 * PART, 3 * PART), Hole(2 * PART),
        data, Hole(2 * PART - len(data)),
    ]  # fmt: skip
    await source.finish()
    dense = VolumeStream(
        open_volume(str(path), 5, writing=False), 5, 17 * PART, sparse=False, closed=lambda: None
    )
    assert (await dense.read_placed())[1:] == (5, 16 * PART)
    assert await dense.read(3) == b"x" * 3
    assert (await dense.read_placed())[1:] == (16 * PART + 8, PART - 3)
    assert await dense.read_placed() == b""
    dense.abort()
    with pytest.raises(OperationAborted):
        await dense.read_placed()


async def test_more_than_the_length_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "volume"
    path.write_bytes(b"0123456789")
    target = stream(path, 2, 4, writing=True)
    await target.write(b"ab")
    with pytest.raises(SystemFailure):
        await target.write(b"cde")
    target.abort()
    assert path.read_bytes() == b"01abcd6789"
    with pytest.raises(SystemFailure):
        open_volume(str(path), 1 << 63, writing=False)


async def test_an_end_waits_for_the_thread(tmp_path: Path) -> None:
    path = tmp_path / "volume"
    path.write_bytes(b"x" * PART)
    source = stream(path)
    reading = asyncio.ensure_future(source.read(PART))
    await asyncio.sleep(0)
    source.abort()
    assert await reading == b"x" * PART
    with pytest.raises(OperationAborted):
        await source.read()


async def test_what_was_looked_at_with_the_opening(tmp_path: Path) -> None:
    """It is the same that would be found later, and nothing is looked for again."""
    path = tmp_path / "volume"
    path.write_bytes(b"")
    os.truncate(path, PART)
    opened = open_and_look(str(path), 5, writing=False, sparse=True)
    source = VolumeStream(
        opened.descriptor, 5, 0, sparse=True, closed=lambda: None, ahead=opened.ahead
    )
    path.write_bytes(b"x" * PART)
    assert await source.read_placed() == Hole(PART - 5)
    assert await source.read_placed() == b""
    await source.finish()
    opened = open_and_look(str(path), 5, writing=True, sparse=True)
    assert not opened.ahead
    os.close(opened.descriptor)
