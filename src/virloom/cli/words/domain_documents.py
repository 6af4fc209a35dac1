# SPDX-License-Identifier: Apache-2.0
"""Domains as documents: printed, edited, translated."""

from __future__ import annotations

from virloom.cli.shell import lookup
from virloom.cli.shell.arguments import Arguments
from virloom.cli.shell.documents import print_document, read_document
from virloom.cli.shell.editing import Edited, edit
from virloom.cli.shell.failure import CommandFailed
from virloom.cli.shell.registry import command
from virloom.cli.shell.session import Session
from virloom.enums.domain import DomainDefineFlags, DomainXMLFlags

_FLAGS = {
    "inactive": DomainXMLFlags.INACTIVE,
    "security-info": DomainXMLFlags.SECURE,
    "update-cpu": DomainXMLFlags.UPDATE_CPU,
    "migratable": DomainXMLFlags.MIGRATABLE,
}


@command("dumpxml")
async def dumpxml(session: Session, arguments: Arguments) -> None:
    """Print a domain's document."""
    domain = await lookup.domain(session, arguments)
    print_document(session, arguments, await domain.xml_desc(arguments.flags(_FLAGS)))


@command("edit")
async def edit_(session: Session, arguments: Arguments) -> None:
    """Change a domain's document in an editor."""
    domain = await lookup.domain(session, arguments)
    connection = await session.connection()

    async def read() -> str:
        return await domain.xml_desc(DomainXMLFlags.INACTIVE | DomainXMLFlags.SECURE)

    async def save(document: str, validate: bool) -> str:
        flags = DomainDefineFlags.VALIDATE if validate else 0
        return (await connection.define_xml(document, flags)).name

    validates = "skip-validate" not in arguments
    await edit(session, Edited("Domain '{}'", domain.name, read, save, validates))


@command("domxml-from-native")
async def domxml_from_native(session: Session, arguments: Arguments) -> None:
    """Print the document of a guest that is given in a hypervisor's own form."""
    text = read_document(arguments.text("config"))
    connection = await session.connection()
    document = await connection.domain_xml_from_native(arguments.text("format"), text)
    session.output.raw(document)


@command("domxml-to-native")
async def domxml_to_native(session: Session, arguments: Arguments) -> None:
    """Print a domain, or a document's, in a hypervisor's own form."""
    arguments.exclusive("domain", "xml")
    path = arguments.get("xml")
    if path is not None:
        document = read_document(path)
    elif "domain" in arguments:
        domain = await lookup.domain(session, arguments)
        document = await domain.xml_desc()
    else:
        raise CommandFailed("need either domain or domain XML")
    connection = await session.connection()
    session.output.raw(await connection.domain_xml_to_native(arguments.text("format"), document))
