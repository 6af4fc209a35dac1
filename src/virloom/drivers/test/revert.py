# SPDX-License-Identifier: Apache-2.0
"""A domain goes back to what it was."""

from __future__ import annotations

from virloom.drivers.test.domain import Guest
from virloom.drivers.test.driver import InMemoryDriver
from virloom.drivers.test.lifecycle import start, stop, withdraw
from virloom.drivers.test.snapshots import RUNS, copy_of
from virloom.enums.domain import (
    DomainEventStartedDetailType,
    DomainEventStoppedDetailType,
    DomainEventSuspendedDetailType,
    DomainEventType,
    DomainPausedReason,
    DomainRunningReason,
    DomainShutoffReason,
    DomainState,
)
from virloom.enums.error import ErrorDomain
from virloom.enums.snapshot import DomainSnapshotRevertFlags
from virloom.errors import OperationInvalid, SnapshotRevertRisky
from virloom.model.snapshot import Snapshot

_Flags = DomainSnapshotRevertFlags


def revert(driver: InMemoryDriver, guest: Guest, snapshot: Snapshot, flags: int) -> None:
    """Makes of a domain what the snapshot has, and that the current one.

    Raises:
        OperationInvalid: A transient domain would not run.
        SnapshotRevertRisky: The snapshot has no document.
    """
    runs = snapshot.state in RUNS
    if not guest.persistent and not runs and not flags & (_Flags.RUNNING | _Flags.PAUSED):
        raise OperationInvalid(
            "transient domain needs to request run or pause to revert to inactive snapshot",
            domain=ErrorDomain.TEST,
        )
    if snapshot.domain is None:
        raise SnapshotRevertRisky(
            f"snapshot '{snapshot.name}' lacks domain '{guest.name}' rollback info",
            domain=ErrorDomain.TEST,
        )
    guest.snapshots.current = snapshot.name
    if guest.active:
        told = guest.ref()
        stop(driver, guest, DomainShutoffReason.FROM_SNAPSHOT)
        driver.tell(told, DomainEventType.STOPPED, DomainEventStoppedDetailType.FROM_SNAPSHOT)
    model = copy_of(snapshot.domain)
    guest.config = model
    if runs:
        start(driver, guest, model, DomainRunningReason.FROM_SNAPSHOT)
    _tell(driver, guest, snapshot, flags, runs=runs)
    withdraw(driver, guest)


def _tell(
    driver: InMemoryDriver, guest: Guest, snapshot: Snapshot, flags: int, *, runs: bool
) -> None:
    """Tells of the start, and pauses.

    Of a snapshot that does not run libvirt's driver only says that it starts.
    """
    if runs or flags & (_Flags.RUNNING | _Flags.PAUSED):
        driver.tell(
            guest.ref(), DomainEventType.STARTED, DomainEventStartedDetailType.FROM_SNAPSHOT
        )
    wants_pause = bool(flags & _Flags.PAUSED)
    if wants_pause or (runs and snapshot.state == "paused" and not flags & _Flags.RUNNING):
        if runs:
            guest.set_state(DomainState.PAUSED, DomainPausedReason.FROM_SNAPSHOT)
        detail = DomainEventSuspendedDetailType.FROM_SNAPSHOT
        driver.tell(guest.ref(), DomainEventType.SUSPENDED, detail)
