# SPDX-License-Identifier: Apache-2.0
"""Snapshots: made, gone back to, deleted, changed."""

from __future__ import annotations

from virloom.cli.shell import lookup
from virloom.cli.shell.arguments import Arguments
from virloom.cli.shell.documents import print_document, read_document
from virloom.cli.shell.failure import CommandFailed, failing
from virloom.cli.shell.registry import command
from virloom.cli.shell.session import Session
from virloom.cli.words.snapshot_documents import snapshot_document
from virloom.client.domain.domain import Domain
from virloom.client.domain.snapshots import Snapshot
from virloom.enums.snapshot import DomainSnapshotCreateFlags as Create
from virloom.enums.snapshot import DomainSnapshotDeleteFlags as Delete
from virloom.enums.snapshot import DomainSnapshotRevertFlags as Revert
from virloom.enums.snapshot import DomainSnapshotXMLFlags
from virloom.errors import SnapshotRevertRisky

_CREATING = {
    "redefine": Create.REDEFINE,
    "current": Create.CURRENT,
    "no-metadata": Create.NO_METADATA,
    "halt": Create.HALT,
    "disk-only": Create.DISK_ONLY,
    "reuse-external": Create.REUSE_EXT,
    "quiesce": Create.QUIESCE,
    "atomic": Create.ATOMIC,
    "live": Create.LIVE,
    "validate": Create.VALIDATE,
}
_DELETING = {
    "children": Delete.CHILDREN,
    "children-only": Delete.CHILDREN_ONLY,
    "metadata": Delete.METADATA_ONLY,
}
_REVERTING = {
    "running": Revert.RUNNING,
    "paused": Revert.PAUSED,
    "reset-nvram": Revert.RESET_NVRAM,
}


async def snapshot(session: Session, arguments: Arguments) -> tuple[Domain, Snapshot]:
    """The snapshot of a domain that ``--snapshotname`` or ``--current`` means.

    Raises:
        CommandFailed: Both were given, or neither.
        VirloomError: There is none.
    """
    domain = await lookup.domain(session, arguments)
    return domain, await snapshot_of(domain, arguments, "snapshotname")


async def snapshot_of(domain: Domain, arguments: Arguments, option: str) -> Snapshot:
    """The same, of a domain that was found, by the name that *option* gives."""
    name = arguments.get(option)
    if name is None and "current" not in arguments:
        raise CommandFailed(f"--{option} or --current is required")
    if name is None:
        return await domain.snapshots.current()
    if "current" in arguments:
        raise CommandFailed(f"--{option} and --current are mutually exclusive")
    return await domain.snapshots.lookup(name)


@command("snapshot-create")
async def create(session: Session, arguments: Arguments) -> None:
    """Make a snapshot of a domain, by a document in a file where one is given."""
    domain = await lookup.domain(session, arguments)
    path = arguments.get("xmlfile")
    document = "<domainsnapshot/>" if path is None else read_document(path)
    made = await domain.snapshots.create(document, arguments.flags(_CREATING))
    _say_created(session, made, "" if path is None else f" from '{path}'")


@command("snapshot-create-as")
async def create_as(session: Session, arguments: Arguments) -> None:
    """Make a snapshot of a domain by what the options say."""
    domain = await lookup.domain(session, arguments)
    document = snapshot_document(arguments)
    if "print-xml" in arguments:
        session.output.text(document)
        return
    _say_created(session, await domain.snapshots.create(document, arguments.flags(_CREATING)), "")


def _say_created(session: Session, made: Snapshot, where: str) -> None:
    session.output.note(f"Domain snapshot {made.name} created{where}", end="")


@command("snapshot-delete")
async def delete(session: Session, arguments: Arguments) -> None:
    """Delete a snapshot, or with ``--children`` all below it too."""
    _, found = await snapshot(session, arguments)
    with failing(f"Failed to delete snapshot {found.name}"):
        await found.delete(arguments.flags(_DELETING))
    what = " children" if "children-only" in arguments else ""
    session.output.note(f"Domain snapshot {found.name}{what} deleted")


@command("snapshot-revert")
async def revert(session: Session, arguments: Arguments) -> None:
    """Put a domain back into the state of a snapshot."""
    _, found = await snapshot(session, arguments)
    flags = arguments.flags(_REVERTING)
    with failing(f"Failed to revert snapshot {found.name}"):
        try:
            await found.revert(flags)
        except SnapshotRevertRisky:
            # What --force allows is tried only where it is needed: not every driver knows it.
            if "force" not in arguments:
                raise
            await found.revert(flags | Revert.FORCE)
    session.output.note(f"Domain snapshot {found.name} reverted")


@command("snapshot-dumpxml")
async def dumpxml(session: Session, arguments: Arguments) -> None:
    """Print the document of a snapshot."""
    domain = await lookup.domain(session, arguments)
    found = await domain.snapshots.lookup(arguments.text("snapshotname"))
    print_document(session, arguments, await found.xml_desc(_secure(arguments)))


def _secure(arguments: Arguments) -> int:
    return arguments.flag("security-info", DomainSnapshotXMLFlags.SECURE)


@command("snapshot-current")
async def current(session: Session, arguments: Arguments) -> None:
    """Print the snapshot that the next one will be made upon, or choose it."""
    arguments.exclusive("name", "snapshotname")
    domain, word = await lookup.domain_named(session, arguments)
    name = arguments.get("snapshotname")
    if name is not None:
        await _make_current(await domain.snapshots.lookup(name), domain)
        session.output.note(f"Snapshot {name} set as current", end="")
        return
    if not await domain.snapshots.has_current():
        raise CommandFailed(f"domain '{word}' has no current snapshot")
    found = await domain.snapshots.current()
    if "name" in arguments:
        session.output.value("name", found.name, end="")
    else:
        session.output.document(await found.xml_desc(_secure(arguments)))


async def _make_current(found: Snapshot, domain: Domain) -> None:
    document = await found.xml_desc(DomainSnapshotXMLFlags.SECURE)
    await domain.snapshots.create(document, Create.REDEFINE | Create.CURRENT)
