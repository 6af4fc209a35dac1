# SPDX-License-Identifier: Apache-2.0
"""A device is plugged into a guest that runs."""

from __future__ import annotations

from typing import TYPE_CHECKING

from virloom.drivers.qemu.hotplug.fragment import Fragment
from virloom.drivers.qemu.process.running import RunningGuest
from virloom.enums.error import ErrorDomain
from virloom.errors import ConfigUnsupported

if TYPE_CHECKING:
    from virloom.drivers.qemu.driver import QemuDriver


async def attach(driver: QemuDriver, running: RunningGuest, device: Fragment) -> None:
    """Plugs a device.

    Raises:
        ConfigUnsupported: Not yet.
    """
    raise ConfigUnsupported(
        f"live attach of device '{device.tag}' is not supported yet", domain=ErrorDomain.QEMU
    )
