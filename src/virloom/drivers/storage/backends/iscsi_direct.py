# SPDX-License-Identifier: Apache-2.0
"""Pools of kind ``iscsi-direct``: the logical units of a target, asked for without the kernel.

By libiscsi: its iscsi-ls(1) finds targets, a program of ours their units. A unit has a block more
than libvirt tells, which takes the address of the last block for their number; units that are no
storage are left out.
"""

from __future__ import annotations

import base64
import json
import re
import sys

from virloom.drivers.storage import iscsi_units
from virloom.drivers.storage.backends.interface import Backend
from virloom.drivers.storage.blocks import fill_sizes, named_volume
from virloom.drivers.storage.chap import Login, login_of
from virloom.drivers.storage.qemu_img import ENDING_WITH_US
from virloom.enums.error import ErrorDomain
from virloom.enums.storage import StorageVolWipeAlgorithm as Algorithm
from virloom.errors import ConfigUnsupported, InternalError, InvalidArg
from virloom.model.storage import Pool, Volume
from virloom.model.storage.pool import Initiator, PoolSource, SourceDevice, SourceHost
from virloom.model.storage.target import Named

_DOMAIN = ErrorDomain.STORAGE
_PORT = 3260
_TARGET = re.compile(r"Target:(\S+) Portal:")
#: Seconds that a server has for all answers.
_PATIENCE = 60.0
#: Seconds that a unit may take to be overwritten.
_LONG = 24 * 3600.0


class IscsiDirectBackend(Backend):
    """Volumes are logical units, which QEMU reaches by itself."""

    kind = "iscsi-direct"

    async def look(self, model: Pool) -> dict[str, Volume]:
        """The units of the target.

        Raises:
            ConfigUnsupported: There is not one server, or it is to know us in another way.
            NoSecret: There is no password.
            InternalError: The server does not answer, has no such target, or does not let us in.
        """
        source = _source(model)
        login = await login_of(self.host.areas, model)
        portal, target = _portal(source), source.devices[0].path if source.devices else ""
        volumes: dict[str, Volume] = {}
        for unit, blocks, block in json.loads(await self._at(source, login, timeout=_PATIENCE)):
            path = f"ip-{portal}-iscsi-{target}-lun-{unit}"
            name = f"unit:0:0:{unit}"
            volumes[name] = named_volume("network", name, path, blocks * block)
        fill_sizes(model, volumes.values())
        return volumes

    def check_wipe(self, volume: Volume, algorithm: int) -> None:
        """Refuses what libvirt does not do either: all but zeros."""
        if algorithm != Algorithm.ZERO:
            raise InvalidArg(f"unsupported algorithm {algorithm}", domain=_DOMAIN)

    async def wipe(self, pool: Pool, volume: Volume, algorithm: int) -> None:
        """Overwrites a unit with zeros; the program ends with us."""
        login = await login_of(self.host.areas, pool)
        unit = int((volume.name or "").rpartition(":")[2])
        await self._at(_source(pool), login, timeout=_LONG, clear=unit)

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

    async def _at(
        self, source: PoolSource, login: Login | None, *, timeout: float, **more: int
    ) -> str:
        """What our program prints that does something at the target."""
        asked = {"initiator": source.initiator.iqn.name or "", "portal": _portal(source)}
        asked["target"] = (source.devices[0].path if source.devices else "") or ""
        if login is not None:
            asked |= {"user": login.name, "password": base64.b64encode(login.password).decode()}
        words = [*ENDING_WITH_US, sys.executable or "python3", "-I", "-S", iscsi_units.__file__]
        return await self._ask(words, json.dumps(asked | more).encode(), timeout)

    async def _ask(
        self, words: list[str], input: bytes | None = None, timeout: float = _PATIENCE
    ) -> str:
        done = await self.host.run(words, timeout=timeout, input=input)
        if done.returncode != 0:
            said = (done.stderr or done.stdout).decode(errors="replace").strip()
            raise InternalError(f"Failed to connect: {said}", domain=_DOMAIN)
        return done.stdout.decode(errors="replace")


def _source(model: Pool) -> PoolSource:
    if model.source is None or len(model.source.hosts) != 1:
        raise ConfigUnsupported("Expected exactly 1 host for the storage pool", domain=_DOMAIN)
    return model.source


def _portal(source: PoolSource) -> str:
    host = source.hosts[0]
    name = host.name or ""
    return f"{f'[{name}]' if ':' in name else name}:{host.port or _PORT}"
