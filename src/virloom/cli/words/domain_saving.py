# SPDX-License-Identifier: Apache-2.0
"""A domain's memory in files: saved, restored, dumped."""

from __future__ import annotations

from collections.abc import Awaitable

from virloom.cli.shell import lookup
from virloom.cli.shell.arguments import Arguments
from virloom.cli.shell.documents import print_document, read_document
from virloom.cli.shell.editing import edited
from virloom.cli.shell.failure import CommandFailed, failing
from virloom.cli.shell.progress import with_progress
from virloom.cli.shell.registry import command
from virloom.cli.shell.session import Session
from virloom.enums import domain as e

_S = e.DomainSaveRestoreFlags
_SAVE = {"bypass-cache": _S.BYPASS_CACHE, "running": _S.RUNNING, "paused": _S.PAUSED}
_RESTORE = {**_SAVE, "reset-nvram": _S.RESET_NVRAM}
_IMAGE_SECURE = 1
_STATE = {"running": _S.RUNNING, "paused": _S.PAUSED}


@command("save")
async def save(session: Session, arguments: Arguments) -> None:
    """Save a running domain's memory to a file, and stop it."""
    domain, name = await lookup.domain_named(session, arguments)
    path, other = arguments.text("file"), arguments.get("xml")
    document = read_document(other) if other is not None else None
    with failing(f"Failed to save domain '{name}' to {path}"):
        work = domain.saving.save(path, document, arguments.flags(_SAVE))
        await with_progress(session, arguments, domain, "Save", work)
    session.output.note(f"\nDomain '{name}' saved to {path}")


@command("managedsave")
async def managedsave(session: Session, arguments: Arguments) -> None:
    """Save a running domain's memory where the host keeps it, and stop it."""
    domain, name = await lookup.domain_named(session, arguments)
    with failing(f"Failed to save domain '{name}' state"):
        work = domain.saving.managed_save(arguments.flags(_SAVE))
        await with_progress(session, arguments, domain, "Managedsave", work)
    session.output.note(f"\nDomain '{name}' state saved by libvirt")


@command("managedsave-remove")
async def managedsave_remove(session: Session, arguments: Arguments) -> None:
    """Forget the memory that the host keeps of a domain."""
    domain, name = await lookup.domain_named(session, arguments)
    with failing("Failed to check for domain managed save image"):
        kept = await domain.saving.has_managed_save()
    if not kept:
        session.output.note(f"Domain '{name}' has no manage save image; removal skipped")
        session.without_blank_line = True
        return
    with failing(f"Failed to remove managed save image for domain '{name}'"):
        await domain.saving.remove_managed_save()
    session.output.note(f"Removed managedsave image for domain '{name}'")


@command("managedsave-dumpxml")
async def managedsave_dumpxml(session: Session, arguments: Arguments) -> None:
    """Print the document in the memory that the host keeps of a domain."""
    domain = await lookup.domain(session, arguments)
    flags = arguments.flag("security-info", _IMAGE_SECURE)
    print_document(session, arguments, await domain.saving.managed_save_xml_desc(flags))


@command("managedsave-define")
async def managedsave_define(session: Session, arguments: Arguments) -> None:
    """Change the document in the memory that the host keeps of a domain."""
    arguments.exclusive("running", "paused")
    document = read_document(arguments.text("xml"))
    domain, name = await lookup.domain_named(session, arguments)
    with failing(f"Failed to update {name} XML configuration"):
        await domain.saving.managed_save_define_xml(document, arguments.flags(_STATE))
    session.output.note(f"Managed save state file of domain '{name}' updated.")


@command("managedsave-edit")
async def managedsave_edit(session: Session, arguments: Arguments) -> None:
    """Change that document in an editor."""
    arguments.exclusive("running", "paused")
    domain, name = await lookup.domain_named(session, arguments)
    before = await domain.saving.managed_save_xml_desc(_IMAGE_SECURE)
    after = await edited(before)
    title = f"Managed save image of domain '{name}' XML configuration"
    if after == before and not arguments.flags(_STATE):
        session.output.note(f"{title} not changed.")
        return
    with failing(f"Failed to update {name} XML configuration"):
        await domain.saving.managed_save_define_xml(after, arguments.flags(_STATE))
    session.output.note(f"{title} edited.")


@command("save-image-dumpxml")
async def save_image_dumpxml(session: Session, arguments: Arguments) -> None:
    """Print the document in a file with a domain's memory."""
    connection = await session.connection()
    flags = arguments.flag("security-info", _IMAGE_SECURE)
    document = await connection.save_image_xml_desc(arguments.text("file"), flags)
    print_document(session, arguments, document)


@command("save-image-define")
async def save_image_define(session: Session, arguments: Arguments) -> None:
    """Change the document in a file with a domain's memory."""
    arguments.exclusive("running", "paused")
    path = arguments.text("file")
    document = read_document(arguments.text("xml"))
    connection = await session.connection()
    with failing(f"Failed to update {path}"):
        await connection.save_image_define_xml(path, document, arguments.flags(_STATE))
    session.output.note(f"State file {path} updated.")


@command("save-image-edit")
async def save_image_edit(session: Session, arguments: Arguments) -> None:
    """Change that document in an editor."""
    arguments.exclusive("running", "paused")
    path = arguments.text("file")
    connection = await session.connection()
    before = await connection.save_image_xml_desc(path, _IMAGE_SECURE)
    after = await edited(before)
    if after == before and not arguments.flags(_STATE):
        session.output.note(f"Saved image {path} XML configuration not changed.")
        return
    with failing(f"Failed to update {path}"):
        await connection.save_image_define_xml(path, after, arguments.flags(_STATE))
    session.output.note(f"State file {path} edited.")


@command("restore")
async def restore(session: Session, arguments: Arguments) -> None:
    """Let a domain go on whose memory is in a file."""
    path, other = arguments.text("file"), arguments.get("xml")
    document = read_document(other) if other is not None else None
    connection = await session.connection()
    with failing(f"Failed to restore domain from {path}"):
        await connection.restore(path, document, arguments.flags(_RESTORE))
    session.output.note(f"Domain restored from {path}")


_D = e.DomainCoreDumpFlags
_DUMP = {
    "live": _D.LIVE,
    "crash": _D.CRASH,
    "bypass-cache": _D.BYPASS_CACHE,
    "reset": _D.RESET,
    "memory-only": _D.MEMORY_ONLY,
}
_FORMATS = {
    "kdump-zlib": e.DomainCoreDumpFormat.KDUMP_ZLIB,
    "kdump-lzo": e.DomainCoreDumpFormat.KDUMP_LZO,
    "kdump-snappy": e.DomainCoreDumpFormat.KDUMP_SNAPPY,
    "win-dmp": e.DomainCoreDumpFormat.WIN_DMP,
    "elf": e.DomainCoreDumpFormat.RAW,
}


@command("dump")
async def dump(session: Session, arguments: Arguments) -> None:
    """Write a domain's memory to a file, to be looked into."""
    domain, name = await lookup.domain_named(session, arguments)
    path, format = arguments.text("file"), arguments.get("format")
    if format is not None and "memory-only" not in arguments:
        raise CommandFailed("--format only works with --memory-only")
    if format is not None and format not in _FORMATS:
        known = ", ".join(f"'{one}'" for one in list(_FORMATS)[:-1])
        raise CommandFailed(f"format '{format}' is not supported, expecting {known} or 'elf'")
    number = None if format is None else _FORMATS[format]
    with failing(f"Failed to core dump domain '{name}' to {path}"):
        work: Awaitable[None] = domain.saving.core_dump(path, number, arguments.flags(_DUMP))
        await with_progress(session, arguments, domain, "Dump", work)
    session.output.note(f"\nDomain '{name}' dumped to {path}")
