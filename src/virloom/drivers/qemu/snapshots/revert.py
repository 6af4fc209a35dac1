# SPDX-License-Identifier: Apache-2.0
"""A domain goes back to what it was.

===========  =============  =======================================================================
work         phase          when the daemon is killed
===========  =============  =======================================================================
``revert``   ``begun``      a guest that still runs as before goes on; else all is done again
             ``ready``      the guest is started if it was to be, and the revert is noted
===========  =============  =======================================================================

A guest that has been given the state has a note of it in its record, so that it is never loaded
twice: what it has written since would be lost.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from virloom.drivers.qemu.admission import complete, rewrite, withdraw
from virloom.drivers.qemu.domain import Guest
from virloom.drivers.qemu.process.running import FROM_SNAPSHOT
from virloom.drivers.qemu.process.steps import reached
from virloom.drivers.qemu.process.stop import stop
from virloom.drivers.qemu.saving.managed import has_managed, remove_managed
from virloom.drivers.qemu.snapshots import branch, images, store
from virloom.drivers.qemu.snapshots.checks import parts_of
from virloom.drivers.qemu.snapshots.document import RUNS, kept
from virloom.drivers.qemu.snapshots.graph import Images
from virloom.drivers.qemu.snapshots.internal import REVERTED, KeptState
from virloom.drivers.qemu.snapshots.journal import Journal, refuse_pending
from virloom.drivers.qemu.snapshots.offline import remove_made
from virloom.drivers.runtime.moments import is_external
from virloom.enums.domain import (
    DomainEventDefinedDetailType,
    DomainEventID,
    DomainEventType,
)
from virloom.enums.error import ErrorDomain
from virloom.enums.snapshot import DomainSnapshotRevertFlags
from virloom.errors import (
    OperationFailed,
    OperationInvalid,
    SnapshotRevertRisky,
    VirloomError,
)
from virloom.model.domain import Domain
from virloom.model.snapshot import Snapshot

if TYPE_CHECKING:
    from virloom.drivers.qemu.driver import QemuDriver

_Flags = DomainSnapshotRevertFlags


def runs_after(snapshot: Snapshot, flags: int) -> bool | None:
    """Whether the guest is to run; None where it is to be shut off."""
    if flags & (_Flags.RUNNING | _Flags.PAUSED):
        return bool(flags & _Flags.RUNNING)
    if snapshot.state in RUNS:
        return snapshot.state == "running"
    return None


def check_revert(driver: QemuDriver, guest: Guest, snapshot: Snapshot, flags: int) -> None:
    """Refuses what cannot be gone back to.

    Raises:
        OperationInvalid: A transient domain would not run.
        SnapshotRevertRisky: Nobody knows what the domain was, or what it has saved would not fit.
    """
    if not guest.persistent and runs_after(snapshot, flags) is None:
        raise OperationInvalid(
            "transient domain needs to request run or pause to revert to inactive snapshot",
            domain=ErrorDomain.QEMU,
        )
    if snapshot.domain is None:
        raise SnapshotRevertRisky(
            f"snapshot '{snapshot.name}' lacks domain '{guest.name}' rollback info",
            domain=ErrorDomain.QEMU,
        )
    if has_managed(driver, guest) and not flags & _Flags.FORCE:
        raise SnapshotRevertRisky(
            "the domain's managed saved state does not go with the disks of a snapshot",
            domain=ErrorDomain.QEMU,
            remedy="remove the managed saved state, or VIR_DOMAIN_SNAPSHOT_REVERT_FORCE does",
        )


async def revert(driver: QemuDriver, guest: Guest, snapshot: Snapshot, flags: int) -> None:
    """Makes of a domain what the snapshot has; its asynchronous job is held by the caller.

    Raises:
        VirloomError: It is refused, and nothing has changed; or QEMU failed, and the domain is
            shut off with the disks of the snapshot.
    """
    refuse_pending(driver, guest)
    check_revert(driver, guest, snapshot, flags)
    assert snapshot.domain is not None, "it has been checked"
    model = await complete(driver, snapshot.domain)
    overlays: list[dict[str, Any]] = []
    if is_external(snapshot):
        overlays = branch.plan(guest, snapshot)
    else:
        await _check_images(driver, guest, snapshot)
    if has_managed(driver, guest):
        remove_managed(driver, guest)
    data = {"name": snapshot.name, "flags": flags, "overlays": overlays}
    journal = Journal.of(driver, guest, "revert", data)
    await journal.enter("begun")
    try:
        await carry_out(driver, guest, snapshot, model, journal)
    except VirloomError:
        if journal.phase == "begun":
            remove_made(overlays)
        journal.end()
        raise


async def _check_images(driver: QemuDriver, guest: Guest, snapshot: Snapshot) -> None:
    """Refuses to change what other snapshots, or the domain itself, read through their images.

    Raises:
        OperationInvalid: Somebody does.
        OperationFailed: What is to be gone back to is not there.
    """
    assert snapshot.domain is not None
    found = Images.of(driver, guest)
    for part in parts_of(snapshot, snapshot.domain, "internal"):
        found.refuse_change(part.image)
        name = snapshot.name or ""
        if name not in (await images.facts_of(part.image, "qcow2", in_use=True)).snapshots:
            raise OperationFailed(
                f"'{part.image}' has no snapshot '{name}'", domain=ErrorDomain.QEMU
            )


async def carry_out(
    driver: QemuDriver, guest: Guest, snapshot: Snapshot, model: Domain, journal: Journal
) -> None:
    """Goes back, from wherever an earlier attempt has come to."""
    flags = int(journal.data["flags"])
    overlays = journal.data["overlays"]
    try:
        if overlays:
            await branch.make(overlays)
        if guest.running is not None:
            async with guest.writing:  # a transient domain stays in between
                await stop(guest.running, FROM_SNAPSHOT)
            reached("snapshot-stopped")
        if snapshot.state in RUNS:
            await _start_kept(driver, guest, snapshot, branch.put(model, overlays), flags)
        elif not overlays:
            await restore_images(snapshot)
            reached("snapshot-images-restored")
        await finish(driver, guest, snapshot, model, journal)
    finally:
        withdraw(driver, guest)


async def _start_kept(
    driver: QemuDriver, guest: Guest, snapshot: Snapshot, model: Domain, flags: int
) -> None:
    from virloom.drivers.qemu.process.launch import Launch  # virloom.drivers.qemu.later

    resume = runs_after(snapshot, flags) is True
    name = snapshot.name or ""
    incoming: KeptState | branch.KeptMemory
    if snapshot.memory.snapshot == "external":
        incoming = branch.KeptMemory(name, snapshot.memory.file or "", resume=resume)
    else:
        targets = [part.disk.target.dev or "" for part in parts_of(snapshot, model, "internal")]
        incoming = KeptState(name, targets, resume=resume)
    try:
        await Launch(
            driver,
            guest,
            model,
            paused=not resume,
            autodestroy=False,
            reset_nvram=bool(flags & _Flags.RESET_NVRAM),
            incoming=incoming,
        ).run()
    finally:
        incoming.close()


async def restore_images(snapshot: Snapshot) -> None:
    """Makes what is kept within the images their content again; doing it twice is the same.

    Raises:
        OperationFailed: An image does not have it.
    """
    assert snapshot.domain is not None
    for part in parts_of(snapshot, snapshot.domain, "internal"):
        await images.go_back(part.image, snapshot.name or "")


async def finish(
    driver: QemuDriver, guest: Guest, snapshot: Snapshot, model: Domain, journal: Journal
) -> None:
    """The images are as they were: so is the document; the guest boots if it is to."""
    flags = int(journal.data["flags"])
    if journal.phase != "ready":
        await journal.enter("ready")
    defined = guest.definition is not None
    if defined:
        document = snapshot.inactive_domain or snapshot.domain
        assert document is not None
        wanted = branch.put(await complete(driver, kept(document)), journal.data["overlays"])
        await rewrite(driver, guest, lambda tree: _become(tree, wanted))
    await store.set_current(driver, guest, snapshot.name)
    reached("snapshot-reverted")
    boot = runs_after(snapshot, flags)
    if boot is not None and guest.running is None:
        booted = branch.put(model, journal.data["overlays"])
        await _boot(driver, guest, booted, paused=not boot, flags=flags)
    if defined:
        driver.events.emit(
            DomainEventID.LIFECYCLE,
            guest.ref(),
            int(DomainEventType.DEFINED),
            int(DomainEventDefinedDetailType.FROM_SNAPSHOT),
        )
    journal.end()
    if guest.running is not None and guest.running.record.runtime.pop(REVERTED, None):
        guest.running.save()


def _become(tree: Domain, wanted: Domain) -> None:
    """Makes one document what another one is."""
    state: dict[str, Any] = wanted.copy().__dict__
    tree.__dict__.clear()
    tree.__dict__.update(state)


async def _boot(
    driver: QemuDriver, guest: Guest, model: Domain, *, paused: bool, flags: int
) -> None:
    from virloom.drivers.qemu.process.launch import Launch  # virloom.drivers.qemu.later

    await Launch(
        driver,
        guest,
        model,
        paused=paused,
        autodestroy=False,
        reset_nvram=bool(flags & _Flags.RESET_NVRAM),
        from_snapshot=True,
    ).run()
