# SPDX-License-Identifier: Apache-2.0
"""The procedures that the network driver serves, grouped by subject."""

from __future__ import annotations

from collections.abc import Sequence

from virloom.drivers.network.driver import NetworkDriver
from virloom.drivers.network.handlers.documents import Documents
from virloom.drivers.network.handlers.leases import Leases
from virloom.drivers.network.handlers.life import Life
from virloom.drivers.network.handlers.ports import Ports
from virloom.drivers.network.listing import NetworkListing
from virloom.drivers.runtime.area_connection import AreaConnection
from virloom.endpoint import local
from virloom.endpoint.areas import AreaOpener
from virloom.endpoint.dispatch import Dispatcher
from virloom.enums.error import ErrorDomain


def handlers(driver: NetworkDriver) -> Sequence[object]:
    """The groups of handlers of *driver*, for a process that serves other areas beside it."""
    listing = NetworkListing(driver, ErrorDomain.NETWORK)
    return [listing, Life(driver), Documents(driver), Leases(driver), Ports(driver)]


def dispatcher(driver: NetworkDriver) -> Dispatcher:
    """All that *driver* serves."""
    connection = AreaConnection("network", driver.uri, ErrorDomain.NETWORK)
    return Dispatcher([connection, *handlers(driver)])


def opener(driver: NetworkDriver) -> AreaOpener:
    """How another driver of the same process reaches *driver*."""
    return local.opener(dispatcher(driver))
