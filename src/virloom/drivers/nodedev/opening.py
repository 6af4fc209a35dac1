# SPDX-License-Identifier: Apache-2.0
"""The driver of the host's devices, opened: with the kernel's events and what is defined."""

from __future__ import annotations

from virloom.drivers.nodedev.definitions import Definitions
from virloom.drivers.nodedev.driver import NodeDeviceDriver
from virloom.drivers.nodedev.tree import SysTree
from virloom.host.uevents import Uevents


async def open_devices(uri: str) -> NodeDeviceDriver:
    """The driver, which hears of changes on the running loop.

    Args:
        uri: What clients are told.

    Raises:
        OSError: The kernel tells nothing of devices.
    """
    driver = NodeDeviceDriver(SysTree(), uri, Uevents())
    driver.definitions = Definitions(driver)
    await driver.definitions.open()
    return driver
