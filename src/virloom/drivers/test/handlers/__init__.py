# SPDX-License-Identifier: Apache-2.0
"""The procedures that the test driver serves, grouped by subject."""

from __future__ import annotations

from virloom.drivers.test.driver import InMemoryDriver
from virloom.drivers.test.handlers.blocks import Blocks
from virloom.drivers.test.handlers.checkpoints import Checkpoints
from virloom.drivers.test.handlers.connection import Connection
from virloom.drivers.test.handlers.devices import NodeDevices
from virloom.drivers.test.handlers.documents import Documents
from virloom.drivers.test.handlers.events import Events
from virloom.drivers.test.handlers.guest import Guests
from virloom.drivers.test.handlers.host import Host
from virloom.drivers.test.handlers.interfaces import HostInterfaces, InterfaceListing
from virloom.drivers.test.handlers.lifecycle import Lifecycle
from virloom.drivers.test.handlers.listing import Listing
from virloom.drivers.test.handlers.memory import Memory
from virloom.drivers.test.handlers.networks import NetworkLife, NetworkListing
from virloom.drivers.test.handlers.pinning import Pinning
from virloom.drivers.test.handlers.pools import PoolLife, PoolListing
from virloom.drivers.test.handlers.processor import Processors
from virloom.drivers.test.handlers.saving import Saving
from virloom.drivers.test.handlers.snapshot_listing import SnapshotListing
from virloom.drivers.test.handlers.snapshots import Snapshots
from virloom.drivers.test.handlers.statistics import Statistics
from virloom.drivers.test.handlers.threads import Threads
from virloom.drivers.test.handlers.traffic import Traffic
from virloom.drivers.test.handlers.tuning import Tuning
from virloom.drivers.test.handlers.volumes import Volumes
from virloom.endpoint.dispatch import Dispatcher

_GROUPS = (
    Blocks,
    Checkpoints,
    Connection,
    Documents,
    Events,
    Guests,
    Host,
    HostInterfaces,
    InterfaceListing,
    Lifecycle,
    Listing,
    Memory,
    NetworkLife,
    NetworkListing,
    NodeDevices,
    Pinning,
    PoolLife,
    PoolListing,
    Processors,
    Saving,
    SnapshotListing,
    Snapshots,
    Statistics,
    Threads,
    Traffic,
    Tuning,
    Volumes,
)


def dispatcher(driver: InMemoryDriver) -> Dispatcher:
    """The handlers of a driver."""
    return Dispatcher([group(driver) for group in _GROUPS])
