# SPDX-License-Identifier: Apache-2.0
"""Pools of kind ``iscsi``: the units of a target, by open-iscsi's sessions."""

from __future__ import annotations

import asyncio
import re

from virloom.drivers.storage import iscsiadm
from virloom.drivers.storage.backends.paths import PathBackend
from virloom.drivers.storage.backends.scsi_units import unit_volumes
from virloom.drivers.storage.blocks import fill_sizes
from virloom.drivers.storage.chap import login_of
from virloom.drivers.storage.host import StorageHost
from virloom.drivers.storage.iscsiadm import Portal
from virloom.enums.error import ErrorDomain
from virloom.errors import ConfigUnsupported, InternalError, InvalidArg
from virloom.model.storage import Pool, Volume
from virloom.model.storage.pool import PoolSource, SourceDevice, SourceHost

_DOMAIN = ErrorDomain.STORAGE
#: The port of iSCSI (RFC 7143).
_PORT = 3260
_TARGET = re.compile(r"target(\d+):\d+:\d+\Z")


class IscsiBackend(PathBackend):
    """Logged in by a start, logged out by a stop."""

    kind = "iscsi"

    async def is_active(self, model: Pool) -> bool:
        """Whether there is a session, or what a start that was cut off has left."""
        portal = _portal(model)
        there = await iscsiadm.session(self.host, portal.target) is not None
        return there or await iscsiadm.known(self.host, portal)

    async def build(self, model: Pool, flags: int) -> None:
        """There is nothing to be made, whatever the flags say (as with libvirt)."""

    async def start(self, model: Pool) -> None:
        """Logs in, unless there is a session with the target already.

        Raises:
            NoSecret: There is no password.
            InternalError: There is no such target, or it does not let us in.
        """
        portal = _portal(model)
        for host in model.source.hosts if model.source is not None else ():
            host.port = host.port or _PORT
        if await iscsiadm.session(self.host, portal.target) is not None:
            return
        login = await login_of(self.host.areas, model)
        initiator, interface = _initiator(model.source), None
        if initiator is not None:
            interface = await iscsiadm.make_interface(self.host, initiator)
        await iscsiadm.log_in(self.host, portal, interface, login)

    async def stop(self, model: Pool) -> None:
        portal = _portal(model)
        for host in model.source.hosts if model.source is not None else ():
            host.port = host.port or _PORT
        if await iscsiadm.session(self.host, portal.target) is not None:
            await iscsiadm.log_out(self.host, portal)
        await iscsiadm.forget(self.host, portal)

    async def look(self, model: Pool) -> dict[str, Volume]:
        """The units; all that there is of them is allocated.

        Raises:
            InternalError: There is no session any more.
        """
        target = _portal(model).target
        number = await iscsiadm.session(self.host, target)
        if number is None:
            raise InternalError(
                f"there is no session with target '{target}'", domain=ErrorDomain.NONE
            )
        await iscsiadm.rescan(self.host, number)
        scsi = await asyncio.to_thread(_scsi_host, self.host, number)
        volumes = await unit_volumes(self.host, model, scsi) if scsi is not None else {}
        fill_sizes(model, volumes.values())
        return volumes

    async def fresh(self, pool: Pool, volume: Volume, *, probing: bool = False) -> Volume:
        return volume

    async def find_sources(self, spec: PoolSource | None) -> list[PoolSource]:
        """The targets of a server.

        Raises:
            InvalidArg, ConfigUnsupported: It is not said which server.
            OperationFailed: We have no such initiator.
            InternalError: The server cannot be asked.
        """
        if spec is None:
            raise InvalidArg.worded("hostname must be specified for iscsi sources", domain=_DOMAIN)
        host = _host(spec)
        initiator, interface = _initiator(spec), None
        if initiator is not None:
            interface = await iscsiadm.find_interface(self.host, initiator)
        found = []
        for portal in await iscsiadm.discover(self.host, _address(host), interface):
            source = PoolSource(devices=[SourceDevice(path=portal.target)])
            source.hosts = [SourceHost(name=host.name, port=host.port or _PORT)]
            found.append(source)
        return found


def _portal(model: Pool) -> Portal:
    source = model.source or PoolSource()
    if len(source.devices) != 1:
        raise ConfigUnsupported("Expected exactly 1 device for the storage pool", domain=_DOMAIN)
    return Portal(_address(_host(source)), source.devices[0].path or "")


def _host(source: PoolSource) -> SourceHost:
    if len(source.hosts) != 1:
        raise ConfigUnsupported("Expected exactly 1 host for the storage pool", domain=_DOMAIN)
    return source.hosts[0]


def _address(host: SourceHost) -> str:
    name = host.name or ""
    return f"[{name}]:{host.port or _PORT}" if ":" in name else f"{name}:{host.port or _PORT}"


def _initiator(source: PoolSource | None) -> str | None:
    return source.initiator.iqn.name if source is not None else None


def _scsi_host(host: StorageHost, session: int) -> int | None:
    """The SCSI host of a session: its device has a target of it."""
    directory = host.path(f"/sys/class/iscsi_session/session{session}/device")
    try:
        found = [_TARGET.match(path.name) for path in directory.iterdir()]
    except OSError:
        return None
    return next((int(match[1]) for match in found if match is not None), None)
