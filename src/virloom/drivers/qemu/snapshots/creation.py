# SPDX-License-Identifier: Apache-2.0
"""A snapshot is made: of a domain that does not run by qemu-img, of one that runs by QEMU."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from virloom.drivers.qemu.domain import Guest
from virloom.drivers.qemu.process.running import FROM_SNAPSHOT
from virloom.drivers.qemu.process.stop import stop
from virloom.drivers.qemu.snapshots import store
from virloom.drivers.qemu.snapshots.checks import check_possible
from virloom.drivers.qemu.snapshots.document import Wish, check_new_name, complete_new
from virloom.drivers.qemu.snapshots.offline import keep_within, put_overlays
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
        VirloomError: It cannot be made, and nothing of it is left.
    """
    running = guest.running
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
    if request.metadata:
        check_new_name(store.snapshots_of(driver, guest), model)
    await _make(driver, guest, model, request)
    if request.halt and guest.running is not None and guest.running is running:
        await stop(running, FROM_SNAPSHOT)


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
        raise ConfigUnsupported(
            "external snapshots of a guest that runs are not served yet", domain=ErrorDomain.QEMU
        )
