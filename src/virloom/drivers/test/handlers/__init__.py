# SPDX-License-Identifier: Apache-2.0
"""The procedures that the test driver serves, grouped by subject."""

from __future__ import annotations

from virloom.drivers.test.driver import InMemoryDriver
from virloom.drivers.test.handlers.connection import Connection
from virloom.drivers.test.handlers.devices import NodeDevices
from virloom.drivers.test.handlers.documents import Documents
from virloom.drivers.test.handlers.events import Events
from virloom.drivers.test.handlers.host import Host
from virloom.drivers.test.handlers.interfaces import HostInterfaces
from virloom.drivers.test.handlers.lifecycle import Lifecycle
from virloom.drivers.test.handlers.listing import Listing
from virloom.drivers.test.handlers.networks import NetworkLife, NetworkListing
from virloom.drivers.test.handlers.pools import PoolLife, PoolListing
from virloom.drivers.test.handlers.volumes import Volumes
from virloom.endpoint.dispatch import Dispatcher

_GROUPS = (
    Connection,
    Documents,
    Events,
    Host,
    HostInterfaces,
    Lifecycle,
    Listing,
    NetworkLife,
    NetworkListing,
    NodeDevices,
    PoolLife,
    PoolListing,
    Volumes,
)


def dispatcher(driver: InMemoryDriver) -> Dispatcher:
    """All that *driver* serves."""
    return Dispatcher([group(driver) for group in _GROUPS])
