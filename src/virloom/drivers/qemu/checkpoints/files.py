# SPDX-License-Identifier: Apache-2.0
"""The checkpoints of a domain on disk, in libvirt's places: ``checkpoint/NAME/CHECKPOINT.xml``.

The bitmaps are in the images; the files say which there are, in which order, and for which disks.
"""

from __future__ import annotations

import asyncio
import logging
import shutil
from pathlib import Path
from typing import TYPE_CHECKING

from virloom.drivers.qemu.checkpoints.known import directory_of
from virloom.drivers.qemu.domain import Guest
from virloom.drivers.runtime.moments import Moments, parent_of
from virloom.enums.error import ErrorDomain
from virloom.errors import VirloomError, system_failure
from virloom.host.files import ensure_directory, write_atomic
from virloom.model.snapshot import Checkpoint, Parent
from virloom.xml import FormatFlags, format_document, parse_document

if TYPE_CHECKING:
    from virloom.drivers.qemu.driver import QemuDriver

logger = logging.getLogger(__name__)

_STORED = FormatFlags.SECURE | FormatFlags.INACTIVE


def checkpoints_of(driver: QemuDriver, guest: Guest) -> Moments[Checkpoint]:
    """The checkpoints of a domain; read when they are first asked for."""
    if guest.checkpoints is None:
        guest.checkpoints = _load(directory_of(driver, guest.name))
    return guest.checkpoints


def _load(directory: Path) -> Moments[Checkpoint]:
    found: Moments[Checkpoint] = Moments()
    try:
        entries = sorted(directory.glob("*.xml"))
    except OSError as exc:
        logger.error("cannot read '%s': %s", directory, exc)
        return found
    for path in entries:
        try:
            checkpoint = parse_document(Checkpoint, path.read_bytes().decode())
        except (OSError, UnicodeDecodeError, VirloomError) as exc:
            logger.error("checkpoint '%s' is left out: %s", path, exc)
            continue
        checkpoint.name = checkpoint.name or path.stem
        found.replace(checkpoint)
    _repair(found)
    found.current = newest_leaf(found)
    return found


def _repair(found: Moments[Checkpoint]) -> None:
    """A checkpoint whose parent is not there, or is among its own children, becomes a first one."""
    for checkpoint in found:
        parent = parent_of(checkpoint)
        if parent is not None and (found.get(parent) is None or is_cycle(found, checkpoint)):
            logger.error("checkpoint '%s' has no parent '%s'", checkpoint.name, parent)
            checkpoint.parent = None


def is_cycle(found: Moments[Checkpoint], checkpoint: Checkpoint) -> bool:
    """Whether a checkpoint comes before itself."""
    seen = {checkpoint.name}
    parent = parent_of(checkpoint)
    while parent is not None:
        if parent in seen:
            return True
        seen.add(parent)
        above = found.get(parent)
        parent = parent_of(above) if above is not None else None
    return False


def newest_leaf(found: Moments[Checkpoint]) -> str | None:
    """The checkpoint that the next one comes after, as far as files tell."""
    leaves = [one for one in found if not found.below(one.name, deep=False)]
    newest = max(leaves, key=lambda one: one.creation_time or 0, default=None)
    return newest.name if newest is not None else None


async def write(driver: QemuDriver, guest: Guest, checkpoint: Checkpoint) -> None:
    """Writes the file of a checkpoint.

    Raises:
        SystemFailure: It cannot be written; a former one is still there.
    """
    directory = directory_of(driver, guest.name)
    text = format_document(checkpoint, _STORED)

    def make() -> None:
        ensure_directory(directory, 0o755)
        write_atomic(directory / f"{checkpoint.name}.xml", text.encode())

    await asyncio.to_thread(make)


async def remove(driver: QemuDriver, guest: Guest, gone: list[Checkpoint]) -> None:
    """Forgets checkpoints and writes what that changes; those after them move up.

    Raises:
        SystemFailure: A file cannot be removed or written.
    """
    moments = checkpoints_of(driver, guest)
    names = {one.name for one in gone}
    parents = {one.name: parent_of(one) for one in gone}
    for one in list(moments):
        if one.name in names or parent_of(one) not in names:
            continue
        above = parent_of(one)
        while above in names:
            above = parents[above]
        changed = one.beside(parent=Parent(name=above) if above is not None else None)
        await write(driver, guest, changed)
        moments.replace(changed)
    while moments.current in names:
        moments.current = parents[moments.current]
    for one in gone:
        moments.remove(one)
        await asyncio.to_thread(_unlink, directory_of(driver, guest.name) / f"{one.name}.xml")


def _unlink(path: Path) -> None:
    try:
        path.unlink(missing_ok=True)
    except OSError as exc:
        raise system_failure(f"cannot remove '{path}'", exc, domain=ErrorDomain.QEMU) from exc


def remove_all(driver: QemuDriver, name: str) -> None:
    """Removes what is known of the checkpoints of the domain *name*."""
    shutil.rmtree(directory_of(driver, name), ignore_errors=True)


def copy(driver: QemuDriver, old: str, new: str) -> None:
    """What is known of the domain *old* is to be there for its next name.

    Raises:
        SystemFailure: It cannot be copied.
    """
    before, after = directory_of(driver, old), directory_of(driver, new)
    try:
        shutil.rmtree(after, ignore_errors=True)  # of a transient domain that had the name
        shutil.copytree(before, after)
    except (OSError, shutil.Error) as exc:
        remove_all(driver, new)
        error = exc if isinstance(exc, OSError) else OSError(str(exc))
        raise system_failure(f"cannot copy '{before}'", error, domain=ErrorDomain.QEMU) from exc
