# SPDX-License-Identifier: Apache-2.0
"""A daemon of storage for the measure: one volume of zeros in memory, to be read and written."""

from __future__ import annotations

import sys
from typing import Any

from virloom.daemon.places import Places
from virloom.daemon.program import run
from virloom.daemon.service import Service
from virloom.daemon.spec import DaemonSpec
from virloom.endpoint.dispatch import Call, Dispatcher, serves
from virloom.endpoint.stream import StreamEnd
from virloom.errors import VirloomError
from virloom.procedures import connect, storage

_PART = bytes(262120)


class _Zeros(StreamEnd):
    def __init__(self, size: int) -> None:
        self._left = size

    async def read(self, limit: int = 0) -> bytes:
        part = _PART[: min(limit, self._left)]
        self._left -= len(part)
        return part

    async def write(self, data: bytes) -> None:
        """Nobody keeps it."""

    async def finish(self) -> None:
        self._left = 0

    def abort(self, reason: VirloomError | None = None) -> None:
        self._left = 0


class _Volumes:
    @serves(connect.CONNECT_SUPPORTS_FEATURE)
    def supports(self, call: Call, args: Any) -> connect.ConnectSupportsFeatureRet:
        return connect.ConnectSupportsFeatureRet(0)

    @serves(storage.STORAGE_VOL_LOOKUP_BY_PATH)
    def lookup(self, call: Call, args: Any) -> storage.StorageVolLookupByPathRet:
        volume = storage.NonnullStorageVol("memory", "zeros", args.path)
        return storage.StorageVolLookupByPathRet(volume)

    @serves(storage.STORAGE_VOL_DOWNLOAD)
    def download(self, call: Call, args: storage.StorageVolDownloadArgs) -> None:
        call.attach_stream(_Zeros(args.length))

    @serves(storage.STORAGE_VOL_UPLOAD)
    def upload(self, call: Call, args: storage.StorageVolUploadArgs) -> None:
        call.attach_stream(_Zeros(0))


class _Storage(Service):
    programs = frozenset((0x20008086,))

    def __init__(self) -> None:
        self._dispatcher = Dispatcher([_Volumes()])

    @property
    def dispatcher(self) -> Dispatcher:
        return self._dispatcher

    def check_uri(self, uri: str) -> None:
        """Whatever is asked for."""

    def busy(self) -> bool:
        return False

    def reload(self) -> None:
        """There is nothing to read again."""

    async def close(self) -> None:
        """Nothing is held."""


async def _open(places: Places) -> Service:
    return _Storage()


def main() -> int:
    """The program."""
    return run(DaemonSpec("virtstoraged", "volumes for a measure", _open))


if __name__ == "__main__":
    sys.exit(main())
