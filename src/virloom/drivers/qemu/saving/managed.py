# SPDX-License-Identifier: Apache-2.0
"""The saved state that the driver keeps of a domain, and with which its next start goes on."""

from __future__ import annotations

import logging
import os
from pathlib import Path
from typing import TYPE_CHECKING

from virloom.drivers.qemu.domain import Guest
from virloom.drivers.qemu.saving.image import is_partial
from virloom.enums.error import ErrorDomain
from virloom.errors import OperationInvalid, system_failure

if TYPE_CHECKING:
    from virloom.drivers.qemu.driver import QemuDriver
    from virloom.drivers.qemu.saving.restore import Incoming

logger = logging.getLogger(__name__)


def managed_path(driver: QemuDriver, guest: Guest) -> Path:
    """Where the state of *guest* is, if there is one."""
    return driver.directories.save / f"{guest.name}.save"


def has_managed(driver: QemuDriver, guest: Guest) -> bool:
    """Whether there is one."""
    return managed_path(driver, guest).exists()


def require_managed(driver: QemuDriver, guest: Guest) -> str:
    """Its path.

    Raises:
        OperationInvalid: There is none.
    """
    if not has_managed(driver, guest):
        raise OperationInvalid("domain does not have managed save image", domain=ErrorDomain.QEMU)
    return str(managed_path(driver, guest))


def remove_managed(driver: QemuDriver, guest: Guest) -> None:
    """Removes it.

    Raises:
        SystemFailure: There is none, or it cannot be removed.
    """
    path = managed_path(driver, guest)
    try:
        path.unlink()
    except OSError as exc:
        raise system_failure(
            f"Failed to remove managed save file '{path}'", exc, domain=ErrorDomain.QEMU
        ) from exc


def open_managed(driver: QemuDriver, guest: Guest, *, bypass_cache: bool) -> Incoming | None:
    """What the next start goes on from; None where it boots.

    A file whose writing was interrupted is removed: the guest it is of went without a power-off.

    Raises:
        VirloomError: There is one, and it cannot be used.
    """
    if not has_managed(driver, guest):
        return None
    from virloom.drivers.qemu.saving.restore import Incoming, open_image

    path = str(managed_path(driver, guest))
    fd = open_image(path)
    try:
        partial = is_partial(fd)
    finally:
        os.close(fd)
    if partial:
        logger.warning("'%s' is removed: its writing was interrupted", path)
        remove_managed(driver, guest)
        return None
    return Incoming(path, managed=True, bypass_cache=bypass_cache)
