# SPDX-License-Identifier: Apache-2.0
"""The procedures that the QEMU driver serves, grouped by subject."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable, Iterator, Mapping
from importlib import import_module

from virloom.drivers.qemu.driver import QemuDriver
from virloom.drivers.qemu.handlers.connection import Connection
from virloom.endpoint.dispatch import Dispatcher
from virloom.procedures.record import Area

#: Every other group of handlers, module and class, in the order in which clients need them: a
#: daemon answers its first call before they are imported.
_LATER = (
    ("listing", "Listing"),
    ("state", "State"),
    ("events", "Events"),
    ("documents", "Documents"),
    ("lifecycle", "Lifecycle"),
    ("devices", "Devices"),
    ("settings", "Settings"),
    ("statistics", "Statistics"),
    ("host", "Host"),
    ("memory", "Memory"),
    ("limits", "Limits"),
    ("console", "Console"),
    ("snapshot_listing", "SnapshotListing"),
    ("snapshots", "Snapshots"),
    ("checkpoints", "Checkpoints"),
    ("backup", "Backups"),
    ("peek", "Peeking"),
    ("saving", "Saving"),
    ("jobs", "Jobs"),
    ("dumping", "Dumping"),
    ("blockjobs", "BlockJobs"),
    ("messages", "Messages"),
    ("monitor", "RawMonitor"),
    ("descriptors", "Descriptors"),
    ("processor", "Processors"),
    ("vcpus", "Vcpus"),
    ("pinning", "Pinning"),
    ("iothreads", "IoThreads"),
    ("counting", "Counting"),
    ("measuring", "Measuring"),
    ("sleeping", "Sleeping"),
    ("host_memory", "HostMemory"),
    ("native", "Native"),
    ("node_devices", "HostDevices"),
    ("recorder", "Recording"),
    ("agent", "GuestAgent"),
    ("agent_files", "AgentFiles"),
    ("agent_processors", "AgentProcessors"),
    ("agent_report", "AgentReport"),
    ("block_settings", "BlockSettings"),
    ("traffic", "Traffic"),
)


def _later(driver: QemuDriver) -> Iterator[object]:
    for module, name in _LATER:
        yield getattr(import_module(f"{__name__}.{module}"), name)(driver)


def dispatcher(
    driver: QemuDriver,
    beside: Iterable[object] = (),
    elsewhere: Mapping[Area, Callable[[], Awaitable[Dispatcher]]] | None = None,
) -> Dispatcher:
    """All that *driver* serves.

    Args:
        beside: Handlers of other areas that the same process serves.
        elsewhere: Opens drivers of areas that the same process serves when they are asked for.
    """
    return Dispatcher([Connection(driver), *beside], _later(driver), elsewhere)
