# SPDX-License-Identifier: Apache-2.0
"""Which domain it is, and what its owner has written about it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from virloom.cli.shell import lookup
from virloom.cli.shell.arguments import Arguments
from virloom.cli.shell.editing import edited
from virloom.cli.shell.failure import CommandFailed, failing
from virloom.cli.shell.output import PlainOutput
from virloom.cli.shell.registry import command
from virloom.cli.shell.session import Session
from virloom.enums.domain import DomainMetadataType
from virloom.errors import NoDomainMetadata

if TYPE_CHECKING:
    from virloom.client.domain.domain import Domain


@command("domid")
async def domid(session: Session, arguments: Arguments) -> None:
    """Print the number of a running domain."""
    name = arguments.text("domain")
    domain = await lookup.domain_called(session, name, by_id=False)
    session.output.value("id", domain.id if domain.id >= 0 else "-")


@command("domname")
async def domname(session: Session, arguments: Arguments) -> None:
    """Print the name of the domain with this number or UUID."""
    name = arguments.text("domain")
    domain = await lookup.domain_called(session, name, by_name=False)
    session.output.value("name", domain.name)


@command("domuuid")
async def domuuid(session: Session, arguments: Arguments) -> None:
    """Print the UUID of the domain with this name or number."""
    domain = await lookup.domain(session, arguments)
    session.output.value("uuid", domain.uuid)


@command("domrename")
async def domrename(session: Session, arguments: Arguments) -> None:
    """Give a domain that does not run another name."""
    name = arguments.text("domain")
    domain = await lookup.domain_called(session, name, by_id=False)
    await domain.rename(arguments.text("new-name"))
    session.output.note("Domain successfully renamed")


@command("desc")
async def desc(session: Session, arguments: Arguments) -> None:
    """Print or change a domain's description or title."""
    impact = arguments.impact()
    domain = await lookup.domain(session, arguments)
    is_title = "title" in arguments
    kind = DomainMetadataType.TITLE if is_title else DomainMetadataType.DESCRIPTION
    what = "title" if is_title else "description"
    text = " ".join(arguments.words("new-desc")) if "new-desc" in arguments else None
    if text is None and "edit" not in arguments:
        found = await _text(domain, kind, impact)
        if found or not isinstance(session.output, PlainOutput):
            session.output.value(what, found)
        else:
            session.output.text(f"No {what} for domain: {domain.name}")
        session.without_blank_line = True
        return
    if "edit" in arguments:
        before = text if text is not None else await _text(domain, kind, impact)
        # A title is one line, and an editor ends each line.
        text = (await edited(before)).rstrip("\n")
        if text == before:
            session.output.note(f"Domain {what} not changed")
            return
    with failing("Failed to set new domain " + what):
        await domain.set_metadata(kind, text or None, flags=impact)
    session.output.note(f"Domain {what} updated successfully")
    session.without_blank_line = True


async def _text(domain: Domain, kind: DomainMetadataType, impact: int) -> str:
    try:
        return await domain.metadata(kind, flags=impact)
    except NoDomainMetadata:
        return ""


@command("metadata")
async def metadata(session: Session, arguments: Arguments) -> None:
    """Print or change the element of a namespace in a domain's metadata."""
    impact = arguments.impact()
    arguments.exclusive("edit", "set")
    arguments.exclusive("remove", "set")
    arguments.exclusive("remove", "edit")
    uri, key, new = arguments.text("uri"), arguments.get("key"), arguments.get("set")
    if key is None and ("set" in arguments or "edit" in arguments):
        raise CommandFailed("namespace key is required when modifying metadata")
    domain = await lookup.domain(session, arguments)
    kind = DomainMetadataType.ELEMENT
    if "remove" in arguments:
        await domain.set_metadata(kind, None, None, uri, impact)
        session.output.note("Metadata removed")
        return
    if "edit" in arguments:
        new = await _edited_element(domain, uri, impact)
        if new is None:
            session.output.note("Metadata not changed")
            return
    if new is None:
        session.output.text(await domain.metadata(kind, uri, impact))
        return
    await domain.set_metadata(kind, new, key, uri, impact)
    session.output.note("Metadata modified")


async def _edited_element(domain: Domain, uri: str, impact: int) -> str | None:
    try:
        before = await domain.metadata(DomainMetadataType.ELEMENT, uri, impact)
    except NoDomainMetadata:
        before = "\n"
    text = await edited(before)
    return None if text == before else text
