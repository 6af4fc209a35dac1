# SPDX-License-Identifier: Apache-2.0
"""A guest's way to another host."""

from __future__ import annotations

from virloom.cli.shell import lookup, migrating
from virloom.cli.shell.arguments import Arguments
from virloom.cli.shell.failure import CommandFailed
from virloom.cli.shell.registry import command
from virloom.cli.shell.session import Session
from virloom.cli.shell.sizes import shown_size
from virloom.enums.domain import DomainMigrateMaxSpeedFlags


@command("migrate")
async def migrate(session: Session, arguments: Arguments) -> None:
    """Move a guest to another host."""
    migrating.check(arguments)
    domain = await lookup.domain(session, arguments)
    await migrating.run(session, domain, arguments, migrating.patience(arguments))


@command("migrate-setmaxdowntime")
async def migrate_setmaxdowntime(session: Session, arguments: Arguments) -> None:
    """Set how long a guest may stand still on its way."""
    domain = await lookup.domain(session, arguments)
    downtime = arguments.ulonglong("downtime") or 0
    if downtime < 1:
        raise CommandFailed("migrate: Invalid downtime")
    await domain.migration.set_max_downtime(downtime)


@command("migrate-getmaxdowntime")
async def migrate_getmaxdowntime(session: Session, arguments: Arguments) -> None:
    """Print how many milliseconds a guest may stand still on its way."""
    domain = await lookup.domain(session, arguments)
    session.output.value("downtime", await domain.migration.max_downtime())


@command("migrate-compcache")
async def migrate_compcache(session: Session, arguments: Arguments) -> None:
    """Show or set how much memory the compression of repeated pages may use."""
    domain = await lookup.domain(session, arguments)
    size = arguments.ulonglong("size")
    if size is not None:
        await domain.migration.set_compression_cache(size)
    size = await domain.migration.compression_cache()
    session.output.raw(f"Compression cache: {shown_size(size, 3)}")


@command("migrate-setspeed")
async def migrate_setspeed(session: Session, arguments: Arguments) -> None:
    """Limit the traffic of a guest's migration, in MiB a second."""
    domain = await lookup.domain(session, arguments)
    bandwidth = arguments.wrapping("bandwidth")
    assert bandwidth is not None
    flags = arguments.flag("postcopy", DomainMigrateMaxSpeedFlags.POSTCOPY)
    await domain.migration.set_max_speed(bandwidth, flags)


@command("migrate-getspeed")
async def migrate_getspeed(session: Session, arguments: Arguments) -> None:
    """Print that limit."""
    domain = await lookup.domain(session, arguments)
    flags = arguments.flag("postcopy", DomainMigrateMaxSpeedFlags.POSTCOPY)
    session.output.value("bandwidth", await domain.migration.max_speed(flags))


@command("migrate-postcopy")
async def migrate_postcopy(session: Session, arguments: Arguments) -> None:
    """Let a guest run on the other host now; its memory follows."""
    domain = await lookup.domain(session, arguments)
    await domain.migration.start_post_copy()
