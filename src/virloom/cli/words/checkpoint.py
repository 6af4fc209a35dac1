# SPDX-License-Identifier: Apache-2.0
"""Checkpoints: made, listed, described, changed, deleted."""

from __future__ import annotations

from virloom.cli.shell import lookup
from virloom.cli.shell.arguments import Arguments
from virloom.cli.shell.documents import print_document, read_document
from virloom.cli.shell.editing import Edited
from virloom.cli.shell.failure import CommandFailed, failing
from virloom.cli.shell.registry import command
from virloom.cli.shell.session import Session
from virloom.cli.words import moments
from virloom.client.domain.checkpoints import Checkpoint
from virloom.client.domain.domain import Domain
from virloom.enums.checkpoint import DomainCheckpointCreateFlags as Create
from virloom.enums.checkpoint import DomainCheckpointDeleteFlags as Delete
from virloom.enums.checkpoint import DomainCheckpointListFlags as Wanted
from virloom.enums.checkpoint import DomainCheckpointXMLFlags as Shown
from virloom.errors import NoDomainCheckpoint
from virloom.xml.escape import escape

_CREATING = {
    "redefine": Create.REDEFINE,
    "redefine-validate": Create.REDEFINE_VALIDATE,
    "quiesce": Create.QUIESCE,
}
_DELETING = {
    "children": Delete.CHILDREN,
    "children-only": Delete.CHILDREN_ONLY,
    "metadata": Delete.METADATA_ONLY,
}
_SHOWING = {"security-info": Shown.SECURE, "no-domain": Shown.NO_DOMAIN, "size": Shown.SIZE}
_LISTER = moments.Lister(
    {"leaves": Wanted.LEAVES, "no-leaves": Wanted.NO_LEAVES},
    Wanted.ROOTS,
    Wanted.TOPOLOGICAL,
    {"Creation Time": lambda facts: facts.created},
)


async def checkpoint(session: Session, arguments: Arguments) -> tuple[Domain, Checkpoint]:
    """The checkpoint of a domain that ``--checkpointname`` names.

    Raises:
        CommandFailed: It was not given.
        VirloomError: There is none.
    """
    domain = await lookup.domain(session, arguments)
    name = arguments.get("checkpointname")
    if name is None:
        raise CommandFailed("--checkpointname is required")
    return domain, await domain.checkpoints.lookup(name)


@command("checkpoint-create")
async def create(session: Session, arguments: Arguments) -> None:
    """Make a checkpoint of a domain, by a document in a file where one is given."""
    arguments.requires("redefine-validate", "redefine")
    domain = await lookup.domain(session, arguments)
    path = arguments.get("xmlfile")
    document = "<domaincheckpoint/>" if path is None else read_document(path)
    made = await domain.checkpoints.create(document, arguments.flags(_CREATING))
    where = "" if path is None else f" from '{path}'"
    session.output.note(f"Domain checkpoint {made.name} created{where}", end="")


@command("checkpoint-create-as")
async def create_as(session: Session, arguments: Arguments) -> None:
    """Make a checkpoint of a domain by what the options say."""
    domain = await lookup.domain(session, arguments)
    disks = moments.disks_of(arguments, _disk)
    document = moments.document_of("domaincheckpoint", arguments, disks)
    if "print-xml" in arguments:
        session.output.text(document)
        return
    made = await domain.checkpoints.create(document, arguments.flags(_CREATING))
    session.output.note(f"Domain checkpoint {made.name} created", end="")


def _disk(spec: str) -> list[str]:
    name, *parts = moments.parts_of(spec)
    options = moments.options_of(parts, ("checkpoint", "bitmap"))
    if options is None:
        raise CommandFailed(f"unable to parse diskspec: {spec}")
    head = "".join(
        f" {option}='{options[option]}'" for option in ("checkpoint", "bitmap") if option in options
    )
    return [f"    <disk name='{escape(name)}'{head}/>"]


@command("checkpoint-delete")
async def delete(session: Session, arguments: Arguments) -> None:
    """Delete a checkpoint, or with ``--children`` all below it too."""
    _, found = await checkpoint(session, arguments)
    with failing(f"Failed to delete checkpoint {found.name}"):
        await found.delete(arguments.flags(_DELETING))
    what = " children" if "children-only" in arguments else ""
    session.output.note(f"Domain checkpoint {found.name}{what} deleted")


@command("checkpoint-dumpxml")
async def dumpxml(session: Session, arguments: Arguments) -> None:
    """Print the document of a checkpoint."""
    _, found = await checkpoint(session, arguments)
    print_document(session, arguments, await found.xml_desc(arguments.flags(_SHOWING)))


@command("checkpoint-edit")
async def edit(session: Session, arguments: Arguments) -> None:
    """Change the document of a checkpoint in an editor."""
    domain, found = await checkpoint(session, arguments)

    async def read() -> str:
        return await found.xml_desc(Shown.SECURE)

    async def save(document: str, validate: bool) -> str:
        name = moments.name_in(document)
        if name != found.name:
            raise CommandFailed(f"Cannot rename checkpoint {found.name} to {name}")
        return (await domain.checkpoints.create(document, Create.REDEFINE)).name

    what = Edited(
        "Checkpoint {}", found.name, read, save, said=lambda name: f"Checkpoint {name} edited."
    )
    await moments.edit_moment(session, what)


@command("checkpoint-list")
async def list_(session: Session, arguments: Arguments) -> None:
    """List the checkpoints of a domain, or those below one."""
    moments.check_list_options(arguments, _LISTER.filters)
    if "descendants" in arguments and "from" not in arguments:
        raise CommandFailed("--descendants requires --from")
    domain = await lookup.domain(session, arguments)
    name = arguments.get("from")
    start = None if name is None else await domain.checkpoints.lookup(name)
    if start is None:
        found = await domain.checkpoints.list(moments.list_flags(arguments, _LISTER))
    else:
        found = await moments.moments_from(start, arguments, _LISTER)
    await moments.print_list(session, arguments, _LISTER, found, start)


@command("checkpoint-info")
async def info(session: Session, arguments: Arguments) -> None:
    """Print what there is to know of a checkpoint."""
    domain, found = await checkpoint(session, arguments)
    session.output.fields([("Name:", found.name), ("Domain:", domain.name)])
    facts = moments.facts_of(await found.xml_desc(Shown.NO_DOMAIN))
    session.output.fields([("Parent:", facts.parent or "-")])
    session.output.fields(await moments.counts_of(found, Wanted.DESCENDANTS))


@command("checkpoint-parent")
async def parent(session: Session, arguments: Arguments) -> None:
    """Print the name of the checkpoint before one."""
    _, found = await checkpoint(session, arguments)
    await moments.print_parent(session, found, "checkpoint", NoDomainCheckpoint)
