# SPDX-License-Identifier: Apache-2.0
"""Names of volumes that are not files: of block devices and of a server's images."""

from __future__ import annotations

from virloom.drivers.storage.pool import StoragePool
from virloom.enums.error import ErrorDomain
from virloom.errors import ConfigUnsupported, NoSupport, OperationInvalid, StorageVolExist
from virloom.model.storage import Volume


def check_plain(model: Volume) -> None:
    """Refuses a volume that would have to be encrypted.

    Raises:
        ConfigUnsupported: It is to be; nothing is stored in the clear instead.
    """
    if model.target.encryption is not None:
        raise ConfigUnsupported(
            "volumes of such pools are not encrypted here", domain=ErrorDomain.STORAGE
        )


def check_size(model: Volume) -> None:
    """Refuses a volume without a size, which a file could be.

    Raises:
        NoSupport: It is to have none (libvirt's code for it).
    """
    if not model.capacity.value:
        raise NoSupport(
            "volume capacity required for this storage pool", domain=ErrorDomain.STORAGE
        )


def check_name(pool: StoragePool, model: Volume) -> None:
    """Refuses a name that a volume of *pool* has, or that programs would take for something else.

    Raises:
        StorageVolExist: There is one of that name, or one is being made.
        OperationInvalid: It would lead elsewhere, or be an option.
        ConfigUnsupported: It is to be encrypted.
    """
    check_plain(model)
    name = model.name or ""
    if name in pool.volumes or name in pool.building:
        raise StorageVolExist(f"'{name}'", domain=ErrorDomain.STORAGE)
    if name.startswith("-") or not name.isprintable() or any(sign in name for sign in "/@ "):
        raise OperationInvalid(
            f"volume name '{name[:80]}' cannot be that of a volume of the pool",
            domain=ErrorDomain.STORAGE,
        )
