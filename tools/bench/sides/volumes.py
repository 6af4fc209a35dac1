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


class StorageService(Service):
    """Handlers of volumes, served as by virtstoraged."""

    programs = frozenset((0x20008086,))

    def __init__(self, handlers: object) -> None:
        self._dispatcher = Dispatcher([handlers])

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


def serve(handlers: object) -> int:
    """Runs the daemon with these handlers, by its command line."""

    async def opened(places: Places) -> Service:
        return StorageService(handlers)

    return run(DaemonSpec("virtstoraged", "a stand-in for the daemon of storage", opened))


def main() -> int:
    """The program."""
    return serve(_Volumes())


if __name__ == "__main__":
    sys.exit(main())
