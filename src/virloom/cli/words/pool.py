# SPDX-License-Identifier: Apache-2.0
"""A storage pool's life: defined, built, started, stopped, forgotten."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING

from virloom.cli.shell.arguments import Arguments
from virloom.cli.shell.deeds import Editor, Words, deed, editor, maker, printer
from virloom.cli.shell.documents import read_document
from virloom.cli.shell.failure import failing
from virloom.cli.shell.registry import command
from virloom.cli.shell.session import Session
from virloom.cli.words import storage_objects
from virloom.cli.words.pool_documents import pool_document, source_document
from virloom.enums import storage as e

if TYPE_CHECKING:
    from virloom.client.storage.pool import StoragePool
    from virloom.client.storage.pools import StoragePools

_BUILDING = {
    "no-overwrite": e.StoragePoolBuildFlags.NO_OVERWRITE,
    "overwrite": e.StoragePoolBuildFlags.OVERWRITE,
}
_CREATING = {
    "build": e.StoragePoolCreateFlags.WITH_BUILD,
    "no-overwrite": e.StoragePoolCreateFlags.WITH_BUILD_NO_OVERWRITE,
    "overwrite": e.StoragePoolCreateFlags.WITH_BUILD_OVERWRITE,
}


def _creation_flags(arguments: Arguments) -> int:
    arguments.exclusive("overwrite", "no-overwrite")
    return arguments.flags(_CREATING)


def _deed(
    name: str,
    call: Callable[[StoragePool, Arguments], Awaitable[None]],
    verb: str,
    done: str,
    help: str,
) -> None:
    words = Words(help, "Pool {} " + done, f"Failed to {verb} pool {{}}")
    deed(name, storage_objects.pool, call, words)


_deed(
    "pool-build",
    lambda pool, arguments: pool.build(arguments.flags(_BUILDING)),
    "build",
    "built",
    "Make what is underneath a pool: its directory, file system or volume group.",
)
_deed(
    "pool-delete",
    lambda pool, arguments: pool.delete(),
    "delete",
    "deleted",
    "Delete what is underneath a pool, its content included.",
)
_deed(
    "pool-destroy",
    lambda pool, arguments: pool.destroy(),
    "destroy",
    "destroyed",
    "Stop a pool; its volumes stay.",
)
_deed(
    "pool-refresh",
    lambda pool, arguments: pool.refresh(),
    "refresh",
    "refreshed",
    "Look anew which volumes a pool has.",
)
_deed(
    "pool-start",
    lambda pool, arguments: pool.create(_creation_flags(arguments)),
    "start",
    "started",
    "Start a defined pool.",
)
_deed(
    "pool-undefine",
    lambda pool, arguments: pool.undefine(),
    "undefine",
    "has been undefined",
    "Forget the configuration of a pool that is stopped.",
)
maker(
    "pool-define",
    lambda connection, text, flags: connection.storage_pools.define_xml(text, flags),
    lambda pool: pool.name,
    Words(
        "Define a pool by a document in a file, or change its definition, without starting it.",
        "Pool {0} defined from {1}",
        "Failed to define pool from {}",
    ),
)
printer(
    "pool-dumpxml",
    storage_objects.pool,
    lambda pool, arguments: pool.xml_desc(arguments.flag("inactive", e.StorageXMLFlags.INACTIVE)),
    "Print the document of a pool.",
)
editor(
    "pool-edit",
    storage_objects.pool,
    Editor(
        "Pool {}",
        e.StorageXMLFlags.INACTIVE,
        lambda connection, text, validate: connection.storage_pools.define_xml(text),
        falls_back=True,
    ),
    "Change the document of a pool in an editor.",
)


@command("pool-autostart")
async def autostart(session: Session, arguments: Arguments) -> None:
    """Start a pool with the host, or no longer."""
    pool, word = await storage_objects.pool(session, arguments)
    on = "disable" not in arguments
    action = "mark" if on else "unmark"
    with failing(f"failed to {action} pool {word} as autostarted"):
        await pool.set_autostart(on)
    session.output.note(f"Pool {word} {action}ed as autostarted")


@command("pool-create")
async def create(session: Session, arguments: Arguments) -> None:
    """Start a pool by a document in a file, without defining it."""
    path = arguments.text("file")
    flags = _creation_flags(arguments)
    document = read_document(path)
    connection = await session.connection()
    with failing(f"Failed to create pool from {path}"):
        pool = await connection.storage_pools.create_xml(document, flags)
    session.output.note(f"Pool {pool.name} created from {path}")


def _described(
    name: str,
    make: Callable[[StoragePools, str, Arguments], Awaitable[StoragePool]],
    verb: str,
    done: str,
    help: str,
) -> None:
    """A command that makes a pool by what the options say."""

    async def run(session: Session, arguments: Arguments) -> None:
        arguments.exclusive("overwrite", "no-overwrite")
        called, document = pool_document(arguments)
        if "print-xml" in arguments:
            session.output.document(document)
            return
        pools = (await session.connection()).storage_pools
        with failing(f"Failed to {verb} pool {called}"):
            pool = await make(pools, document, arguments)
        session.output.note(f"Pool {pool.name} {done}")

    run.__doc__ = help
    command(name)(run)


_described(
    "pool-create-as",
    lambda pools, document, arguments: pools.create_xml(document, _creation_flags(arguments)),
    "create",
    "created",
    "Start a pool by what the options say, without defining it.",
)
_described(
    "pool-define-as",
    lambda pools, document, arguments: pools.define_xml(document),
    "define",
    "defined",
    "Define a pool by what the options say.",
)


@command("pool-name")
async def name_(session: Session, arguments: Arguments) -> None:
    """Print the name of the pool with a UUID."""
    word = arguments.text("pool")
    pool = await storage_objects.pool_called(session, word, by_name=False)
    session.output.value("name", pool.name)


@command("pool-uuid")
async def uuid(session: Session, arguments: Arguments) -> None:
    """Print the UUID of the pool with a name."""
    word = arguments.text("pool")
    pool = await storage_objects.pool_called(session, word, by_uuid=False)
    session.output.value("uuid", pool.uuid)


@command("pool-capabilities")
async def capabilities(session: Session, arguments: Arguments) -> None:
    """Print which types of pools the host can have."""
    connection = await session.connection()
    with failing("failed to get storage pool capabilities"):
        text = await connection.storage_pools.capabilities()
    # An empty line follows, as in virsh.
    session.output.document(text + "\n")


@command("find-storage-pool-sources")
async def find_sources(session: Session, arguments: Arguments) -> None:
    """Print what pools of a type could be made of, as a document in a file says where."""
    path = arguments.get("srcSpec")
    type_ = arguments.text("type")
    await _find(session, type_, None if path is None else read_document(path))


@command("find-storage-pool-sources-as")
async def find_sources_as(session: Session, arguments: Arguments) -> None:
    """Print what pools of a type could be made of, as the options say where."""
    type_ = arguments.text("type")
    await _find(session, type_, source_document(arguments))


async def _find(session: Session, type_: str, document: str | None) -> None:
    connection = await session.connection()
    with failing(f"Failed to find any {type_} pool sources"):
        found = await connection.storage_pools.find_sources(type_, document)
    session.output.document(found)
