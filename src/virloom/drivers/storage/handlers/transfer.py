# SPDX-License-Identifier: Apache-2.0
"""Volumes sent to clients, and taken from them."""

from __future__ import annotations

import logging
import os

from virloom.drivers.storage.driver import StorageDriver
from virloom.drivers.storage.flags import check_flags
from virloom.drivers.storage.transfer import VolumeStream
from virloom.endpoint.dispatch import Call, serves
from virloom.enums.storage import StorageVolDownloadFlags, StorageVolUploadFlags
from virloom.model.storage import Volume
from virloom.procedures import storage as p

logger = logging.getLogger(__name__)

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
        pool.require_made(volume)
        if writing and volume.target.format.type != "raw":
            pool.require_unused(volume)  # whoever reads an image relies on its header
        backend = self._driver.backend(pool)
        sparse = bool(args.flags & _SPARSE)
        opened = await backend.open(volume, args.offset, writing=writing, sparse=sparse)

        if writing:
            pool.writing.append(args.vol.name)

        def closed() -> None:
            """What was written may be another image."""
            if writing:
                pool.writing.remove(args.vol.name)
                self._tell(stream, volume)
                self._driver.work.refresh_soon(pool)

        stream = VolumeStream(
            opened.descriptor, args.offset, args.length, sparse=sparse, closed=closed,
            end=_end(volume, opened.descriptor) if writing else None, ahead=opened.ahead,
        )  # fmt: skip
        try:
            call.attach_stream(stream)
        except BaseException:
            stream.abort()
            raise

    @staticmethod
    def _tell(stream: VolumeStream, volume: Volume) -> None:
        """Says how far an upload came whose client went away, or gave it up."""
        if not stream.finished:
            logger.warning(
                "an upload to volume '%s' ended early: it was written as far as byte %d of '%s'",
                volume.name, stream.position, volume.target.path,
            )  # fmt: skip


def _end(volume: Volume, descriptor: int) -> int | None:
    """Where a volume ends that is no longer than what a guest sees of it.

    An upload to it does not go further, as to a block device; libvirt makes the file longer. An
    image in a format has the length that it needs.
    """
    target = volume.target
    if volume.type != "file" or target.format.type != "raw" or target.encryption is not None:
        return None
    return max(volume.capacity.value or 0, os.fstat(descriptor).st_size)
