# SPDX-License-Identifier: Apache-2.0
"""Pools of kind ``vstorage``: a Virtuozzo Storage cluster, mounted by vstorage-mount(1).

libvirt 9 of Debian does not have them; nobody here has a cluster: by document only.
"""

from __future__ import annotations

import os

from virloom.drivers.storage.backends.files import FileBackend, place
from virloom.drivers.storage.backends.mounts import mounted, unmount
from virloom.model.storage import Pool

#: The mode of files on the cluster.
_MODE = "0700"


class VstorageBackend(FileBackend):
    """Mounted by a start, unmounted by a stop."""

    kind = "vstorage"

    async def is_active(self, model: Pool) -> bool:
        return await mounted(self.host, _source(model), place(model))

    async def start(self, model: Pool) -> None:
        if await self.is_active(model):
            return
        mode = model.target.permissions.mode or _MODE
        cluster = (model.source.name if model.source is not None else None) or ""
        await self.host.output(["vstorage-mount", "-c", cluster, place(model), "-m", mode])

    async def stop(self, model: Pool) -> None:
        await unmount(self.host, _source(model), place(model))


def _source(model: Pool) -> str:
    """What the mount table says of a cluster."""
    name = (model.source.name if model.source is not None else None) or ""
    return os.path.join("vstorage://", name)
