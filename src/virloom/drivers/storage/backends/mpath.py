# SPDX-License-Identifier: Apache-2.0
"""Pools of kind ``mpath``: the host's devices of several paths, told by dmsetup(8)."""

from __future__ import annotations

import asyncio
import re

from virloom.drivers.storage.backends.paths import PathBackend
from virloom.drivers.storage.blocks import fill_sizes
from virloom.model.storage import Pool, Volume

#: ``mpatha	(253:0)``; older ones say ``(253, 0)``.
_LINE = re.compile(r"(\S+)\s+\((\d+)[:,] ?(\d+)\)\Z")


class MpathBackend(PathBackend):
    """There is one such pool of a host; nothing of it is made or removed here."""

    kind = "mpath"

    async def look(self, model: Pool) -> dict[str, Volume]:
        volumes: dict[str, Volume] = {}
        for name, minor in await self._maps():
            volume = await self.host.device(f"/dev/mapper/{name}", f"dm-{minor}")
            volumes[f"dm-{minor}"] = volume
        fill_sizes(model, volumes.values())
        return volumes

    async def _maps(self) -> list[tuple[str, int]]:
        """Names and minor numbers; none where the kernel has no device mapper."""
        if not await asyncio.to_thread(self.host.path("/sys/class/misc/device-mapper").exists):
            return []
        printed = await self.host.output(["dmsetup", "ls", "--target", "multipath"])
        found = [_LINE.match(line.strip()) for line in printed.splitlines()]
        return [(match[1], int(match[3])) for match in found if match is not None]

    async def fresh(self, pool: Pool, volume: Volume, *, probing: bool = False) -> Volume:
        return await self.host.device(volume.target.path or "", volume.name or "")
