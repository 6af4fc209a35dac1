# SPDX-License-Identifier: Apache-2.0
"""Streams of a volume: holes both ways, bounds, and descriptors that are closed once."""

from __future__ import annotations

import asyncio
import os
from pathlib import Path

import pytest

from virloom.drivers.storage.transfer import VolumeStream, open_volume
from virloom.endpoint.stream import Hole
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


async def test_more_than_the_length_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "volume"
    path.write_bytes(b"0123456789")
    target = stream(path, 2, 4, writing=True)
    await target.write(b"ab")
    with pytest.raises(SystemFailure):
        await target.write(b"cde")
    target.abort()
    assert path.read_bytes() == b"01ab456789"
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
