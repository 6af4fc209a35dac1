# SPDX-License-Identifier: Apache-2.0
"""What guests held of other drivers that ended while no driver looked."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from virloom.drivers.qemu.nics.names import HELD_SUFFIXES
from virloom.errors import VirloomError

if TYPE_CHECKING:
    from virloom.drivers.qemu.driver import QemuDriver

logger = logging.getLogger(__name__)


async def give_back_strays(driver: QemuDriver) -> None:
    """Gives it back; what cannot be is left for the next opening of the driver."""
    for suffix in HELD_SUFFIXES:
        for path in sorted(driver.directories.run.glob(f"*{suffix}")):
            name = path.name.removesuffix(suffix)
            guest = driver.guests.by_name(name)
            if guest is None or not guest.active:
                await give_all_back(driver, name)


async def give_all_back(driver: QemuDriver, name: str) -> None:
    """Gives back what the guest of that name held; what cannot be stays on its lists."""
    from virloom.drivers.qemu.nics.filters import unbind
    from virloom.drivers.qemu.nics.partings import part
    from virloom.drivers.qemu.nics.ports import give_back

    for doing, what in ((unbind, "filters"), (part, "ends of taps"), (give_back, "ports")):
        try:
            await doing(driver, name)
        except VirloomError as exc:
            logger.warning("domain '%s': its %s are not given back: %s", name, what, exc)
    driver.networks.settle()
