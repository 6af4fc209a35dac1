# SPDX-License-Identifier: Apache-2.0
"""Disks that are volumes of storage pools: which file or device each is while the guest runs.

A disk of a running guest has both: the place that QEMU opens, and the pool and volume that clients
see. The status file has both too, so nothing is asked again when a new daemon takes over.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Iterator
from typing import TYPE_CHECKING

from virloom.drivers.qemu.block import units
from virloom.drivers.qemu.block.chain import LOCAL_KINDS
from virloom.endpoint.endpoint import Endpoint
from virloom.enums.error import ErrorDomain
from virloom.errors import ConfigUnsupported, InternalError, VirloomError, XmlError
from virloom.model.domain import BackingStore, Disk, DiskSource, Domain

if TYPE_CHECKING:
    from virloom.drivers.qemu.driver import QemuDriver

logger = logging.getLogger(__name__)

#: By ``virStorageVolType``.
_KINDS = {0: "file", 1: "block", 2: "dir"}
#: Pools whose volumes no disk is; libvirt 9 refuses them too.
_NOT_YET = ("mpath", "rbd", "sheepdog", "gluster")


async def resolve(
    driver: QemuDriver, disks: Iterable[Disk], may_miss: Callable[[Disk], bool] = lambda disk: False
) -> list[Disk]:
    """Finds the places of volumes, and notes them in *disks*.

    The format is what the document says, else raw: what the volume's own bytes say is the guest's.

    Args:
        may_miss: Whether a disk may be one that is not found, for whatever reason.

    Returns:
        Those that were not, the last first.

    Raises:
        NoSupport: There is no storage driver.
        NoStoragePool, NoStorageVol: There is none of that name.
        ConfigUnsupported: The pool is not active, or QEMU cannot use such pools.
        XmlError: The disk says what its pool's kind does not have.
        VirloomError: The storage driver cannot be reached.
    """
    volumes = [disk for disk in disks if disk.type == "volume"]
    wanted = [disk for disk in volumes if disk.source.pool]
    for disk in volumes:
        if not disk.source.pool:
            disk.type = "file"  # an empty drive
    missing: list[Disk] = []
    if not wanted:
        return missing
    async with driver.areas.opened("storage") as endpoint:
        for disk in reversed(wanted):
            try:
                await _resolve(endpoint, disk)
            except VirloomError as exc:
                if not may_miss(disk):
                    raise
                logger.warning("a guest starts without '%s': %s", disk.source.volume, exc)
                missing.append(disk)
    return missing


async def _resolve(endpoint: Endpoint, disk: Disk) -> None:
    from virloom.model.storage import Pool  # few guests have any
    from virloom.procedures import storage as p
    from virloom.xml import parse_document

    source, name = disk.source, disk.source.volume or ""
    by_name = p.StoragePoolLookupByNameArgs(source.pool or "")
    pool = (await endpoint.call(p.STORAGE_POOL_LOOKUP_BY_NAME, by_name)).pool
    state = await endpoint.call(p.STORAGE_POOL_IS_ACTIVE, p.StoragePoolIsActiveArgs(pool))
    if not state.active:
        raise ConfigUnsupported(
            f"storage pool '{pool.name}' containing volume '{name}' is not active",
            domain=ErrorDomain.DOMAIN,
        )
    lookup = p.StorageVolLookupByNameArgs(pool, name)
    volume = (await endpoint.call(p.STORAGE_VOL_LOOKUP_BY_NAME, lookup)).vol
    document = p.StoragePoolGetXMLDescArgs(pool, 0)
    text = (await endpoint.call(p.STORAGE_POOL_GET_XML_DESC, document)).xml
    info = await endpoint.call(p.STORAGE_VOL_GET_INFO, p.StorageVolGetInfoArgs(volume))
    origin = parse_document(Pool, text)
    kind = _kind(source, origin.type or "", info.type)
    if kind == "network":
        units.place(disk, origin)
        return
    path = (await endpoint.call(p.STORAGE_VOL_GET_PATH, p.StorageVolGetPathArgs(volume))).name
    _place(disk, kind, path)


def _kind(source: DiskSource, pool: str, volume: int) -> str:
    """What the volume is for QEMU; libvirt's checks, with its codes."""
    if source.mode is not None and pool != "iscsi":
        raise XmlError(
            "disk source mode is only valid when storage pool is of iscsi type",
            domain=ErrorDomain.DOMAIN,
        )
    if pool in _NOT_YET:
        raise ConfigUnsupported(
            f"using '{pool}' pools for backing 'volume' disks isn't yet supported",
            domain=ErrorDomain.DOMAIN,
        )
    kind = "network" if units.is_unit(pool, source.mode) else _KINDS.get(volume)
    if kind is None:
        raise InternalError(
            f"unexpected storage volume type {volume} for storage pool type '{pool}'",
            domain=ErrorDomain.DOMAIN,
        )
    if source.startup_policy is not None and kind != "file":
        raise XmlError(
            "'startupPolicy' is only valid for 'file' type volume", domain=ErrorDomain.DOMAIN
        )
    return kind


def _place(disk: Disk, kind: str, path: str) -> None:
    disk.type = kind
    disk.driver.type = disk.driver.type or "raw"
    if kind == "block":
        disk.source.dev = path
    elif kind == "dir":
        disk.source.dir = path
    else:
        disk.source.file = path


def as_told(model: Domain) -> Domain:
    """The tree as clients see it: volumes are named by their pools; for reading only."""
    disks = model.devices.disks
    if not any(_hidden(disk) for disk in disks):
        return model
    shown = [_shown(disk) if _hidden(disk) else disk for disk in disks]
    return model.beside(devices=model.devices.beside(disks=shown))


def _hidden(disk: Disk) -> bool:
    return any(_is_placed(part) for part in _parts(disk))


def _parts(disk: Disk) -> Iterator[Disk | BackingStore]:
    part: Disk | BackingStore | None = disk
    while part is not None:
        yield part
        part = part.backing_store


def _is_placed(part: Disk | BackingStore) -> bool:
    return part.type in (*LOCAL_KINDS, "dir", "network") and bool(part.source.pool)


def _shown(disk: Disk) -> Disk:
    made = disk.copy()
    for part in _parts(made):
        if _is_placed(part):
            if part.type == "network":
                units.hide(part)
            part.type = "volume"
            part.source.file = part.source.dev = part.source.dir = None
    return made
