# SPDX-License-Identifier: Apache-2.0
"""A snapshot is made: of a domain that does not run by qemu-img, of one that runs by QEMU."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from virloom.drivers.qemu.checkpoints.files import checkpoints_of
from virloom.drivers.qemu.domain import Guest
from virloom.drivers.qemu.snapshots import store
from virloom.drivers.qemu.snapshots.checks import check_possible
from virloom.drivers.qemu.snapshots.document import Wish, check_new_name, complete_new
from virloom.drivers.qemu.snapshots.graph import same
from virloom.drivers.qemu.snapshots.journal import refuse_pending
from virloom.drivers.qemu.snapshots.offline import keep_within, put_overlays
from virloom.drivers.runtime.moments import Moments
from virloom.enums.domain import DomainState
from virloom.enums.error import ErrorDomain
from virloom.errors import ConfigUnsupported, OperationUnsupported
from virloom.model.snapshot import Snapshot

if TYPE_CHECKING:
    from virloom.drivers.qemu.driver import QemuDriver


class Request(NamedTuple):
    """What the caller of a creation asks for.

    Attributes:
        disk_only: No memory.
        metadata: Remember it.
        halt: End the guest afterwards.
        reuse: The targets are there already.
        quiesce: Have the guest's agent hold its file systems still.
        live: Let the guest run while its memory is written.
    """

    disk_only: bool = False
    metadata: bool = True
    halt: bool = False
    reuse: bool = False
    quiesce: bool = False
    live: bool = False


async def create(driver: QemuDriver, guest: Guest, model: Snapshot, request: Request) -> None:
    """Makes a snapshot; the domain's asynchronous job is held by the caller.

    Raises:
        OperationUnsupported: The domain has checkpoints and does not run, as in libvirt 9.
        VirloomError: It cannot be made, and nothing of it is left.
    """
    refuse_pending(driver, guest)
    running = guest.running
    if running is None and list(checkpoints_of(driver, guest)):
        raise OperationUnsupported(
            f"domain '{guest.name}' has checkpoints, whose bitmaps only a guest that runs can keep",
            domain=ErrorDomain.QEMU,
            remedy="make the snapshot while the guest runs, or forget the checkpoints",
        )
    persistent = guest.persistent_model() if running is not None else None
    complete_new(
        model,
        guest.model if running is None else running.migratable_model(),
        persistent,
        guest.state,
        Wish(request.disk_only, request.reuse),
    )
    if request.live and (running is None or model.memory.snapshot != "external"):
        raise OperationUnsupported(
            "live snapshot creation is supported only during full system snapshots",
            domain=ErrorDomain.QEMU,
        )
    state = guest.state if running is not None else DomainState.SHUTOFF
    check_possible(model, guest.model, state, reuse=request.reuse)
    moments = store.snapshots_of(driver, guest)
    _check_memory_file(moments, model)
    if request.metadata:
        check_new_name(moments, model)
    await _make(driver, guest, model, request)


def _check_memory_file(moments: Moments[Snapshot], model: Snapshot) -> None:
    """Refuses to write over the memory of another snapshot, which libvirt 9 does.

    Raises:
        ConfigUnsupported: Whose it is.
    """
    path = model.memory.file
    for other in moments:
        if path is not None and other.memory.file is not None and same(path, other.memory.file):
            raise ConfigUnsupported(
                f"'{path}' has the memory of snapshot '{other.name}'", domain=ErrorDomain.QEMU
            )


async def _make(driver: QemuDriver, guest: Guest, model: Snapshot, request: Request) -> None:
    running = guest.running
    internal = any(entry.snapshot == "internal" for entry in model.disks.disks)
    if running is None:
        work = keep_within if internal else put_overlays
        await work(driver, guest, model, metadata=request.metadata)
    elif internal:
        from virloom.drivers.qemu.snapshots.internal import keep_running

        await keep_running(driver, running, model, request)
    else:
        from virloom.drivers.qemu.snapshots.external import put_live_overlays

        await put_live_overlays(driver, running, model, request)
