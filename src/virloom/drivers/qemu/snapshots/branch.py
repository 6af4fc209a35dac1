# SPDX-License-Identifier: Apache-2.0
"""A domain goes back to an external snapshot: new images come upon those that it is of.

::

    behind ─ overlay ─ …         what was written since the snapshot: it stays as it is
       ╰──── new overlay         what is written from now on

Nothing that there is is written to, so that no other snapshot loses anything. libvirt 9.0.0 refuses
to go back to external snapshots.
"""

from __future__ import annotations

import os
import time
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from virloom.drivers.qemu.process.steps import reached
from virloom.drivers.qemu.saving.restore import Incoming
from virloom.drivers.qemu.snapshots import images
from virloom.drivers.qemu.snapshots.checks import Part, parts_of
from virloom.drivers.qemu.snapshots.graph import same
from virloom.drivers.qemu.snapshots.internal import REVERTED
from virloom.drivers.qemu.snapshots.offline import (
    disk_with,
    make_file,
    remove_made,
    sync_file,
    take_overlay,
)
from virloom.enums.domain import (
    DomainEventStartedDetailType,
    DomainEventSuspendedDetailType,
    DomainPausedReason,
    DomainRunningReason,
)
from virloom.enums.error import ErrorDomain
from virloom.errors import OperationInvalid
from virloom.model.domain import Domain
from virloom.model.snapshot import Snapshot

if TYPE_CHECKING:
    from virloom.drivers.qemu.domain import Guest
    from virloom.drivers.qemu.process.running import RunningGuest


def plan(guest: Guest, snapshot: Snapshot) -> list[dict[str, Any]]:
    """The new overlays, as the journal has them; none is there.

    Raises:
        OperationInvalid: The guest writes to an image that the snapshot is of: it is not what it
            was any more.
    """
    assert snapshot.domain is not None, "it has been checked"
    parts = parts_of(snapshot, snapshot.domain, "external")
    for part in parts:
        for disk in guest.model.devices.disks:
            if same(disk.source.file or disk.source.dev or "", part.image):
                raise OperationInvalid(
                    f"snapshot '{snapshot.name}' is of '{part.image}', which disk "
                    f"'{disk.target.dev}' writes to",
                    domain=ErrorDomain.QEMU,
                )
    number = _free_number(part.image for part in parts)
    return [
        {
            "target": part.disk.target.dev,
            "image": part.image,
            "format": part.form,
            "overlay": _named(part.image, number),
            "overlay_format": _format(part),
            "block": False,
            "made": True,
            "empty": False,
        }
        for part in parts
    ]


def _format(part: Part) -> str:
    return part.entry.driver.type or "qcow2"


def _named(path: str, number: int) -> str:
    """Beside an image, as libvirt names overlays, with a number for the snapshot's name."""
    directory, base = os.path.split(path)
    stem, dot, _ = base.rpartition(".")
    return os.path.join(directory, f"{stem if dot else base}.{number}")


def _free_number(paths: Iterable[str]) -> int:
    """The time, or the first number after it under which there is nothing."""
    known = list(paths)
    number = int(time.time())
    while any(os.path.lexists(_named(path, number)) for path in known):
        number += 1
    return number


async def make(overlays: list[dict[str, Any]]) -> None:
    """Makes the overlays, anew if they have been made already and nobody has written to them.

    Raises:
        OperationFailed: One cannot be made; none is left.
        SystemFailure: The same.
    """
    remove_made(overlays)
    try:
        for noted in overlays:
            make_file(noted["overlay"])
            size = (await images.facts_of(noted["image"], noted["format"])).size
            await images.make_overlay(
                noted["overlay"], noted["overlay_format"], noted["image"], noted["format"], size
            )
            sync_file(noted["overlay"])
            reached("snapshot-overlay-made")
    except BaseException:
        remove_made(overlays)
        raise


def put(model: Domain, overlays: list[dict[str, Any]]) -> Domain:
    """A copy of a document of the snapshot, with the new overlays."""
    made = model.copy()
    for noted in overlays:
        disk = disk_with(made, noted["target"], noted["image"])
        if disk is not None:
            take_overlay(disk, noted, chain=False)
    return made


class KeptMemory(Incoming):
    """The memory of an external snapshot, from which a guest goes on."""

    started = DomainEventStartedDetailType.FROM_SNAPSHOT
    resumed = DomainRunningReason.FROM_SNAPSHOT
    paused = DomainPausedReason.FROM_SNAPSHOT

    def __init__(self, name: str, path: str, *, resume: bool) -> None:
        super().__init__(path)
        self._name = name
        self.resume = resume
        self.paused_detail = DomainEventSuspendedDetailType.FROM_SNAPSHOT

    def loaded(self, running: RunningGuest) -> None:
        """Notes, before the guest runs, that it must not be loaded again."""
        running.record.runtime[REVERTED] = {"name": self._name, "resume": self.resume}

    def used(self, running: RunningGuest) -> None:
        """The note stays until the revert is over."""
