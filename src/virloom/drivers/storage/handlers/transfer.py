# SPDX-License-Identifier: Apache-2.0
"""Volumes sent to clients, and taken from them."""

from __future__ import annotations

from virloom.drivers.storage.driver import StorageDriver
from virloom.drivers.storage.flags import check_flags
from virloom.drivers.storage.transfer import VolumeStream
from virloom.endpoint.dispatch import Call, serves
from virloom.enums.storage import StorageVolDownloadFlags, StorageVolUploadFlags
from virloom.procedures import storage as p

#: ``VIR_STORAGE_VOL_DOWNLOAD_SPARSE_STREAM`` and ``VIR_STORAGE_VOL_UPLOAD_SPARSE_STREAM``
_SPARSE = 1


class Transfer:
    """Handlers of upload and download."""

    def __init__(self, driver: StorageDriver) -> None:
        self._driver = driver

    @serves(p.STORAGE_VOL_DOWNLOAD)
    async def download(self, call: Call, args: p.StorageVolDownloadArgs) -> None:
        check_flags(args.flags, sum(StorageVolDownloadFlags), "storageVolDownload")
        await self._attach(call, args, writing=False)

    @serves(p.STORAGE_VOL_UPLOAD)
    async def upload(self, call: Call, args: p.StorageVolUploadArgs) -> None:
        check_flags(args.flags, sum(StorageVolUploadFlags), "storageVolUpload")
        await self._attach(call, args, writing=True)

    async def _attach(
        self, call: Call, args: p.StorageVolDownloadArgs | p.StorageVolUploadArgs, *, writing: bool
    ) -> None:
        pool, volume = self._driver.find_volume(args.vol)
        backend = self._driver.backend(pool)
        descriptor = await backend.open(volume, args.offset, writing=writing)

        def closed() -> None:
            """What was written may be another image."""
            if writing:
                self._driver.work.refresh_soon(pool)

        stream = VolumeStream(
            descriptor, args.offset, args.length,
            sparse=bool(args.flags & _SPARSE), closed=closed,
        )  # fmt: skip
        try:
            call.attach_stream(stream)
        except BaseException:
            stream.abort()
            raise
