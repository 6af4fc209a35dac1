# SPDX-License-Identifier: Apache-2.0
"""The options of a migration, and its run."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from typing import NamedTuple
from urllib.parse import parse_qs, urlsplit

from virloom.cli.shell.arguments import Arguments
from virloom.cli.shell.documents import read_document
from virloom.cli.shell.failure import CommandFailed
from virloom.cli.shell.progress import with_progress
from virloom.cli.shell.session import Session
from virloom.client.connection import Connection, connect
from virloom.client.domain.domain import Domain
from virloom.client.domain.events import MigrationIterationEvent
from virloom.client.domain.migrating import OFFLINE, P2P, PARAMS
from virloom.client.params import ParamValue
from virloom.enums.domain import DomainMigrateFlags as Flags
from virloom.errors import ArgumentUnsupported, NoSupport, VirloomError

_FLAGS = {
    "live": Flags.LIVE,
    "p2p": Flags.PEER2PEER,
    "tunnelled": Flags.TUNNELLED,
    "persistent": Flags.PERSIST_DEST,
    "undefinesource": Flags.UNDEFINE_SOURCE,
    "suspend": Flags.PAUSED,
    "copy-storage-all": Flags.NON_SHARED_DISK,
    "copy-storage-inc": Flags.NON_SHARED_INC,
    "copy-storage-synchronous-writes": Flags.NON_SHARED_SYNCHRONOUS_WRITES,
    "change-protection": Flags.CHANGE_PROTECTION,
    "unsafe": Flags.UNSAFE,
    "compressed": Flags.COMPRESSED,
    "auto-converge": Flags.AUTO_CONVERGE,
    "rdma-pin-all": Flags.RDMA_PIN_ALL,
    "offline": Flags.OFFLINE,
    "abort-on-error": Flags.ABORT_ON_ERROR,
    "postcopy": Flags.POSTCOPY,
    "postcopy-resume": Flags.POSTCOPY_RESUME,
    "zerocopy": Flags.ZEROCOPY,
    "tls": Flags.TLS,
    "parallel": Flags.PARALLEL,
}

_TEXTS = {
    "migrateuri": "migrate_uri",
    "graphicsuri": "graphics_uri",
    "listen-address": "listen_address",
    "dname": "destination_name",
    "disks-uri": "disks_uri",
}
_LISTS = {"migrate-disks": "migrate_disks", "comp-methods": "compression"}
_FILES = {"xml": "destination_xml", "persistent-xml": "persistent_xml"}
_NUMBERS: dict[str, tuple[str, Callable[[Arguments, str], int | None]]] = {
    "disks-port": ("disks_port", Arguments.integer),
    "comp-mt-level": ("compression.mt.level", Arguments.integer),
    "comp-mt-threads": ("compression.mt.threads", Arguments.integer),
    "comp-mt-dthreads": ("compression.mt.dthreads", Arguments.integer),
    "comp-xbzrle-cache": ("compression.xbzrle.cache", Arguments.ulonglong),
    "auto-converge-initial": ("auto_converge.initial", Arguments.integer),
    "auto-converge-increment": ("auto_converge.increment", Arguments.integer),
    "postcopy-bandwidth": ("bandwidth.postcopy", Arguments.ulonglong),
    "parallel-connections": ("parallel.connections", Arguments.integer),
    "bandwidth": ("bandwidth", Arguments.ulonglong),
}
#: What hosts know that take no others.
_OLD = {"migrate_uri", "destination_name", "destination_xml", "bandwidth"}

Params = dict[str, ParamValue | Sequence[str]]


class Patience(NamedTuple):
    """What to do when it takes too long, or has gone round once."""

    seconds: int
    """0 for as long as it takes."""
    post_copy: bool
    """Whether the guest then goes over at once; else it is suspended."""
    after_first_pass: bool
    """Whether it goes over at once when all memory was sent once."""


def check(arguments: Arguments) -> None:
    """Raises CommandFailed for options that exclude or need each other."""
    arguments.exclusive("live", "offline")
    arguments.exclusive("timeout-suspend", "timeout-postcopy")
    for option in ("postcopy-after-precopy", "timeout-postcopy", "postcopy-resume"):
        arguments.requires(option, "postcopy")
    arguments.requires("persistent-xml", "persistent")
    arguments.requires("tls-destination", "tls")


def patience(arguments: Arguments) -> Patience:
    """The options ``--timeout``, ``--timeout-…`` and ``--postcopy-after-precopy``."""
    seconds = arguments.uint("timeout") or 0
    if seconds and "live" not in arguments:
        raise CommandFailed("migrate: Unexpected timeout for offline migration")
    if not seconds and ("timeout-suspend" in arguments or "timeout-postcopy" in arguments):
        raise CommandFailed("migrate: Unexpected --timeout-* option without --timeout")
    return Patience(seconds, "timeout-postcopy" in arguments, "postcopy-after-precopy" in arguments)


def params_of(session: Session, arguments: Arguments) -> Params:
    """The parameters of a migration by libvirt's names."""
    params: Params = {}
    for option, name in _TEXTS.items():
        text = arguments.get(option)
        if text is not None:
            params[name] = text
    port, read_port = _NUMBERS["disks-port"]
    _put(params, port, read_port(arguments, "disks-port"))
    for option, name in _LISTS.items():
        text = arguments.get(option)
        if text is not None:
            params[name] = text.split(",")
    for option, name in _FILES.items():
        path = arguments.get(option)
        if path is not None:
            params[name] = _document(session, path)
    for option, (name, read) in _NUMBERS.items():
        _put(params, name, read(arguments, option))
    destination = arguments.get("tls-destination")
    _put(params, "tls.destination", destination)
    return params


def _put(params: Params, name: str, value: ParamValue | None) -> None:
    if value is not None:
        params[name] = value


def _document(session: Session, path: str) -> str:
    try:
        return read_document(path)
    except CommandFailed:
        session.complain(f"cannot read file '{path}'")
        raise


async def run(session: Session, domain: Domain, arguments: Arguments, wait: Patience) -> None:
    """Moves *domain*.

    Raises:
        CommandFailed: The options do not fit each other, or the hosts.
        VirloomError: It did not work, and the guest goes on here.
    """
    uri = arguments.text("desturi")
    managed = "p2p" not in arguments and "direct" not in arguments
    async with contextlib.AsyncExitStack() as stack:
        other = await stack.enter_async_context(await connect(uri)) if managed else None
        params = params_of(session, arguments)
        flags = arguments.flags(_FLAGS)
        _check_flags(flags)
        if other is None:
            await _check_unmanaged(await session.connection(), uri, flags)
            work: Awaitable[object] = domain.migrate_to_uri(uri, params, flags)
        else:
            await _check_managed(await session.connection(), other, params, flags)
            work = domain.migrate(other, params, flags)
        await stack.enter_async_context(_hurried(session, domain, wait))
        await with_progress(session, arguments, domain, "Migration", _done(work))


async def _done(work: Awaitable[object]) -> None:
    await work


def _check_flags(flags: int) -> None:
    storage = Flags.NON_SHARED_DISK | Flags.NON_SHARED_INC
    if flags & Flags.NON_SHARED_SYNCHRONOUS_WRITES and not flags & storage:
        raise CommandFailed(
            "'--copy-storage-synchronous-writes' requires one of '--copy-storage-all',"
            " 'copy-storage-inc'"
        )
    if flags & storage == storage:
        raise CommandFailed(
            "Flags 'VIR_MIGRATE_NON_SHARED_DISK' and 'VIR_MIGRATE_NON_SHARED_INC' are mutually"
            " exclusive"
        )


async def _check_unmanaged(connection: Connection, uri: str, flags: int) -> None:
    if not flags & Flags.PEER2PEER or not await connection.supports_feature(P2P):
        return  # which the client refuses
    parts = urlsplit(uri)
    local = (parts.hostname or "localhost").startswith("localhost")
    if local and "socket" not in parse_qs(parts.query):
        raise CommandFailed("Attempt to migrate guest to the same host")


async def _check_managed(
    connection: Connection, other: Connection, params: Params, flags: int
) -> None:
    if flags & Flags.TUNNELLED:
        raise CommandFailed("cannot perform tunnelled migration without using peer2peer flag")
    if flags & Flags.OFFLINE and not await other.supports_feature(OFFLINE):
        raise ArgumentUnsupported("offline migration is not supported by the destination host")
    if await connection.supports_feature(PARAMS) and await other.supports_feature(PARAMS):
        return
    if set(params) - _OLD:
        raise ArgumentUnsupported(
            "Migration APIs with extensible parameters are not supported but extended parameters"
            " were passed"
        )
    raise NoSupport("virDomainMigrate3")


@contextlib.asynccontextmanager
async def _hurried(session: Session, domain: Domain, wait: Patience) -> AsyncIterator[None]:
    """While entered, the migration is helped to its end when it takes too long."""
    connection = await session.connection()
    tasks: list[asyncio.Task[None]] = []
    if wait.seconds:
        help_ = domain.migration.start_post_copy if wait.post_copy else domain.suspend
        tasks.append(asyncio.ensure_future(_after(wait.seconds, help_)))
    if wait.after_first_pass:
        tasks.append(asyncio.ensure_future(_after_first_pass(connection, domain)))
    try:
        yield
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def _after(seconds: int, call: Callable[[], Awaitable[None]]) -> None:
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(seconds):
            await asyncio.Event().wait()
    # It may have ended in this moment.
    with contextlib.suppress(VirloomError):
        await call()


async def _after_first_pass(connection: Connection, domain: Domain) -> None:
    with contextlib.suppress(VirloomError):
        async with connection.events(MigrationIterationEvent, domain=domain.ref) as events:
            async for event in events:
                if isinstance(event, MigrationIterationEvent) and event.iteration > 1:
                    await domain.migration.start_post_copy()
                    return
