# SPDX-License-Identifier: Apache-2.0
"""Pools whose volumes are seen on the host by a path: files or block devices."""

from __future__ import annotations

import asyncio
import os

from virloom.drivers.storage.backends.interface import Backend
from virloom.drivers.storage.scan import remember, volume_at
from virloom.drivers.storage.transfer import Opened, open_and_look
from virloom.drivers.storage.wiping import passes, wipe
from virloom.enums.error import ErrorDomain
from virloom.errors import NoStorageVol, system_failure
from virloom.model.storage import Pool, Volume


class PathBackend(Backend):
    """Volumes have paths."""

    async def fresh(self, pool: Pool, volume: Volume, *, probing: bool = False) -> Volume:
        path = volume.target.path or ""
        try:
            found = await asyncio.to_thread(volume_at, os.path.dirname(path), volume.name or "")
        except FileNotFoundError as exc:
            raise NoStorageVol(
                f"no storage vol with matching path '{path}'", domain=ErrorDomain.STORAGE
            ) from exc
        except OSError as exc:
            raise system_failure(
                f"cannot open volume '{path}'", exc, domain=ErrorDomain.STORAGE
            ) from exc
        if not probing:
            remember(volume, found)
        return found

    def check_wipe(self, volume: Volume, algorithm: int) -> None:
        passes(algorithm)

    async def wipe(self, pool: Pool, volume: Volume, algorithm: int) -> None:
        await asyncio.to_thread(wipe, volume, algorithm, self.host.work.stopped)

    async def open(self, volume: Volume, offset: int, *, writing: bool, sparse: bool) -> Opened:
        path = volume.target.path or ""
        return await asyncio.to_thread(open_and_look, path, offset, writing=writing, sparse=sparse)
