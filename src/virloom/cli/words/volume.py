# SPDX-License-Identifier: Apache-2.0
"""A volume's life: made, copied, resized, wiped, deleted."""

from __future__ import annotations

from virloom.cli.shell.arguments import Arguments
from virloom.cli.shell.documents import read_document
from virloom.cli.shell.failure import CommandFailed, failing
from virloom.cli.shell.registry import command
from virloom.cli.shell.session import Session
from virloom.cli.shell.sizes import NoSize, read_size
from virloom.cli.words import storage_objects
from virloom.enums import storage as e
from virloom.xml import parse_node

#: What ``vol-wipe --algorithm`` takes.
ALGORITHMS = {member.name.lower(): member for member in e.StorageVolWipeAlgorithm}
_CREATING = {
    "prealloc-metadata": e.StorageVolCreateFlags.PREALLOC_METADATA,
    "reflink": e.StorageVolCreateFlags.REFLINK,
    "validate": e.StorageVolCreateFlags.VALIDATE,
}
_RESIZING = {
    "allocate": e.StorageVolResizeFlags.ALLOCATE,
    "delta": e.StorageVolResizeFlags.DELTA,
    "shrink": e.StorageVolResizeFlags.SHRINK,
}


def _size(text: str) -> int:
    message = f"Malformed size {text}"
    try:
        with failing(message):
            return read_size(text)
    except NoSize:
        raise CommandFailed(message) from None


@command("vol-create")
async def create(session: Session, arguments: Arguments) -> None:
    """Make a volume by a document in a file."""
    pool, _ = await storage_objects.pool(session, arguments)
    path = arguments.text("file")
    document = read_document(path)
    with failing(f"Failed to create vol from {path}"):
        volume = await pool.create_volume(document, arguments.flags(_CREATING))
    session.output.note(f"Vol {volume.name} created from {path}")


@command("vol-create-from")
async def create_from(session: Session, arguments: Arguments) -> None:
    """Make a volume by a document in a file, with another volume's content."""
    pool, _ = await storage_objects.pool(session, arguments)
    path = arguments.text("file")
    source, _ = await storage_objects.volume(session, arguments, pool_option="inputpool")
    document = read_document(path)
    with failing(f"Failed to create vol from {path}"):
        volume = await pool.create_volume(document, arguments.flags(_CREATING), source=source.ref)
    session.output.note(f"Vol {volume.name} created from input vol {source.name}")


@command("vol-create-as")
async def create_as(session: Session, arguments: Arguments) -> None:
    """Make a volume by what the options say."""
    pool, _ = await storage_objects.pool(session, arguments)
    name = arguments.text("name")
    document = await _new_volume(session, arguments, name)
    if "print-xml" in arguments:
        session.output.document(document)
        return
    with failing(f"Failed to create vol {name}"):
        volume = await pool.create_volume(document, arguments.flags(_CREATING))
    session.output.note(f"Vol {volume.name} created")


async def _new_volume(session: Session, arguments: Arguments, name: str) -> str:
    """The document of a volume that options describe; values go in as they are typed."""
    lines = ["<volume>", f"  <name>{name}</name>"]
    lines.append(f"  <capacity>{_size(arguments.text('capacity'))}</capacity>")
    allocation = arguments.get("allocation", empty=True)
    if allocation:
        lines.append(f"  <allocation>{_size(allocation)}</allocation>")
    format_ = arguments.get("format")
    backing, backing_format = arguments.get("backing-vol"), arguments.get("backing-vol-format")
    if format_ is not None:
        lines += ["  <target>", f"    <format type='{format_}'/>", "  </target>"]
    if backing is not None:
        lines += await _backing_store(session, arguments, backing, backing_format)
    return "\n".join([*lines, "</volume>"])


async def _backing_store(
    session: Session, arguments: Arguments, backing: str, format_: str | None
) -> list[str]:
    pool, _ = await storage_objects.pool(session, arguments)
    volume = await storage_objects.volume_in(session, pool, backing)
    lines = [f"    <path>{await volume.path()}</path>"]
    if format_ is not None:
        lines.append(f"    <format type='{format_}'/>")
    return ["  <backingStore>", *lines, "  </backingStore>"]


@command("vol-clone")
async def clone(session: Session, arguments: Arguments) -> None:
    """Make a volume like another one, with its content, in the same pool."""
    original, _ = await storage_objects.volume(session, arguments)
    connection = await session.connection()
    pool = await connection.storage_pools.lookup_by_volume(original.ref)
    document = renamed(await original.xml_desc(), arguments.text("newname"))
    if "print-xml" in arguments:
        session.output.raw(document)
        return
    with failing(f"Failed to clone vol from {original.name}"):
        copy = await pool.create_volume(document, arguments.flags(_CREATING), source=original.ref)
    session.output.note(f"Vol {copy.name} cloned from {original.name}")


def renamed(document: str, name: str) -> str:
    """A document with another name in its first ``<name>``, laid out as libxml2 does."""
    tree = parse_node(document)
    for child in tree.elements():
        if child.tag == "name":
            child.children = [name]
            break
    return tree.dump()


@command("vol-delete")
async def delete(session: Session, arguments: Arguments) -> None:
    """Delete a volume, content and all."""
    volume, word = await storage_objects.volume(session, arguments)
    flags = arguments.flag("delete-snapshots", e.StorageVolDeleteFlags.WITH_SNAPSHOTS)
    with failing(f"Failed to delete vol {word}"):
        await volume.delete(flags)
    session.output.note(f"Vol {word} deleted")


@command("vol-wipe")
async def wipe(session: Session, arguments: Arguments) -> None:
    """Make a volume's content unreadable."""
    volume, word = await storage_objects.volume(session, arguments)
    name = arguments.text("algorithm", "zero")
    if name not in ALGORITHMS:
        raise CommandFailed(f"Unsupported algorithm '{name}'")
    with failing(f"Failed to wipe vol {word}"):
        await volume.wipe(ALGORITHMS[name])
    session.output.note(f"Vol {word} wiped")


@command("vol-resize")
async def resize(session: Session, arguments: Arguments) -> None:
    """Give a volume another size, or with ``--delta`` or a size below zero so much more or less."""
    volume, _ = await storage_objects.volume(session, arguments)
    text = arguments.text("capacity").lstrip()
    flags = arguments.flags(_RESIZING)
    if text.startswith("-"):
        # Only a size to add can be below zero.
        text = text[1:]
        flags |= e.StorageVolResizeFlags.DELTA
        if not flags & e.StorageVolResizeFlags.SHRINK:
            raise CommandFailed("negative size requires --shrink")
    size = _size(text)
    how = "by" if flags & e.StorageVolResizeFlags.DELTA else "to"
    with failing(f"Failed to change size of volume '{volume.name}' {how} {text}"):
        await volume.resize(size, flags)
    session.output.note(f"Size of volume '{volume.name}' successfully changed {how} {text}")
