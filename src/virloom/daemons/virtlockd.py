# SPDX-License-Identifier: Apache-2.0
"""``virtlockd``: leases on disks, so that no two guests write to one."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from pathlib import Path
from uuid import UUID
from weakref import WeakKeyDictionary

import virloom.daemon.plain_asyncio  # noqa: F401 # before anything that imports asyncio

# isort: split
from virloom.daemon.handover import Store
from virloom.daemon.lasting import LastingConfig, LastingService, take_directory
from virloom.daemon.places import Places
from virloom.daemon.program import run
from virloom.daemon.rights import FILES, Rights
from virloom.daemon.service import Service
from virloom.daemon.spec import DaemonSpec
from virloom.drivers.runtime import arguments
from virloom.endpoint.dispatch import Call, Dispatcher, serves
from virloom.endpoint.session import Session
from virloom.enums.error import ErrorDomain
from virloom.errors import (
    OperationDenied,
    OperationInvalid,
)
from virloom.host.lock import RootLock
from virloom.locking.leases import Key, Leases
from virloom.locking.owners import Owner
from virloom.procedures import lock as p

logger = logging.getLogger(__name__)

#: ``VIR_LOCK_SPACE_PROTOCOL_ACQUIRE_RESOURCE_SHARED`` and ``…_AUTOCREATE``.
_SHARED, _AUTOCREATE = 1, 2


class LockConfig(LastingConfig):
    """``virtlockd.conf``."""


class LockHandlers:
    """The procedures of the lock program.

    A client says first for whom it speaks. One that is the owner itself, as QEMU is that has its
    connection from libvirtd, gives up all leases with its connection.
    """

    def __init__(self, leases: Leases) -> None:
        self._leases = leases
        self._owners: WeakKeyDictionary[Session, Owner] = WeakKeyDictionary()
        self._restricted: WeakKeyDictionary[Session, bool] = WeakKeyDictionary()
        self.closing = False

    @serves(p.REGISTER)
    def register(self, call: Call, args: p.VirLockSpaceProtocolRegisterArgs) -> None:
        _check_flags(args.flags, 0, "Register")
        self._refuse_restricted(call)
        owner = args.owner
        known = Owner.registered(owner.pid, owner.name, str(UUID(bytes=owner.uuid)), owner.id)
        if call.session not in self._owners and call.session.identity.pid == owner.pid:
            call.session.on_close(lambda: self._gone(known))
        self._owners[call.session] = known

    async def _gone(self, owner: Owner) -> None:
        if owner.process is not None and not self.closing:
            count = await self._leases.release_all(owner.process)
            logger.info("'%s' hung up, and had %d leases", owner.name, count)

    @serves(p.RESTRICT)
    def restrict(self, call: Call, args: p.VirLockSpaceProtocolRestrictArgs) -> None:
        _check_flags(args.flags, 0, "Restrict")
        self._owner(call)
        self._restricted[call.session] = True

    @serves(p.NEW)
    def new(self, call: Call, args: p.VirLockSpaceProtocolNewArgs) -> None:
        _check_flags(args.flags, 0, "New")
        self._owner(call)
        self._leases.add_space(args.path)

    @serves(p.CREATE_LOCKSPACE)
    def create_lockspace(self, call: Call, args: p.VirLockSpaceProtocolCreateLockSpaceArgs) -> None:
        self._refuse_restricted(call)
        if args.path and args.path not in self._leases.spaces:
            self._leases.add_space(args.path)

    @serves(p.CREATE_RESOURCE)
    async def create(self, call: Call, args: p.VirLockSpaceProtocolCreateResourceArgs) -> None:
        _check_flags(args.flags, 0, "CreateResource")
        self._owner(call)
        await self._leases.create(Key(args.path, args.name))

    @serves(p.DELETE_RESOURCE)
    async def delete(self, call: Call, args: p.VirLockSpaceProtocolDeleteResourceArgs) -> None:
        _check_flags(args.flags, 0, "DeleteResource")
        self._owner(call)
        await self._leases.delete(Key(args.path, args.name))

    @serves(p.ACQUIRE_RESOURCE)
    async def acquire(self, call: Call, args: p.VirLockSpaceProtocolAcquireResourceArgs) -> None:
        _check_flags(args.flags, _SHARED | _AUTOCREATE, "AcquireResource")
        owner = self._owner(call)
        await self._leases.acquire(
            Key(args.path, args.name),
            owner,
            shared=bool(args.flags & _SHARED),
            create=bool(args.flags & _AUTOCREATE),
        )

    @serves(p.RELEASE_RESOURCE)
    async def release(self, call: Call, args: p.VirLockSpaceProtocolReleaseResourceArgs) -> None:
        _check_flags(args.flags, 0, "ReleaseResource")
        await self._leases.release(Key(args.path, args.name), self._owner(call).pid)

    def _refuse_restricted(self, call: Call) -> None:
        if call.session in self._restricted:
            raise OperationDenied(
                "lock manager connection has been restricted", domain=ErrorDomain.RPC
            )

    def _owner(self, call: Call) -> Owner:
        """Whom a client speaks for.

        Raises:
            OperationDenied: It may not do anything any more.
            OperationInvalid: It has not said so.
        """
        self._refuse_restricted(call)
        owner = self._owners.get(call.session)
        if owner is None:
            raise OperationInvalid(
                "lock owner details have not been registered", domain=ErrorDomain.RPC
            )
        return owner


def _check_flags(flags: int, known: int, function: str) -> None:
    arguments.check_flags(flags, known, f"virLockSpaceProtocolDispatch{function}", ErrorDomain.RPC)


class LockService(LastingService):
    """The leases of guests, served to root and to the daemon's own user."""

    programs = frozenset((p.PROGRAM,))

    def __init__(self, state: Path, lock: RootLock) -> None:
        self._lock = lock
        self._leases = Leases(state, Store())
        self._handlers = LockHandlers(self._leases)
        self._dispatcher = Dispatcher([self._handlers])

    @property
    def dispatcher(self) -> Dispatcher:
        return self._dispatcher

    def adopt(self, descriptors: Mapping[str, int]) -> None:
        self._leases.adopt(descriptors)

    def held(self) -> Mapping[str, int]:
        return self._leases.held()

    def ending(self) -> None:
        """Whom we send away gives up nothing."""
        self._handlers.closing = True

    def busy(self) -> bool:
        """Leases would be lost with the daemon."""
        return len(self._leases) > 0

    async def close(self) -> None:
        await self._leases.close()
        self._lock.release()


async def _open(places: Places) -> Service:
    directory, lock = take_directory(places, "virtlockd", ErrorDomain.LOCKING)
    return LockService(directory / "leases.json", lock)


SPEC = DaemonSpec(
    "virtlockd",
    "Virloom disk lease daemon",
    _open,
    config=LockConfig,
    reads=False,
    lasting=True,
    # A guest whose owner has gone without giving its leases back is ended.
    rights=Rights((*FILES, "KILL"), gains=False),
)


def main() -> int:
    """The program."""
    return run(SPEC)
