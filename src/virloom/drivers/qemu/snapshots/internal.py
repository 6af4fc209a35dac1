# SPDX-License-Identifier: Apache-2.0
"""Snapshots of a guest that runs, within its images: memory and disks together.

===========  =============  =======================================================================
work         phase          when the daemon is killed
===========  =============  =======================================================================
``state``    ``making``     what QEMU has kept goes again, and the guest runs on if it did
             ``made``       the snapshot is noted, and the guest runs on if it did
===========  =============  =======================================================================
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from typing import TYPE_CHECKING, Any

from virloom.drivers.qemu.domain import Guest
from virloom.drivers.qemu.process.resources import alias_of
from virloom.drivers.qemu.process.running import FROM_SNAPSHOT, RunningGuest
from virloom.drivers.qemu.process.steps import reached
from virloom.drivers.qemu.process.stop import stop
from virloom.drivers.qemu.snapshots import qmp
from virloom.drivers.qemu.snapshots.checks import parts_of
from virloom.drivers.qemu.snapshots.creation import Request
from virloom.drivers.qemu.snapshots.journal import Journal
from virloom.drivers.qemu.snapshots.offline import drop_kept, note, noted_document
from virloom.enums.domain import (
    DomainEventStartedDetailType,
    DomainEventSuspendedDetailType,
    DomainPausedReason,
    DomainRunningReason,
    DomainState,
)
from virloom.enums.error import ErrorDomain
from virloom.errors import InternalError, VirloomError
from virloom.model.domain import Disk
from virloom.model.snapshot import Snapshot

if TYPE_CHECKING:
    from virloom.drivers.qemu.driver import QemuDriver

logger = logging.getLogger(__name__)

#: Key of the record's runtime figures under which a revert is noted that is not all done.
REVERTED = "reverted"

#: Seconds for the end of a guest that is being destroyed.
_END_LIMIT = 30.0


def node_of(running: RunningGuest, disk: Disk) -> str:
    """QEMU's name of the node of a disk's image.

    Raises:
        InternalError: It has none.
    """
    layers = running.record.runtime.get("nodes", {}).get(alias_of(disk), {}).get("layers")
    if not layers:
        raise InternalError(f"disk '{disk.target.dev}' has no block node", domain=ErrorDomain.QEMU)
    return str(layers[0][0])


async def keep_running(
    driver: QemuDriver, running: RunningGuest, model: Snapshot, request: Request
) -> None:
    """Keeps the guest's memory and disks within its images.

    Raises:
        OperationFailed: QEMU failed; nothing is left of it, and the guest goes on as it did.
    """
    guest = running.guest
    parts = parts_of(model, running.model, "internal")
    nodes = [node_of(running, part.disk) for part in parts]
    ran = guest.state == DomainState.RUNNING
    journal = Journal.of(
        driver,
        guest,
        "state",
        {
            "name": model.name,
            "nodes": nodes,
            "ran": ran,
            "halt": request.halt,
            "document": noted_document(model) if request.metadata else None,
        },
    )
    journal.model = model
    try:
        await journal.enter("making")
        if ran:
            await pause(running, DomainPausedReason.SAVE)
        await qmp.save_state(running, model.name or "", nodes)
        reached("snapshot-state-kept")
    except VirloomError:
        if running.cause is not None:
            await asyncio.wait([running.ended], timeout=_END_LIMIT)
        if guest.running is None:
            await drop_kept([part.image for part in parts], model.name or "")
            journal.end()
        elif guest.running is running:
            await undo_state(running, journal)
        raise
    await finish_state(driver, guest, journal)


async def pause(running: RunningGuest, reason: DomainPausedReason) -> None:
    """Stops the guest's CPUs; the state follows QEMU's event."""
    running.pause_reason = reason
    await running.execute("stop")
    reached("snapshot-paused")


async def go_on(running: RunningGuest) -> None:
    """Lets the CPUs run again, if the guest still is where we left it."""
    if running.guest.running is running and running.guest.state == DomainState.PAUSED:
        running.resume_reason = DomainRunningReason.UNPAUSED
        await running.go_on()


async def finish_state(driver: QemuDriver, guest: Guest, journal: Journal) -> None:
    """QEMU has kept it: the snapshot is noted, and the guest goes on."""
    if journal.phase != "made":
        await journal.enter("made")
    await note(driver, guest, journal)
    try:
        await go_on_or_end(guest, journal)
    except VirloomError as exc:  # the snapshot is made, whatever becomes of the guest
        logger.warning("domain '%s' after its snapshot: %s", guest.name, exc)
    journal.end()


async def go_on_or_end(guest: Guest, journal: Journal) -> None:
    """The guest ends if it was to, or else runs if it did."""
    if guest.running is None:
        return
    if journal.data["halt"]:
        await stop(guest.running, FROM_SNAPSHOT)
    elif journal.data["ran"]:
        await go_on(guest.running)


async def undo_state(running: RunningGuest, journal: Journal) -> None:
    """It came to nothing: what QEMU has kept of it goes, and the guest runs on if it did."""
    data: dict[str, Any] = journal.data
    with contextlib.suppress(VirloomError):  # QEMU removes itself what it could not complete
        await qmp.delete_state(running, data["name"], data["nodes"])
    if data["ran"]:
        await go_on(running)
    journal.end()


def images_of(guest: Guest, journal: Journal) -> list[str]:
    """The images of a guest that has ended meanwhile."""
    return [
        disk.source.file or disk.source.dev or ""
        for disk in guest.model.devices.disks
        if disk.driver.type == "qcow2" and (disk.source.file or disk.source.dev)
    ]


async def go_on_reverted(running: RunningGuest) -> None:
    """A guest that has been given the state runs, if it was to."""
    note = running.record.runtime[REVERTED]
    if note["resume"] and running.guest.state == DomainState.PAUSED:
        running.resume_reason = DomainRunningReason.FROM_SNAPSHOT
        await running.go_on()


class KeptState:
    """The state within a guest's images that a start loads instead of booting.

    It stands in for :class:`~virloom.drivers.qemu.saving.restore.Incoming`.

    Attributes:
        resume: Whether the guest is to run.
    """

    deferred = False
    started = DomainEventStartedDetailType.FROM_SNAPSHOT
    resumed = DomainRunningReason.FROM_SNAPSHOT
    paused = DomainPausedReason.FROM_SNAPSHOT
    paused_detail = DomainEventSuspendedDetailType.FROM_SNAPSHOT

    def __init__(self, name: str, targets: list[str], *, resume: bool) -> None:
        self._name = name
        self._targets = targets
        self.resume = resume

    async def load(self, running: RunningGuest) -> None:
        """Has QEMU load the state, and returns when it has.

        Raises:
            VirloomError: It cannot be loaded.
        """
        disks = {disk.target.dev: disk for disk in running.model.devices.disks}
        nodes = [node_of(running, disks[target]) for target in self._targets]
        await qmp.load_state(running, self._name, nodes)

    def loaded(self, running: RunningGuest) -> None:
        """Notes, before the guest runs, that it must not be loaded again."""
        running.record.runtime[REVERTED] = {"name": self._name, "resume": self.resume}

    def used(self, running: RunningGuest) -> None:
        """The note stays until the revert is over."""

    def close(self) -> None:
        """Nothing is open."""
