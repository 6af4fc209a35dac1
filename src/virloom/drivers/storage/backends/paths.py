# SPDX-License-Identifier: Apache-2.0
"""Pools whose volumes are seen on the host by a path: files or block devices."""

from __future__ import annotations

import asyncio
import os
import threading

from virloom.drivers.storage.backends.interface import Backend
from virloom.drivers.storage.scan import remember, volume_at
from virloom.drivers.storage.transfer import open_volume
from virloom.drivers.storage.wiping import wipe
from virloom.enums.error import ErrorDomain
from virloom.errors import system_failure
from virloom.model.storage import Pool, Volume


class PathBackend(Backend):
    """Volumes have paths."""

    async def fresh(self, pool: Pool, volume: Volume, *, probing: bool = False) -> Volume:
        path = volume.target.path or ""
        try:
            found = await asyncio.to_thread(volume_at, os.path.dirname(path), volume.name or "")
        except OSError as exc:
            raise system_failure(
                f"cannot open volume '{path}'", exc, domain=ErrorDomain.STORAGE
            ) from exc
        if not probing:
            remember(volume, found)
        return found

    async def wipe(self, volume: Volume, algorithm: int, stopped: threading.Event) -> None:
        await asyncio.to_thread(wipe, volume, algorithm, stopped)

    async def open(self, volume: Volume, offset: int, *, writing: bool) -> int:
        return await asyncio.to_thread(
            open_volume, volume.target.path or "", offset, writing=writing
        )
