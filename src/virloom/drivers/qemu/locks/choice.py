# SPDX-License-Identifier: Apache-2.0
"""Who gives leases: what ``lock_manager`` of qemu.conf names."""

from __future__ import annotations

import importlib
from collections.abc import Callable
from typing import TYPE_CHECKING

from virloom.enums.error import ErrorDomain
from virloom.errors import ConfSyntax

if TYPE_CHECKING:
    from virloom.drivers.qemu.driver import QemuDriver
    from virloom.drivers.qemu.locks.interface import LockManager

#: Name → module, which has a function ``manager``.
_OURS = {
    "lockd": "virloom.drivers.qemu.locks.lockd",
    "etcd": "virloom.drivers.qemu.locks.etcd",
}
#: Of entry points.
_GROUP = "virloom.lock_managers"


def choose(driver: QemuDriver) -> LockManager | None:
    """The one that is configured; None where leases are not taken.

    Raises:
        ConfSyntax: There is none of that name, or its own file is malformed.
        SystemFailure: Its file cannot be read.
    """
    name = driver.config.lock_manager
    if name in (None, "", "nop"):
        return None
    return _maker(str(name))(driver)


def _maker(name: str) -> Callable[[QemuDriver], LockManager]:
    if name in _OURS:
        found: Callable[[QemuDriver], LockManager] = importlib.import_module(_OURS[name]).manager
        return found
    from importlib.metadata import entry_points

    for point in entry_points(group=_GROUP, name=name):
        loaded: Callable[[QemuDriver], LockManager] = point.load()
        return loaded
    known = ", ".join(f'"{word}"' for word in ("nop", *_OURS))
    raise ConfSyntax(
        f"qemu.conf: lock_manager: nobody gives leases by the name of '{name}'; here are {known}",
        domain=ErrorDomain.CONF,
    )
