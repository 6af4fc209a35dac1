# SPDX-License-Identifier: Apache-2.0
"""The procedures that the QEMU driver serves, grouped by subject."""

from __future__ import annotations

from virloom.drivers.qemu.driver import QemuDriver
from virloom.drivers.qemu.handlers.connection import Connection
from virloom.drivers.qemu.handlers.console import Console
from virloom.drivers.qemu.handlers.descriptors import Descriptors
from virloom.drivers.qemu.handlers.documents import Documents
from virloom.drivers.qemu.handlers.events import Events
from virloom.drivers.qemu.handlers.host import Host
from virloom.drivers.qemu.handlers.lifecycle import Lifecycle
from virloom.drivers.qemu.handlers.listing import Listing
from virloom.drivers.qemu.handlers.memory import Memory
from virloom.drivers.qemu.handlers.messages import Messages
from virloom.drivers.qemu.handlers.monitor import RawMonitor
from virloom.drivers.qemu.handlers.native import Native
from virloom.drivers.qemu.handlers.processor import Processors
from virloom.drivers.qemu.handlers.saved import Saved
from virloom.drivers.qemu.handlers.settings import Settings
from virloom.drivers.qemu.handlers.statistics import Statistics
from virloom.endpoint.dispatch import Dispatcher

#: Every group of handlers; the support table in the docs is made from them.
GROUPS = (
    Connection,
    Host,
    Listing,
    Lifecycle,
    Documents,
    Events,
    Memory,
    Messages,
    Console,
    RawMonitor,
    Native,
    Processors,
    Descriptors,
    Settings,
    Saved,
    Statistics,
)


def dispatcher(driver: QemuDriver) -> Dispatcher:
    """All that *driver* serves."""
    return Dispatcher(group(driver) for group in GROUPS)
