# SPDX-License-Identifier: Apache-2.0
"""Which names volumes may have: those that are files, block devices, and a server's images."""

from __future__ import annotations

import re

from virloom.drivers.storage.pool import StoragePool
from virloom.enums.error import ErrorDomain
from virloom.errors import ConfigUnsupported, NoSupport, OperationInvalid, StorageVolExist
from virloom.model.storage import Volume

#: What no document and no line of a list can have: control characters, halves of a character that
#: stand for bytes which are no text, and what is no character of XML.
_UNTOLD = re.compile("[\0-\x1f\x7f-\x9f\ud800-\udfff\ufffe\uffff]")


def can_be_told(name: str) -> bool:
    """Whether documents and lists can have the name of a file, spaces of all kinds included."""
    return _UNTOLD.search(name) is None


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


def check_new_name(pool: StoragePool, model: Volume) -> None:
    """Refuses a name that a volume of *pool* has, or that no document tells as it is.

    Raises:
        StorageVolExist: There is one of that name, or one is being made.
        OperationInvalid: It has control characters.
        ConfigUnsupported: It is to be encrypted.
    """
    check_plain(model)
    name = model.name or ""
    if name in pool.volumes or name in pool.building:
        raise StorageVolExist(f"'{name}'", domain=ErrorDomain.STORAGE)
    if not can_be_told(name):
        raise OperationInvalid(
            f"volume name '{name[:80]}' has control characters", domain=ErrorDomain.STORAGE
        )


def check_name(pool: StoragePool, model: Volume) -> None:
    """Refuses a name that a volume of *pool* has, or that programs would take for something else.

    Raises:
        StorageVolExist: There is one of that name, or one is being made.
        OperationInvalid: It would lead elsewhere, or be an option.
        ConfigUnsupported: It is to be encrypted.
    """
    check_new_name(pool, model)
    name = model.name or ""
    if name.startswith("-") or any(sign in name for sign in "/@ "):
        raise OperationInvalid(
            f"volume name '{name[:80]}' cannot be that of a volume of the pool",
            domain=ErrorDomain.STORAGE,
        )
