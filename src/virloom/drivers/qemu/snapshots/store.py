# SPDX-License-Identifier: Apache-2.0
"""The files in which the driver keeps what it knows of snapshots, in libvirt's places and form.

``snapshot/DOMAIN/NAME.xml`` is the document with secrets, and ``<active>`` tells the current one.
They are read when somebody first asks for the snapshots of a domain.
"""

from __future__ import annotations

import asyncio
import logging
import os
import shutil
from pathlib import Path
from typing import TYPE_CHECKING

from virloom.drivers.runtime.moments import Moments, parent_of
from virloom.enums.error import ErrorDomain
from virloom.errors import VirloomError, XmlDetail, system_failure
from virloom.host.files import ensure_directory, sync_directory, write_atomic
from virloom.model.snapshot import Snapshot
from virloom.xml import FormatFlags, format_document, parse_document

if TYPE_CHECKING:
    from virloom.drivers.qemu.domain import Guest
    from virloom.drivers.qemu.driver import QemuDriver

logger = logging.getLogger(__name__)

_HEADER = """\
<!--
This file belongs to Virloom. Edits made while it runs are lost:
use `virloom snapshot-edit` or the API.
-->

"""
_SUFFIX = ".xml"


def check_snapshot_name(name: str) -> None:
    """Refuses names that cannot be a file's.

    Raises:
        XmlDetail: The name has a slash or begins with a dot.
    """
    if "/" in name or name.startswith("."):
        raise XmlDetail(
            f"invalid snapshot name '{name}': it must not have '/' nor begin with '.'",
            domain=ErrorDomain.QEMU,
        )


def directory_of(driver: QemuDriver, name: str) -> Path:
    """Where the documents of a domain's snapshots are."""
    return driver.directories.snapshots / name


def has_snapshots(driver: QemuDriver, guest: Guest) -> bool:
    """Whether a domain has any, without reading them."""
    if guest.snapshots is not None:
        return len(guest.snapshots) > 0
    try:
        return any(
            entry.endswith(_SUFFIX) for entry in os.listdir(directory_of(driver, guest.name))
        )
    except OSError:
        return False


def snapshots_of(driver: QemuDriver, guest: Guest) -> Moments[Snapshot]:
    """The snapshots of a domain."""
    if guest.snapshots is None:
        guest.snapshots = _load(directory_of(driver, guest.name), guest.uuid_text)
    return guest.snapshots


def _load(directory: Path, uuid: str) -> Moments[Snapshot]:
    moments: Moments[Snapshot] = Moments()
    actives = []
    try:
        entries = sorted(entry for entry in os.listdir(directory) if entry.endswith(_SUFFIX))
    except FileNotFoundError:
        return moments
    except OSError as exc:
        logger.error("cannot read '%s': %s", directory, exc)
        return moments
    for entry in entries:
        snapshot = _read(directory / entry)
        if snapshot is not None and snapshot.domain is not None and snapshot.domain.uuid != uuid:
            logger.error("'%s/%s' is left out: it is another domain's", directory, entry)
        elif snapshot is not None:
            if snapshot.active:
                actives.append(snapshot)
            snapshot.active = None
            moments.replace(snapshot)
    moments.current = _current(actives)
    _mend(moments)
    return moments


def _read(path: Path) -> Snapshot | None:
    """The snapshot of a file; a file that is none is logged and left alone."""
    try:
        snapshot = parse_document(Snapshot, path.read_text())
    except (OSError, UnicodeDecodeError, VirloomError) as exc:
        logger.error("'%s' is left out: %s", path, exc)
        return None
    if snapshot.name != path.name.removesuffix(_SUFFIX):
        logger.error("'%s' is left out: its name is '%s'", path, snapshot.name)
        return None
    return snapshot


def _current(actives: list[Snapshot]) -> str | None:
    """The current one; a kill after a new one was written leaves the one before as well."""
    newest = max(actives, key=lambda one: one.creation_time or 0, default=None)
    parents = {parent_of(one) for one in actives}
    last = next((one for one in actives if one.name not in parents), newest)
    return last.name if last is not None else None


def _mend(moments: Moments[Snapshot]) -> None:
    """A snapshot whose parent is not there, or is below it, becomes a first one."""
    for snapshot in moments:
        seen = {snapshot.name}
        parent = moments.get(parent_of(snapshot))
        while parent is not None and parent.name not in seen:
            seen.add(parent.name)
            parent = moments.get(parent_of(parent))
        if parent is not None or moments.get(parent_of(snapshot)) is None:
            snapshot.parent = None


async def write(driver: QemuDriver, guest: Guest, snapshot: Snapshot) -> None:
    """Writes the document of a snapshot, whole or not at all.

    Those of a transient domain do not outlive a loss of power, as it does not.

    Raises:
        SystemFailure: The disk is full, say.
    """
    directory = directory_of(driver, guest.name)
    ensure_directory(directory)
    current = snapshots_of(driver, guest).current == snapshot.name
    shown = snapshot.beside(active=int(current))
    text = format_document(shown, FormatFlags.SECURE | FormatFlags.INACTIVE)
    path, data = directory / f"{snapshot.name}{_SUFFIX}", (_HEADER + text).encode()
    if guest.persistent:
        await asyncio.to_thread(write_atomic, path, data)
    else:
        write_atomic(path, data, durable=False)


async def write_tree(driver: QemuDriver, guest: Guest, *names: str | None) -> None:
    """Writes those of the snapshots named that there are, in that order.

    Raises:
        SystemFailure: The disk is full, say.
    """
    moments = snapshots_of(driver, guest)
    for name in dict.fromkeys(names):
        snapshot = moments.get(name)
        if snapshot is not None:
            await write(driver, guest, snapshot)


async def add(driver: QemuDriver, guest: Guest, snapshot: Snapshot) -> None:
    """Adds a new snapshot after the current one, and makes it the current one.

    Raises:
        OperationFailed: There is one of its name.
        SystemFailure: It cannot be written, and is not there.
    """
    moments = snapshots_of(driver, guest)
    before = moments.current
    moments.add(snapshot)
    try:
        await write(driver, guest, snapshot)
        if before is not None:
            _no_longer_current(directory_of(driver, guest.name) / f"{before}{_SUFFIX}")
    except VirloomError:
        moments.remove(snapshot)
        _unlink(driver, guest, snapshot.name)
        raise


def _no_longer_current(path: Path) -> None:
    """Changes the mark in the file of the snapshot that was the current one.

    Of two that say that they are, the later one is: this need not survive loss of power.
    """
    try:
        text = path.read_text()
    except OSError as exc:
        logger.error("cannot read '%s': %s", path, exc)
        return
    head, mark, end = text.rpartition("<active>1</active>")
    if mark:
        write_atomic(path, f"{head}<active>0</active>{end}".encode(), durable=False)


async def set_current(driver: QemuDriver, guest: Guest, name: str | None) -> None:
    """Makes another snapshot the current one.

    Raises:
        SystemFailure: It cannot be written.
    """
    moments = snapshots_of(driver, guest)
    before, moments.current = moments.current, name
    if before != name:
        await write_tree(driver, guest, before, name)


async def remove(
    driver: QemuDriver,
    guest: Guest,
    snapshot: Snapshot,
    *,
    children: bool = False,
    itself: bool = True,
) -> None:
    """Forgets a snapshot, those below it, or both; what is left moves up.

    The parents of those that are left are written first, so that a kill leaves no orphan.

    Raises:
        SystemFailure: A file cannot be written or removed.
    """
    moments = snapshots_of(driver, guest)
    names = {one.name for one in moments}
    before = {one.name: (parent_of(one), one.name == moments.current) for one in moments}
    moments.remove(snapshot, children=children, itself=itself)
    left = {one.name: (parent_of(one), one.name == moments.current) for one in moments}
    await write_tree(driver, guest, *(name for name in left if left[name] != before[name]))
    for name in names - left.keys():
        _unlink(driver, guest, name)


def _unlink(driver: QemuDriver, guest: Guest, name: str | None) -> None:
    directory = directory_of(driver, guest.name)
    try:
        (directory / f"{name}{_SUFFIX}").unlink(missing_ok=True)
        if directory.exists():
            sync_directory(os.fspath(directory))
    except OSError as exc:
        raise system_failure(f"cannot remove the snapshot '{name}'", exc) from exc


def forget_all(driver: QemuDriver, guest: Guest) -> None:
    """Removes the documents of all snapshots of a domain that goes.

    Raises:
        SystemFailure: One cannot be removed.
    """
    guest.snapshots = Moments()
    directory = directory_of(driver, guest.name)
    try:
        if directory.exists():
            shutil.rmtree(directory)
    except OSError as exc:
        raise system_failure(f"cannot remove '{directory}'", exc) from exc


def copy_all(driver: QemuDriver, old: str, new: str) -> None:
    """Puts the documents also where those of a domain's new name are, before it gets it.

    Raises:
        SystemFailure: They cannot be copied.
    """
    former, place = directory_of(driver, old), directory_of(driver, new)
    try:
        if place.exists():  # of a domain that is no more
            shutil.rmtree(place)
        if former.exists():
            shutil.copytree(former, place)
    except OSError as exc:
        raise system_failure(f"cannot copy '{former}'", exc) from exc


def remove_former(driver: QemuDriver, old: str) -> None:
    """Removes the documents from where those of a domain's former name were."""
    shutil.rmtree(directory_of(driver, old), ignore_errors=True)
