# SPDX-License-Identifier: Apache-2.0
"""The procedures that the network driver serves, grouped by subject."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

from virloom.drivers.network.driver import NetworkDriver
from virloom.drivers.network.handlers.documents import Documents
from virloom.drivers.network.handlers.leases import Leases
from virloom.drivers.network.handlers.life import Life
from virloom.drivers.network.listing import NetworkListing
from virloom.drivers.runtime.area_connection import AreaConnection
from virloom.endpoint.areas import AreaOpener
from virloom.endpoint.dispatch import Dispatcher
from virloom.endpoint.endpoint import Endpoint
from virloom.endpoint.identity import Identity
from virloom.endpoint.local import LocalEndpoint
from virloom.enums.error import ErrorDomain


def handlers(driver: NetworkDriver) -> Sequence[object]:
    """The groups of handlers of *driver*, for a process that serves other areas beside it."""
    listing = NetworkListing(driver, ErrorDomain.NETWORK)
    return [listing, Life(driver), Documents(driver), Leases(driver)]


def dispatcher(driver: NetworkDriver) -> Dispatcher:
    """All that *driver* serves."""
    connection = AreaConnection("network", driver.uri, ErrorDomain.NETWORK)
    return Dispatcher([connection, *handlers(driver)])


def opener(driver: NetworkDriver) -> AreaOpener:
    """How another driver of the same process reaches *driver*."""
    served = dispatcher(driver)

    async def connect(identity: Identity) -> Endpoint:
        return LocalEndpoint(served, asyncio.get_running_loop(), identity, _nothing)

    return connect


async def _nothing() -> None:
    """The driver is its owner's to close."""
