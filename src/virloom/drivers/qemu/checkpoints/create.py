# SPDX-License-Identifier: Apache-2.0
"""A checkpoint is made: a bitmap in each disk, all at the same moment, and then its file.

============================  ==================================================================
what there is                 what becomes of it when the daemon is killed
============================  ==================================================================
record with the note          QEMU has no bitmap: there is no checkpoint
record with the note, bitmap  its file is written: QEMU has done all of the transaction
file                          the note is dropped
============================  ==================================================================
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from virloom.drivers.qemu.checkpoints import files
from virloom.drivers.qemu.checkpoints.bitmaps import Action, add_action, is_sound
from virloom.drivers.qemu.checkpoints.nodes import chain_of, query_bitmaps, transaction
from virloom.drivers.qemu.domain import Guest
from virloom.drivers.qemu.process.running import RunningGuest
from virloom.drivers.qemu.process.steps import reached
from virloom.drivers.runtime.checkpoints import align_disks, disk_named
from virloom.drivers.runtime.moments import parent_of
from virloom.enums.error import ErrorDomain
from virloom.errors import (
    CheckpointInconsistent,
    ConfigUnsupported,
    InternalError,
    InvalidArg,
    OperationFailed,
    VirloomError,
)
from virloom.model.domain import Domain
from virloom.model.snapshot import Checkpoint, Parent
from virloom.xml import FormatFlags, format_document, parse_document

if TYPE_CHECKING:
    from virloom.drivers.qemu.driver import QemuDriver

#: Key of the record's runtime figures under which a change of checkpoints is noted.
NOTE = "checkpoint"
_DOMAIN = ErrorDomain.DOMAIN_CHECKPOINT
_STORED = FormatFlags.SECURE | FormatFlags.INACTIVE


def prepare(driver: QemuDriver, running: RunningGuest, model: Checkpoint) -> list[Action]:
    """Completes the document of a new checkpoint, and says what makes its bitmaps.

    Raises:
        OperationFailed: There is one of that name.
        ConfigUnsupported: A disk is none, or cannot have a bitmap.
    """
    known = files.checkpoints_of(driver, running.guest)
    if known.get(model.name) is not None:
        raise OperationFailed(
            f"domain moment {model.name} already exists", domain=ErrorDomain.DOMAIN
        )
    model.creation_time = int(time.time())
    model.domain = _as_defined(running)
    align_disks(model, running.model)
    model.parent = Parent(name=known.current) if known.current is not None else None
    return [
        add_action(_top(running, name, bitmap, model), bitmap)
        for name, bitmap in covered(model).items()
    ]


def _as_defined(running: RunningGuest) -> Domain:
    """The guest's document without what only a guest that runs has."""
    made = parse_document(Domain, format_document(running.migratable_model(), _STORED))
    made.seclabels = [label for label in made.seclabels if not label.given_here]
    return made


def covered(model: Checkpoint) -> dict[str, str]:
    """The bitmap of each disk that a checkpoint covers."""
    return {
        disk.name: disk.bitmap or model.name or ""
        for disk in model.disks.disks
        if disk.name and disk.checkpoint != "no"
    }


def _top(running: RunningGuest, name: str, bitmap: str, model: Checkpoint) -> str:
    """The node that gets the bitmap."""
    if bitmap != model.name:
        raise ConfigUnsupported(
            f"bitmap for disk '{name}' must match checkpoint name '{model.name}'",
            domain=ErrorDomain.QEMU,
        )
    disk = disk_named(running.model, name)
    image_format = (disk.driver.type if disk is not None else None) or "raw"
    chain = chain_of(running, disk) if disk is not None else []
    if image_format != "qcow2" or not chain:
        raise ConfigUnsupported(
            f"checkpoint for disk {name} unsupported for storage type {image_format}",
            domain=ErrorDomain.QEMU,
        )
    return chain[0]


def note(running: RunningGuest, model: Checkpoint) -> None:
    """Notes in the record what is about to be made.

    Raises:
        SystemFailure: The record cannot be written.
    """
    running.record.runtime[NOTE] = {"create": format_document(model, _STORED)}
    running.save()
    reached("checkpoint-noted")


def drop_note(running: RunningGuest) -> None:
    """What was noted has been done, or came to nothing."""
    if running.record.runtime.pop(NOTE, None) is not None:
        running.save()


async def keep(driver: QemuDriver, running: RunningGuest, model: Checkpoint) -> None:
    """Writes the file of a checkpoint whose bitmaps are there.

    Raises:
        SystemFailure: It cannot be written: the bitmaps are taken away again.
    """
    reached("checkpoint-made")
    guest = running.guest
    try:
        await files.write(driver, guest, model)
    except VirloomError:
        from virloom.drivers.qemu.checkpoints.delete import discard  # seldom needed

        await discard(driver, running, [model], all_there=False)
        raise
    if guest.known:
        known = files.checkpoints_of(driver, guest)
        known.replace(model)
        known.current = model.name
    else:  # a transient one that has ended meanwhile
        files.remove_all(driver, guest.name)
    running.require_current()
    reached("checkpoint-written")


async def create(driver: QemuDriver, guest: Guest, model: Checkpoint) -> None:
    """Makes a checkpoint of a running guest; a job that changes it is held.

    Raises:
        ConfigUnsupported: A disk cannot have one.
        OperationFailed: There is one of that name.
        InternalError: QEMU refuses; there is nothing of it.
    """
    running = guest.require_running(ErrorDomain.QEMU)
    actions = prepare(driver, running, model)
    note(running, model)
    try:
        await transaction(running, actions)
        await keep(driver, running, model)
    finally:
        if guest.running is running:
            drop_note(running)


async def redefine(driver: QemuDriver, guest: Guest, model: Checkpoint, *, validate: bool) -> None:
    """Takes a checkpoint as a client describes it, in the place of one of its name.

    Args:
        validate: Look whether the guest's disks have its bitmaps.

    Raises:
        InternalError: It does not say when it was.
        InvalidArg: It is another domain's, or has no place in the tree.
        CheckpointInconsistent: A bitmap is missing.
    """
    known = files.checkpoints_of(driver, guest)
    _check_place(driver, guest, model)
    former = known.get(model.name)
    if model.domain is not None:
        align_disks(model, model.domain)
    elif former is not None:
        model.domain = former.domain
    if validate:
        await _check_bitmaps(guest, model)
    await files.write(driver, guest, model)
    known.replace(model)
    if known.current in (None, parent_of(model)):
        known.current = model.name


def _check_place(driver: QemuDriver, guest: Guest, model: Checkpoint) -> None:
    if model.creation_time is None:
        raise InternalError("missing creationTime from existing checkpoint", domain=_DOMAIN)
    known, parent = files.checkpoints_of(driver, guest), parent_of(model)
    if parent is not None:
        where = f"moment {model.name}"
        if parent == model.name:
            raise InvalidArg(f"cannot set {where} as its own parent", domain=ErrorDomain.DOMAIN)
        if known.get(parent) is None:
            raise InvalidArg(f"parent {parent} for {where} not found", domain=ErrorDomain.DOMAIN)
        if any(one.name == parent for one in known.below(model.name, deep=True)):
            raise InvalidArg(
                f"parent {parent} would create cycle to {model.name}", domain=ErrorDomain.DOMAIN
            )
    if model.domain is not None and model.domain.uuid != guest.uuid_text:
        raise InvalidArg(
            f"definition for checkpoint {model.name} must use uuid {guest.uuid_text}",
            domain=_DOMAIN,
        )


async def _check_bitmaps(guest: Guest, model: Checkpoint) -> None:
    running = guest.require_running(ErrorDomain.QEMU)
    bitmaps = await query_bitmaps(running)
    for name, bitmap in covered(model).items():
        disk = disk_named(running.model, name)
        if disk is None or not is_sound(chain_of(running, disk), bitmaps, bitmap):
            raise inconsistent(bitmap, name)


def inconsistent(bitmap: str, disk: str) -> CheckpointInconsistent:
    """The error of a checkpoint of which a disk does not know any more."""
    return CheckpointInconsistent(
        f"missing or broken bitmap '{bitmap}' for disk '{disk}'", domain=ErrorDomain.QEMU
    )
