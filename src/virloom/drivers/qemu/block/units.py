# SPDX-License-Identifier: Apache-2.0
"""Volumes that are units of an iSCSI target, which QEMU asks for itself."""

from __future__ import annotations

from typing import TYPE_CHECKING

from virloom.enums.error import ErrorDomain
from virloom.errors import ConfigUnsupported
from virloom.model.domain import BackingStore, Disk
from virloom.model.domain.devices.disk_source import Host, Initiator
from virloom.model.domain.devices.storage import Auth, StorageSecret

if TYPE_CHECKING:
    from virloom.model.storage import Pool
    from virloom.model.storage.pool import PoolSource

_PORT = 3260


def is_unit(pool: str, mode: str | None) -> bool:
    """Whether volumes of such a pool are units for a disk of that ``<source mode=…>``."""
    return pool == "iscsi-direct" or (pool == "iscsi" and mode == "direct")


def place(disk: Disk, pool: Pool) -> None:
    """Makes it a disk of protocol iscsi, with the server and the login of the pool.

    Raises:
        ConfigUnsupported: The pool has not one server, or the volume is named as no unit is.
    """
    source, origin = disk.source, pool.source
    words = (source.volume or "").split(":")
    if origin is None or len(origin.hosts) != 1:
        raise _unsupported("Expected exactly 1 host for the storage pool")
    if len(words) != 4:
        raise _unsupported(f"unexpected iscsi volume name '{source.volume}'")
    host = origin.hosts[0]
    disk.type, source.protocol = "network", "iscsi"
    disk.driver.type = disk.driver.type or "raw"
    source.name = f"{origin.devices[0].path if origin.devices else ''}/{words[3]}"
    source.hosts = [Host(name=host.name, port=host.port or _PORT)]
    name = origin.initiator.iqn.name
    if name is not None and source.initiator.iqn.name is None:
        source.initiator = Initiator()
        source.initiator.iqn.name = name
    source.auth = _login(origin) or source.auth


def _login(origin: PoolSource) -> Auth | None:
    auth = origin.auth
    if auth is None or auth.secret is None:
        return None
    login = Auth(username=auth.username)
    login.secret = StorageSecret(type="iscsi", uuid=auth.secret.uuid, usage=auth.secret.usage)
    return login


def hide(disk: Disk | BackingStore) -> None:
    """Takes away what :func:`place` has said: clients see the pool and the volume alone."""
    source = disk.source
    source.protocol = source.name = source.auth = None
    source.hosts, source.initiator = [], Initiator()


def _unsupported(what: str) -> ConfigUnsupported:
    return ConfigUnsupported(what, domain=ErrorDomain.DOMAIN)
