# SPDX-License-Identifier: Apache-2.0
"""A daemon of storage for tests of relayed streams: a volume of bytes that anyone can compute."""

from __future__ import annotations

import hashlib
from array import array
from typing import Any

from tools.bench.sides.volumes import serve
from virloom.endpoint.dispatch import Call, serves
from virloom.endpoint.stream import StreamEnd
from virloom.errors import VirloomError
from virloom.procedures import connect
from virloom.procedures import storage as p


def content(size: int) -> bytes:
    """The first bytes of the volume: no part of them is like another."""
    return array("I", range(size // 4)).tobytes()


class Volume(StreamEnd):
    """A stream from the volume, or to it."""

    def __init__(self, size: int = 0) -> None:
        self._left = memoryview(content(size))
        self.came = hashlib.sha256()

    async def read(self, limit: int = 0) -> bytes:
        part, self._left = bytes(self._left[:limit]), self._left[limit:]
        return part

    async def write(self, data: bytes) -> None:
        self.came.update(data)

    async def finish(self) -> None:
        """Nothing is kept."""

    def abort(self, reason: VirloomError | None = None) -> None:
        """Nothing is kept."""


class Endless(Volume):
    """A stream that its reader has to end."""

    async def read(self, limit: int = 0) -> bytes:
        return bytes(limit)


class Volumes:
    """The handlers; the path of a volume is the digest of what was written last."""

    def __init__(self) -> None:
        self._written = Volume()

    @serves(connect.CONNECT_SUPPORTS_FEATURE)
    def supports(self, call: Call, args: Any) -> connect.ConnectSupportsFeatureRet:
        return connect.ConnectSupportsFeatureRet(0)

    @serves(p.STORAGE_VOL_GET_PATH)
    def path(self, call: Call, args: p.StorageVolGetPathArgs) -> p.StorageVolGetPathRet:
        return p.StorageVolGetPathRet(self._written.came.hexdigest())

    @serves(p.STORAGE_VOL_DOWNLOAD)
    def download(self, call: Call, args: p.StorageVolDownloadArgs) -> None:
        call.attach_stream(Volume(args.length) if args.length else Endless())

    @serves(p.STORAGE_VOL_UPLOAD)
    def upload(self, call: Call, args: p.StorageVolUploadArgs) -> None:
        self._written = Volume()
        call.attach_stream(self._written)


def main() -> int:
    """The program."""
    return serve(Volumes())
