# SPDX-License-Identifier: Apache-2.0
"""Which snapshots a domain has, and how they stand to each other."""

from __future__ import annotations

from virloom.drivers.qemu.driver import QemuDriver
from virloom.drivers.qemu.snapshots.store import snapshots_of
from virloom.drivers.runtime import snapshot_listing
from virloom.drivers.runtime.snapshot_listing import Tree
from virloom.enums.error import ErrorDomain
from virloom.procedures.types import NonnullDomain


class SnapshotListing(snapshot_listing.SnapshotListing):
    """Handlers that list and look up snapshots."""

    error_domain = ErrorDomain.QEMU
    prefix = "qemu"

    def __init__(self, driver: QemuDriver) -> None:
        self._driver = driver

    def tree(self, dom: NonnullDomain) -> Tree:
        """The snapshots of a domain."""
        guest = self._driver.find(dom)
        return Tree(guest.ref(), snapshots_of(self._driver, guest))
