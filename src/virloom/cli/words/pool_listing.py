# SPDX-License-Identifier: Apache-2.0
"""Storage pools listed and described."""

from __future__ import annotations

from typing import TYPE_CHECKING

from virloom.cli.shell.arguments import Arguments
from virloom.cli.shell.failure import CommandFailed
from virloom.cli.shell.listing import autostart_of, listing, yes
from virloom.cli.shell.registry import command
from virloom.cli.shell.session import Session
from virloom.cli.shell.sizes import shown_size
from virloom.cli.words import storage_objects
from virloom.enums.storage import ConnectListAllStoragePoolsFlags as Wanted
from virloom.enums.storage import StoragePoolState

if TYPE_CHECKING:
    from virloom.client.storage.pool import StoragePool
    from virloom.client.storage.ref import PoolInfo

_PROPERTIES = {
    "autostart": Wanted.AUTOSTART,
    "no-autostart": Wanted.NO_AUTOSTART,
    "persistent": Wanted.PERSISTENT,
    "transient": Wanted.TRANSIENT,
}
#: What ``pool-list --type`` takes.
TYPES = frozenset(
    (
        "dir", "disk", "fs", "gluster", "iscsi", "iscsi-direct", "logical", "mpath", "netfs", "rbd",
        "scsi", "sheepdog", "vstorage", "zfs",
    )
)  # fmt: skip
_SIZED = (StoragePoolState.RUNNING, StoragePoolState.DEGRADED)


@command("pool-list")
async def list_(session: Session, arguments: Arguments) -> None:
    """List the pools: those that run, or those that the options choose."""
    flags = _wanted(arguments)
    connection = await session.connection()
    with listing("Failed to list pools"):
        pools = await connection.storage_pools.list(flags)
    pools.sort(key=lambda pool: pool.name.lower())
    if "uuid" in arguments or "name" in arguments:
        _print_plain(session, arguments, pools)
    elif "details" in arguments:
        rows = [await _details(pool) for pool in pools]
        titles = ["Name", "State", "Autostart", "Persistent", "Capacity", "Allocation", "Available"]
        session.output.table(titles, rows)
    else:
        rows = [await _summary(pool) for pool in pools]
        session.output.table(("Name", "State", "Autostart"), rows)


def _wanted(arguments: Arguments) -> int:
    arguments.exclusive("all", "inactive")
    for other in ("uuid", "name"):
        arguments.exclusive("details", other)
    flags = arguments.flags(_PROPERTIES)
    flags |= Wanted.INACTIVE if "inactive" in arguments else Wanted.ACTIVE
    flags |= arguments.flag("all", Wanted.INACTIVE)
    types = arguments.get("type")
    for type_ in [] if types is None else types.split(","):
        if type_ not in TYPES:
            raise CommandFailed(f"Invalid pool type '{type_}'")
        flags |= Wanted[type_.upper().replace("-", "_")]
    return flags


def _print_plain(session: Session, arguments: Arguments, pools: list[StoragePool]) -> None:
    layouts = {"uuid": "{}", "name": "{:<20}"}
    titles = [title for title in layouts if title in arguments]
    rows = [[str(getattr(pool, title)) for title in titles] for pool in pools]
    session.output.lines(titles, rows, " ".join(layouts[title] for title in titles))


async def _summary(pool: StoragePool) -> list[str]:
    state = "active" if await pool.is_active() else "inactive"
    return [pool.name, state, await autostart_of(pool)]


async def _details(pool: StoragePool) -> list[str]:
    info = await pool.info()
    sizes = [shown_size(size) for size in _sizes(info)] or ["-"] * 3
    persistent = yes(await pool.is_persistent())
    return [pool.name, _state(info), await autostart_of(pool), persistent, *sizes]


def _state(info: PoolInfo) -> str:
    return info.state.name.lower() if isinstance(info.state, StoragePoolState) else "-"


def _sizes(info: PoolInfo) -> list[int]:
    """Its capacity, what is used and what is left; none of a pool that does not run."""
    return [info.capacity, info.allocation, info.available] if info.state in _SIZED else []


@command("pool-info")
async def info(session: Session, arguments: Arguments) -> None:
    """Print the state and the sizes of a pool."""
    pool, _ = await storage_objects.pool(session, arguments)
    session.output.fields([("Name:", pool.name), ("UUID:", pool.uuid)])
    found = await pool.info()
    persistent = yes(await pool.is_persistent())
    session.output.fields([("State:", _state(found)), ("Persistent:", persistent)])
    session.output.fields([("Autostart:", await autostart_of(pool))])
    shown = str if "bytes" in arguments else shown_size
    titles = ("Capacity:", "Allocation:", "Available:")
    session.output.fields(
        (title, shown(size)) for title, size in zip(titles, _sizes(found), strict=False)
    )
