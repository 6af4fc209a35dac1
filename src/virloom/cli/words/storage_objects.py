# SPDX-License-Identifier: Apache-2.0
"""Finds the pools and volumes that arguments name, as virsh does.

Where a function returns a word as well, it is the one that named the object.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from typing import TYPE_CHECKING, TypeVar

from virloom.cli.shell.arguments import Arguments
from virloom.cli.shell.failure import CommandFailed
from virloom.cli.shell.lookup import as_uuid
from virloom.cli.shell.session import Session
from virloom.errors import VirloomError

if TYPE_CHECKING:
    from virloom.client.storage.pool import StoragePool
    from virloom.client.storage.volume import Volume

T = TypeVar("T")


async def pool(session: Session, arguments: Arguments) -> tuple[StoragePool, str]:
    """The pool that the option ``pool`` names.

    Raises:
        CommandFailed: There is none.
    """
    word = arguments.text("pool")
    return await pool_called(session, word), word


async def pool_called(
    session: Session, name: str, *, by_uuid: bool = True, by_name: bool = True
) -> StoragePool:
    """The pool with this UUID or name."""
    pools = (await session.connection()).storage_pools
    ways: list[Callable[[], Awaitable[StoragePool]]] = []
    uuid = as_uuid(name) if by_uuid else None
    if uuid is not None:
        ways.append(lambda: pools.lookup_by_uuid(uuid))
    if by_name:
        ways.append(lambda: pools.lookup_by_name(name))
    return await _first_of(ways, f"failed to get pool '{name}'")


async def volume(
    session: Session, arguments: Arguments, pool_option: str = "pool"
) -> tuple[Volume, str]:
    """The volume that the option ``vol`` names, in the pool of *pool_option* where that was given.

    Raises:
        CommandFailed: There is none, or it is in another pool.
    """
    word = arguments.text("vol")
    pool_word = arguments.get(pool_option)
    if pool_word is None:
        hint = f", specifying --{pool_option} might help"
        return await volume_anywhere(session, word, hint), word
    home = await pool_called(session, pool_word)
    if not await home.is_active():
        raise CommandFailed(f"pool '{pool_word}' is not active")
    found = await volume_in(session, home, word)
    if found.pool_name != home.name:
        raise CommandFailed(f"Requested volume '{word}' is not in pool '{pool_word}'")
    return found, word


async def volume_anywhere(session: Session, name: str, hint: str = "") -> Volume:
    """The volume with this key or path; *hint* ends the complaint."""
    volumes = (await session.connection()).storage_volumes
    ways = [lambda: volumes.lookup_by_key(name), lambda: volumes.lookup_by_path(name)]
    return await _first_of(ways, f"failed to get vol '{name}'{hint}")


async def volume_in(session: Session, home: StoragePool, name: str) -> Volume:
    """The volume of that name in a pool, or with this key or path in any."""
    try:
        return await home.lookup_volume(name)
    except VirloomError:
        return await volume_anywhere(session, name)


async def _first_of(ways: Sequence[Callable[[], Awaitable[T]]], message: str) -> T:
    failure: VirloomError | None = None
    for way in ways:
        try:
            return await way()
        except VirloomError as error:
            failure = error
    raise CommandFailed(message) from failure
