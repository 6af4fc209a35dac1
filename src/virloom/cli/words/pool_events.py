# SPDX-License-Identifier: Apache-2.0
"""Events of storage pools, printed as they come."""

from __future__ import annotations

from virloom.cli.shell.arguments import Arguments
from virloom.cli.shell.registry import command
from virloom.cli.shell.session import Session
from virloom.cli.shell.watching import Watched
from virloom.cli.words import storage_objects
from virloom.cli.words.object_events import lifecycle, watch_area
from virloom.client.storage.events import PoolLifecycleEvent, PoolRefreshEvent

#: What ``pool-event --event`` takes.
EVENTS = {
    "lifecycle": lifecycle(PoolLifecycleEvent, lambda event: f"storage pool {event.pool.name}"),
    "refresh": Watched(
        PoolRefreshEvent, lambda event: f"event 'refresh' for storage pool {event.pool.name}"
    ),
}


@command("pool-event")
async def pool_event(session: Session, arguments: Arguments) -> None:
    """Print what happens to storage pools."""
    await watch_area(session, arguments, "pool", EVENTS, storage_objects.pool, "storage_pools")
