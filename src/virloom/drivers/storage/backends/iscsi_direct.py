# SPDX-License-Identifier: Apache-2.0
"""Pools of kind ``iscsi-direct``: the logical units of a target, asked for without the kernel.

By the programs of libiscsi, iscsi-ls(1) and iscsi-readcapacity16(1). A unit has a block more than
libvirt tells, which takes the address of the last block for their number; units that are no
storage are left out.
"""

from __future__ import annotations

import re

from virloom.drivers.storage.backends.interface import Backend
from virloom.drivers.storage.blocks import fill_sizes, named_volume
from virloom.enums.error import ErrorDomain
from virloom.errors import ConfigUnsupported, InternalError, InvalidArg
from virloom.model.storage import Pool, Volume
from virloom.model.storage.pool import Initiator, PoolSource, SourceDevice, SourceHost
from virloom.model.storage.target import Named

_DOMAIN = ErrorDomain.STORAGE
_PORT = 3260
_UNIT = re.compile(r"Lun:(\d+)\s+Type:DIRECT_ACCESS\b")
_TARGET = re.compile(r"Target:(\S+) Portal:")
_SIZE = re.compile(r"^Total size:(\d+)$", re.MULTILINE)
#: Seconds that a server has for one answer.
_PATIENCE = 30.0


class IscsiDirectBackend(Backend):
    """Volumes are logical units, which QEMU reaches by itself."""

    kind = "iscsi-direct"

    async def look(self, model: Pool) -> dict[str, Volume]:
        source = _source(model)
        portal, target = _portal(source), source.devices[0].path if source.devices else ""
        base = ["-i", source.initiator.iqn.name or ""]
        printed = await self._ask(["iscsi-ls", *base, "-s", f"iscsi://{portal}/{target}"])
        volumes: dict[str, Volume] = {}
        for unit in _UNIT.findall(printed):
            said = await self._ask(
                ["iscsi-readcapacity16", *base, f"iscsi://{portal}/{target}/{unit}"]
            )
            size = _SIZE.search(said)
            if size is None:
                raise InternalError(f"unit {unit} of '{target}' has no size", domain=_DOMAIN)
            path = f"ip-{portal}-iscsi-{target}-lun-{unit}"
            name = f"unit:0:0:{unit}"
            volumes[name] = named_volume("network", name, path, int(size[1]))
        fill_sizes(model, volumes.values())
        return volumes

    async def find_sources(self, spec: PoolSource | None) -> list[PoolSource]:
        """The targets of a server.

        Raises:
            InvalidArg: It is not said where to look.
            ConfigUnsupported: There is not one server, or we have no name.
            InternalError: The server does not answer.
        """
        if spec is None:
            raise InvalidArg.worded("hostname must be specified for iscsi sources", domain=_DOMAIN)
        if len(spec.hosts) != 1:
            raise ConfigUnsupported("Expected exactly 1 host for the storage pool", domain=_DOMAIN)
        name = spec.initiator.iqn.name
        if not name:
            raise ConfigUnsupported("missing initiator IQN", domain=_DOMAIN)
        printed = await self._ask(["iscsi-ls", "-i", name, f"iscsi://{_portal(spec)}"])
        host = spec.hosts[0]
        return [
            PoolSource(
                hosts=[SourceHost(name=host.name, port=host.port)],
                devices=[SourceDevice(path=target)],
                initiator=Initiator(iqn=Named(name=name)),
            )
            for target in _TARGET.findall(printed)
        ]

    async def _ask(self, words: list[str]) -> str:
        done = await self.host.run(words, timeout=_PATIENCE)
        if done.returncode != 0:
            said = (done.stderr or done.stdout).decode(errors="replace").strip()
            raise InternalError(f"Failed to connect: {said}", domain=_DOMAIN)
        return done.stdout.decode(errors="replace")


def _source(model: Pool) -> PoolSource:
    if model.source is None or len(model.source.hosts) != 1:
        raise ConfigUnsupported("Expected exactly 1 host for the storage pool", domain=_DOMAIN)
    if model.source.auth is not None:
        raise ConfigUnsupported("targets that ask for a secret are not reached", domain=_DOMAIN)
    return model.source


def _portal(source: PoolSource) -> str:
    host = source.hosts[0]
    name = host.name or ""
    return f"{f'[{name}]' if ':' in name else name}:{host.port or _PORT}"
