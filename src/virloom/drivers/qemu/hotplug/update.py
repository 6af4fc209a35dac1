# SPDX-License-Identifier: Apache-2.0
"""A device of a guest that runs is changed."""

from __future__ import annotations

from typing import TYPE_CHECKING

from virloom.drivers.qemu.hotplug.fragment import Fragment
from virloom.drivers.qemu.process.running import RunningGuest
from virloom.enums.error import ErrorDomain
from virloom.errors import ConfigUnsupported

if TYPE_CHECKING:
    from virloom.drivers.qemu.driver import QemuDriver


async def update(
    driver: QemuDriver, running: RunningGuest, device: Fragment, *, force: bool
) -> None:
    """Changes a device.

    Raises:
        ConfigUnsupported: Not yet.
    """
    raise ConfigUnsupported(
        f"live update of device '{device.tag}' is not supported yet", domain=ErrorDomain.QEMU
    )
