# SPDX-License-Identifier: Apache-2.0
"""The procedures that the storage driver serves, grouped by subject."""

from __future__ import annotations

from collections.abc import Sequence

from virloom.drivers.runtime.area_connection import AreaConnection
from virloom.drivers.storage.driver import StorageDriver
from virloom.drivers.storage.handlers.kinds import Kinds
from virloom.drivers.storage.handlers.life import Life
from virloom.drivers.storage.handlers.transfer import Transfer
from virloom.drivers.storage.handlers.volumes import Volumes
from virloom.drivers.storage.listing import PoolListing
from virloom.endpoint import local
from virloom.endpoint.areas import AreaOpener
from virloom.endpoint.dispatch import Dispatcher
from virloom.enums.error import ErrorDomain


def handlers(driver: StorageDriver) -> Sequence[object]:
    """The groups of handlers of *driver*, for a process that serves other areas beside it."""
    listing = PoolListing(driver, ErrorDomain.STORAGE)
    return [listing, Kinds(driver), Life(driver), Volumes(driver), Transfer(driver)]


def dispatcher(driver: StorageDriver) -> Dispatcher:
    """All that *driver* serves."""
    connection = AreaConnection("storage", driver.uri, ErrorDomain.STORAGE)
    return Dispatcher([connection, *handlers(driver)])


def opener(driver: StorageDriver) -> AreaOpener:
    """How another driver of the same process reaches *driver*."""
    return local.opener(dispatcher(driver))
