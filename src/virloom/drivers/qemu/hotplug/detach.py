# SPDX-License-Identifier: Apache-2.0
"""A device is taken from a guest that runs."""

from __future__ import annotations

from typing import TYPE_CHECKING

from virloom.drivers.qemu.hotplug.fragment import Fragment
from virloom.drivers.qemu.process.running import RunningGuest
from virloom.enums.error import ErrorDomain
from virloom.errors import ConfigUnsupported

if TYPE_CHECKING:
    from virloom.drivers.qemu.driver import QemuDriver


async def detach(driver: QemuDriver, running: RunningGuest, device: Fragment) -> None:
    """Takes a device.

    Raises:
        ConfigUnsupported: Not yet.
    """
    raise ConfigUnsupported(
        f"live detach of device '{device.tag}' is not supported yet", domain=ErrorDomain.QEMU
    )


def check_detachable(wanted: Fragment) -> None:
    """Refuses kinds that are never taken from a guest that runs."""
