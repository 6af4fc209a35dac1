# SPDX-License-Identifier: Apache-2.0
"""The way from a connection to what a host has beside guests."""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING

from virloom.client.link import Link
from virloom.client.subscription import EventHub

if TYPE_CHECKING:
    from virloom.client.interface import HostInterfaces
    from virloom.client.network.networks import Networks
    from virloom.client.node_device import NodeDevices
    from virloom.client.nwfilter import NWFilterBindings, NWFilters
    from virloom.client.secret import Secrets
    from virloom.client.storage.pools import StoragePools
    from virloom.client.storage.volume import StorageVolumes


class Areas:
    """The part of a connection that leads on to other areas."""

    _link: Link
    _hub: EventHub

    @cached_property
    def interfaces(self) -> HostInterfaces:
        """The host's own network interfaces."""
        from virloom.client.interface import HostInterfaces

        return HostInterfaces(self._link, self._hub)

    @cached_property
    def networks(self) -> Networks:
        """Virtual networks."""
        from virloom.client.network.networks import Networks

        return Networks(self._link, self._hub)

    @cached_property
    def node_devices(self) -> NodeDevices:
        """The host's own devices."""
        from virloom.client.node_device import NodeDevices

        return NodeDevices(self._link, self._hub)

    @cached_property
    def nwfilters(self) -> NWFilters:
        """Network filters."""
        from virloom.client.nwfilter import NWFilters

        return NWFilters(self._link, self._hub)

    @cached_property
    def nwfilter_bindings(self) -> NWFilterBindings:
        """Network filters on interfaces."""
        from virloom.client.nwfilter import NWFilterBindings

        return NWFilterBindings(self._link, self._hub)

    @cached_property
    def secrets(self) -> Secrets:
        """Secrets."""
        from virloom.client.secret import Secrets

        return Secrets(self._link, self._hub)

    @cached_property
    def storage_pools(self) -> StoragePools:
        """Storage pools, and by way of them their volumes."""
        from virloom.client.storage.pools import StoragePools

        return StoragePools(self._link, self._hub)

    @cached_property
    def storage_volumes(self) -> StorageVolumes:
        """Volumes by what names them on the whole host."""
        from virloom.client.storage.volume import StorageVolumes

        return StorageVolumes(self._link, self._hub)
