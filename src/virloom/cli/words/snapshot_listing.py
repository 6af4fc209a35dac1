# SPDX-License-Identifier: Apache-2.0
"""Snapshots listed and described."""

from __future__ import annotations

from virloom.cli.shell import lookup
from virloom.cli.shell.arguments import Arguments
from virloom.cli.shell.failure import CommandFailed
from virloom.cli.shell.listing import yes
from virloom.cli.shell.registry import command
from virloom.cli.shell.session import Session
from virloom.cli.words import moments
from virloom.cli.words.snapshot import snapshot, snapshot_of
from virloom.enums.snapshot import DomainSnapshotListFlags as Wanted
from virloom.errors import NoDomainSnapshot

# In the order in which virsh complains of them beside --tree.
_CHOOSING = {
    "leaves": Wanted.LEAVES,
    "no-leaves": Wanted.NO_LEAVES,
    "inactive": Wanted.INACTIVE,
    "active": Wanted.ACTIVE,
    "disk-only": Wanted.DISK_ONLY,
    "internal": Wanted.INTERNAL,
    "external": Wanted.EXTERNAL,
}
_LISTER = moments.Lister(
    {**_CHOOSING, "metadata": Wanted.METADATA, "no-metadata": Wanted.NO_METADATA},
    Wanted.ROOTS,
    Wanted.TOPOLOGICAL,
    {"Creation Time": lambda facts: facts.created, "State": lambda facts: facts.state},
)


@command("snapshot-list")
async def list_(session: Session, arguments: Arguments) -> None:
    """List the snapshots of a domain, or those below one."""
    moments.check_list_options(arguments, _CHOOSING)
    below = "from" in arguments or "current" in arguments
    if "descendants" in arguments and not below:
        raise CommandFailed("--descendants requires either --from or --current")
    domain = await lookup.domain(session, arguments)
    start = await snapshot_of(domain, arguments, "from") if below else None
    if start is None:
        found = await domain.snapshots.list(moments.list_flags(arguments, _LISTER))
    else:
        found = await moments.moments_from(start, arguments, _LISTER)
    await moments.print_list(session, arguments, _LISTER, found, start)


@command("snapshot-info")
async def info(session: Session, arguments: Arguments) -> None:
    """Print what there is to know of a snapshot."""
    domain, found = await snapshot(session, arguments)
    session.output.fields([("Name:", found.name), ("Domain:", domain.name)])
    session.output.fields([("Current:", yes(await found.is_current()))])
    facts = moments.facts_of(await found.xml_desc())
    place = "external" if facts.is_external else "internal"
    session.output.fields([("State:", facts.state), ("Location:", place)])
    session.output.fields([("Parent:", facts.parent or "-")])
    session.output.fields(await moments.counts_of(found, Wanted.DESCENDANTS))
    session.output.fields([("Metadata:", yes(await found.has_metadata()))])


@command("snapshot-parent")
async def parent(session: Session, arguments: Arguments) -> None:
    """Print the name of the snapshot that one was made upon."""
    _, found = await snapshot(session, arguments)
    await moments.print_parent(session, found, "snapshot", NoDomainSnapshot)
