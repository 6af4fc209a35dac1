# SPDX-License-Identifier: Apache-2.0
"""What starts by itself, starts once in each boot.

A driver that is closed and opened again has not rebooted, and whoever stopped something meanwhile
does not want it back (libvirt keeps a mark for this too).
"""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable, Iterable
from pathlib import Path
from typing import Any, Protocol, TypeVar

from virloom.errors import VirloomError
from virloom.host.boot import boot_id
from virloom.host.files import write_atomic

logger = logging.getLogger(__name__)


class Startable(Protocol):
    """What may start by itself."""

    name: str
    autostart: bool

    @property
    def active(self) -> bool:
        """Whether it has been started."""
        ...


T = TypeVar("T", bound=Startable)


async def start_once(
    mark: Path, objects: Iterable[T], start: Callable[[T], Awaitable[Any]], kind: str
) -> None:
    """Starts those that start by themselves; one that fails does not keep the others.

    Args:
        mark: As of :func:`first_since_boot`.
        kind: What they are called.

    Raises:
        SystemFailure: The mark cannot be written.
    """
    if not first_since_boot(mark):
        return
    for found in objects:
        if found.autostart and not found.active:
            try:
                await start(found)
            except VirloomError as exc:
                logger.error("%s '%s' cannot be started: %s", kind, found.name, exc)


def first_since_boot(mark: Path) -> bool:
    """Whether a driver is opened for the first time since the host has booted; notes that it was.

    Args:
        mark: The file that tells it, in a directory of the driver's.

    Raises:
        SystemFailure: It cannot be written.
    """
    if mark.exists() and mark.read_text() == boot_id():
        return False
    write_atomic(mark, boot_id().encode(), durable=False)
    return True
