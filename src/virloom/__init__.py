# SPDX-License-Identifier: Apache-2.0
"""Virloom: libvirt, renewed, in Python.

::

    async with virloom.open("qemu:///embed?root=/srv/guests") as conn:
        dom = await conn.create_xml(document)

``virloom.open_sync`` gives the same, blocking. Errors are in :mod:`virloom.errors` and constants
in :mod:`virloom.enums`; the error classes and those of events are also here. Nothing is imported
before it is used.
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from virloom.client.connection import Connection, Opening
    from virloom.client.domain.domain import Domain
    from virloom.client.domain.events import (
        AgentLifecycleEvent,
        BalloonChangeEvent,
        BlockJob2Event,
        BlockJobEvent,
        BlockThresholdEvent,
        ChannelLifecycleEvent,
        ControlErrorEvent,
        DeviceAddedEvent,
        DeviceRemovalFailedEvent,
        DeviceRemovedEvent,
        DiskChangeEvent,
        DomainEvent,
        GraphicsEvent,
        IOErrorEvent,
        IOErrorReasonEvent,
        JobCompletedEvent,
        LifecycleEvent,
        MemoryDeviceSizeChangeEvent,
        MemoryFailureEvent,
        MetadataChangeEvent,
        MigrationIterationEvent,
        MonitorEvent,
        NicMACChangeEvent,
        PMSuspendDiskEvent,
        PMSuspendEvent,
        PMWakeupEvent,
        RebootEvent,
        RtcChangeEvent,
        TrayChangeEvent,
        TunableEvent,
        VcpuRemovedEvent,
        WatchdogEvent,
    )
    from virloom.client.domain.ref import DomainRef
    from virloom.client.interface import (
        HostInterface,
    )
    from virloom.client.network.events import (
        NetworkEvent,
        NetworkLifecycleEvent,
        NetworkMetadataChangeEvent,
    )
    from virloom.client.network.network import (
        Network,
    )
    from virloom.client.network.port import (
        NetworkPort,
    )
    from virloom.client.network.ref import (
        NetworkRef,
    )
    from virloom.client.node_device import (
        NodeDevice,
        NodeDeviceEvent,
        NodeDeviceLifecycleEvent,
        NodeDeviceRef,
        NodeDeviceUpdateEvent,
    )
    from virloom.client.nwfilter import (
        NWFilter,
        NWFilterBinding,
    )
    from virloom.client.secret import (
        Secret,
        SecretEvent,
        SecretLifecycleEvent,
        SecretRef,
        SecretValueChangedEvent,
    )
    from virloom.client.storage.events import (
        PoolEvent,
        PoolLifecycleEvent,
        PoolRefreshEvent,
    )
    from virloom.client.storage.pool import (
        StoragePool,
    )
    from virloom.client.storage.ref import (
        PoolRef,
        VolumeRef,
    )
    from virloom.client.storage.volume import (
        Volume,
    )
    from virloom.client.subscription import EventGap
    from virloom.errors.base import UnknownError, VirloomError
    from virloom.errors.classes import *  # noqa: F403 - as __getattr__ gives them
    from virloom.sync.connection import Connection as SyncConnection
    from virloom.uri import ConnectURI

__all__ = [
    "AgentLifecycleEvent",
    "BalloonChangeEvent",
    "BlockJob2Event",
    "BlockJobEvent",
    "BlockThresholdEvent",
    "ChannelLifecycleEvent",
    "ConnectURI",
    "Connection",
    "ControlErrorEvent",
    "DeviceAddedEvent",
    "DeviceRemovalFailedEvent",
    "DeviceRemovedEvent",
    "DiskChangeEvent",
    "Domain",
    "DomainEvent",
    "DomainRef",
    "EventGap",
    "GraphicsEvent",
    "HostInterface",
    "IOErrorEvent",
    "IOErrorReasonEvent",
    "JobCompletedEvent",
    "LifecycleEvent",
    "MemoryDeviceSizeChangeEvent",
    "MemoryFailureEvent",
    "MetadataChangeEvent",
    "MigrationIterationEvent",
    "MonitorEvent",
    "NWFilter",
    "NWFilterBinding",
    "Network",
    "NetworkEvent",
    "NetworkLifecycleEvent",
    "NetworkMetadataChangeEvent",
    "NetworkPort",
    "NetworkRef",
    "NicMACChangeEvent",
    "NodeDevice",
    "NodeDeviceEvent",
    "NodeDeviceLifecycleEvent",
    "NodeDeviceRef",
    "NodeDeviceUpdateEvent",
    "PMSuspendDiskEvent",
    "PMSuspendEvent",
    "PMWakeupEvent",
    "PoolEvent",
    "PoolLifecycleEvent",
    "PoolRef",
    "PoolRefreshEvent",
    "RebootEvent",
    "RtcChangeEvent",
    "Secret",
    "SecretEvent",
    "SecretLifecycleEvent",
    "SecretRef",
    "SecretValueChangedEvent",
    "StoragePool",
    "TrayChangeEvent",
    "TunableEvent",
    "UnknownError",
    "VcpuRemovedEvent",
    "VirloomError",
    "Volume",
    "VolumeRef",
    "WatchdogEvent",
    "open",
    "open_sync",
]

#: Where the names come from that are not imported with the package; the rest are error classes.
_HOMES = {
    "ConnectURI": "virloom.uri",
    "Connection": "virloom.client.connection",
    "Domain": "virloom.client.domain.domain",
    "DomainRef": "virloom.client.domain.ref",
    "EventGap": "virloom.client.subscription",
    "HostInterface": "virloom.client.interface",
    "NWFilter": "virloom.client.nwfilter",
    "NWFilterBinding": "virloom.client.nwfilter",
    "Network": "virloom.client.network.network",
    "NetworkEvent": "virloom.client.network.events",
    "NetworkLifecycleEvent": "virloom.client.network.events",
    "NetworkMetadataChangeEvent": "virloom.client.network.events",
    "NetworkPort": "virloom.client.network.port",
    "NetworkRef": "virloom.client.network.ref",
    "NodeDevice": "virloom.client.node_device",
    "NodeDeviceEvent": "virloom.client.node_device",
    "NodeDeviceLifecycleEvent": "virloom.client.node_device",
    "NodeDeviceRef": "virloom.client.node_device",
    "NodeDeviceUpdateEvent": "virloom.client.node_device",
    "PoolEvent": "virloom.client.storage.events",
    "PoolLifecycleEvent": "virloom.client.storage.events",
    "PoolRef": "virloom.client.storage.ref",
    "PoolRefreshEvent": "virloom.client.storage.events",
    "Secret": "virloom.client.secret",
    "SecretEvent": "virloom.client.secret",
    "SecretLifecycleEvent": "virloom.client.secret",
    "SecretRef": "virloom.client.secret",
    "SecretValueChangedEvent": "virloom.client.secret",
    "StoragePool": "virloom.client.storage.pool",
    "UnknownError": "virloom.errors",
    "VirloomError": "virloom.errors",
    "Volume": "virloom.client.storage.volume",
    "VolumeRef": "virloom.client.storage.ref",
}


def open(uri: str | ConnectURI | None = None, *, readonly: bool = False) -> Opening:
    """Opens a connection: ``async with virloom.open(uri) as conn`` or ``await virloom.open(uri)``.

    Args:
        uri: A libvirt URI; None for what ``LIBVIRT_DEFAULT_URI`` names.
        readonly: Only calls that change nothing.

    Raises:
        InvalidArg: The URI is malformed, or there is none.
        NoSupport: Nothing here serves such a URI.
        VirloomError: What the driver answered.
    """
    from virloom.client.connection import Opening

    return Opening(uri, readonly=readonly)


def open_sync(uri: str | ConnectURI | None = None, *, readonly: bool = False) -> SyncConnection:
    """The same, blocking: ``with virloom.open_sync(uri) as conn``. Safe in any thread."""
    from virloom.sync.connection import connect

    return connect(uri, readonly=readonly)


if not TYPE_CHECKING:

    def __getattr__(name):
        if not name[0].isupper():
            raise AttributeError(f"module 'virloom' has no attribute {name!r}")
        from importlib import import_module

        default = "virloom.client.domain.events" if name in __all__ else "virloom.errors"
        module = import_module(_HOMES.get(name, default))
        if not hasattr(module, name):
            raise AttributeError(f"module 'virloom' has no attribute {name!r}")
        return getattr(module, name)
