# SPDX-License-Identifier: Apache-2.0
"""A domain forgotten, with its disks where that is asked for."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from virloom.cli.shell import lookup
from virloom.cli.shell.arguments import Arguments
from virloom.cli.shell.failure import CommandFailed, failing
from virloom.cli.shell.nodes import attribute, first
from virloom.cli.shell.registry import command
from virloom.cli.shell.session import Session
from virloom.cli.words.domain_disks import disks_of, source_of
from virloom.enums.domain import DomainUndefineFlagsValues, DomainXMLFlags
from virloom.enums.storage import StorageVolDeleteFlags
from virloom.errors import VirloomError

if TYPE_CHECKING:
    from virloom.client.domain.domain import Domain
    from virloom.client.storage.volume import Volume

_F = DomainUndefineFlagsValues
_FLAGS = {
    "managed-save": _F.MANAGED_SAVE,
    "snapshots-metadata": _F.SNAPSHOTS_METADATA,
    "checkpoints-metadata": _F.CHECKPOINTS_METADATA,
    "nvram": _F.NVRAM,
    "keep-nvram": _F.KEEP_NVRAM,
    "tpm": _F.TPM,
    "keep-tpm": _F.KEEP_TPM,
}


class Doomed(NamedTuple):
    """A volume that goes with its domain."""

    target: str
    source: str
    volume: Volume


@command("undefine")
async def undefine(session: Session, arguments: Arguments) -> None:
    """Forget a domain."""
    _check(arguments)
    domain, name = await lookup.domain_named(session, arguments)
    doomed: list[Doomed] = []
    if "storage" in arguments or "remove-all-storage" in arguments:
        doomed = await _doomed(session, arguments, domain)
    with failing(f"Failed to undefine domain '{name}'"):
        await domain.undefine(arguments.flags(_FLAGS))
    session.output.note(f"Domain '{name}' has been undefined")
    failures = [await _remove(session, arguments, one) for one in doomed]
    if any(failures):
        raise CommandFailed("")


def _check(arguments: Arguments) -> None:
    arguments.requires("delete-storage-volume-snapshots", "remove-all-storage")
    arguments.exclusive("nvram", "keep-nvram")
    arguments.exclusive("tpm", "keep-tpm")
    with_storage = "storage" in arguments or "remove-all-storage" in arguments
    if "storage" in arguments and "remove-all-storage" in arguments:
        raise CommandFailed("Specified both --storage and --remove-all-storage")
    if "wipe-storage" in arguments and not with_storage:
        raise CommandFailed(
            "'--wipe-storage' requires '--storage <string>' or '--remove-all-storage'"
        )


async def _doomed(session: Session, arguments: Arguments, domain: Domain) -> list[Doomed]:
    if await domain.is_active():
        raise CommandFailed("Storage volume deletion is supported only on stopped domains")
    wanted = (arguments.get("storage") or "").split(",") if "storage" in arguments else None
    found: list[Doomed] = []
    for disk in await disks_of(domain, DomainXMLFlags.INACTIVE):
        target, source = attribute(disk, "target", "dev") or "", source_of(disk)
        if wanted is not None:
            if target not in wanted and source not in wanted:
                continue
            wanted = [name for name in wanted if name not in (target, source)]
        elif first(disk, "source") is None:
            continue
        volume = await _volume(session, attribute(disk, "source", "pool"), source)
        if volume is None:
            session.complain(
                f"Storage volume '{target}'({source}) is not managed by libvirt."
                " Remove it manually.\n"
            )
        else:
            found.append(Doomed(target, source, volume))
    if wanted:
        for name in wanted:
            session.complain(f"Volume '{name}' was not found in domain's definition.\n")
        raise CommandFailed("")
    return found


async def _volume(session: Session, pool: str | None, source: str) -> Volume | None:
    connection = await session.connection()
    try:
        if pool is not None:
            return await (await connection.storage_pools.lookup_by_name(pool)).lookup_volume(source)
        return await connection.storage_volumes.lookup_by_path(source)
    except VirloomError:
        return None


async def _remove(session: Session, arguments: Arguments, doomed: Doomed) -> bool:
    """Removes a volume; returns whether that failed, of which it complains."""
    shown = f"volume '{doomed.target}'({doomed.source})"
    flags = arguments.flag("delete-storage-volume-snapshots", StorageVolDeleteFlags.WITH_SNAPSHOTS)
    try:
        if "wipe-storage" in arguments:
            session.output.raw(f"Wiping {shown} ... ")
            await doomed.volume.wipe()
            session.output.text("Done.")
        await doomed.volume.delete(flags)
    except VirloomError as error:
        session.complain(f"Failed to remove storage {shown}")
        session.complain(error.message)
        return True
    session.output.text(f"Volume '{doomed.target}'({doomed.source}) removed.")
    return False
