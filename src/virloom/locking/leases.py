# SPDX-License-Identifier: Apache-2.0
"""Which process has which lease, in which lock space, over the death of the daemon.

A lease is a lock on a file (:mod:`virloom.locking.file`). Who watches the daemon has copies of the
descriptors, so that the locks outlive it; the state file says what they are. Without anybody who
watches, the next process takes the locks again.
"""

from __future__ import annotations

import asyncio
import json
import logging
import os
import signal
from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

from virloom.enums.error import ErrorDomain
from virloom.errors import InternalError, ResourceBusy, VirloomError
from virloom.host.files import write_atomic
from virloom.host.keeper import Keeper
from virloom.host.pidfd import ProcessIdentity
from virloom.locking.file import LeaseFile, is_locked
from virloom.locking.owners import Owner, Watch
from virloom.locking.spaces import Spaces

logger = logging.getLogger(__name__)

#: Of the state file.
_VERSION = 1


class Key(NamedTuple):
    """A lease: the path of its lock space, empty for that of all files, and its name there."""

    space: str
    name: str


@dataclass
class _Lease:
    """One that somebody has.

    Attributes:
        label: The name of its descriptor where copies are kept.
        file: What is locked.
        owners: Whose it is; one that has taken a shared lease twice stands there twice.
    """

    label: str
    file: LeaseFile
    owners: list[Owner] = field(default_factory=list)


class Leases:
    """The leases of a host.

    Used on one event loop; files are opened and locked in threads, for they may be on a server
    that does not answer.

    Args:
        state: Says which descriptor is which lease.
        keeper: Has copies of the descriptors.
    """

    def __init__(self, state: Path, keeper: Keeper) -> None:
        self.spaces = Spaces()
        self._state = state
        self._keeper = keeper
        self._held: dict[Key, _Lease] = {}
        self._turns: dict[Key, asyncio.Lock] = {}
        self._watch = Watch(self._has_ended)
        self._tasks: set[asyncio.Task[None]] = set()

    def __len__(self) -> int:
        return len(self._held)

    # -- what is asked for ---------------------------------------------------------------------

    def add_space(self, path: str) -> None:
        """Makes a directory a lock space; it is made where it is not there.

        Raises:
            VirloomError: It is one already, or cannot be one.
        """
        self.spaces.add(path)
        self._save()

    async def acquire(self, key: Key, owner: Owner, *, shared: bool, create: bool) -> None:
        """Gives a lease to somebody.

        Args:
            shared: Others may have it too, if all of them share it.
            create: Its file is made where it is not there, and removed after the last one.

        Raises:
            ResourceBusy: Somebody has it.
            OperationInvalid: The owner has ended.
            VirloomError: There is no such lock space or file.
        """
        path = self.spaces.path_of(key.space, key.name)
        async with self._turn(key):
            lease = self._held.get(key)
            if lease is None:
                file = await asyncio.to_thread(
                    LeaseFile.take, path, key.name, shared=shared, create=create
                )
                await self._give(key, owner, file)
                return
            if not (shared and lease.file.shared):
                raise is_locked(key.name)
            self._watch.begin(owner)
            lease.owners.append(owner)
            self._save_or(lambda: lease.owners.remove(owner))

    async def _give(self, key: Key, owner: Owner, file: LeaseFile) -> None:
        lease = _Lease(f"lease-{os.urandom(6).hex()}", file, [owner])
        try:
            self._watch.begin(owner)
            self._held[key] = lease
            self._save_or(lambda: self._held.pop(key))
        except BaseException:
            await asyncio.to_thread(_let_go, file)
            raise
        self._keeper.keep(lease.label, file.fileno())

    async def release(self, key: Key, pid: int) -> None:
        """Takes a lease from somebody.

        Raises:
            ResourceBusy: Nobody has it (libvirt's code for it).
            InternalError: Others have it (likewise).
        """
        self.spaces.path_of(key.space, key.name)
        async with self._turn(key):
            lease = self._held.get(key)
            if lease is None:
                raise ResourceBusy(
                    f"Lockspace resource '{key.name}' is not locked", domain=ErrorDomain.LOCKSPACE
                )
            mine = next((owner for owner in lease.owners if owner.pid == pid), None)
            if mine is None:
                raise InternalError(
                    f"owner {pid} does not hold the resource lock", domain=ErrorDomain.LOCKSPACE
                )
            lease.owners.remove(mine)
            await self._settle(key)

    async def _settle(self, *keys: Key) -> None:
        """Gives up leases that nobody has any more; who is without one is not watched."""
        free = [self._held.pop(key) for key in keys if not self._held[key].owners]
        self._try_save()
        for lease in free:
            await asyncio.to_thread(_let_go, lease.file)
            self._keeper.forget(lease.label)
        self._watch_owners()

    def _watch_owners(self) -> None:
        self._watch.keep({owner.process for each in self._held.values() for owner in each.owners})

    async def create(self, key: Key) -> None:
        """Makes the file of a lease; nothing happens where it is there.

        Raises:
            ResourceBusy: Somebody has the lease.
            VirloomError: It cannot be made.
        """
        await self._change(key, self.spaces.create)

    async def delete(self, key: Key) -> None:
        """Removes the file of a lease; nothing happens where there is none.

        Raises:
            ResourceBusy: Somebody has the lease.
            VirloomError: It cannot be removed.
        """
        await self._change(key, self.spaces.delete)

    async def _change(self, key: Key, change: Any) -> None:
        path = self.spaces.path_of(key.space, key.name)
        async with self._turn(key):
            if key in self._held:
                raise is_locked(key.name)
            await asyncio.to_thread(change, path)

    async def release_all(self, process: ProcessIdentity) -> int:
        """Takes every lease from a process at once; how many there were."""
        mine = sorted(key for key, lease in self._held.items() if _has(lease, process))
        async with AsyncExitStack() as turns:
            for key in mine:  # in the order in which another one's end takes them, too
                await turns.enter_async_context(self._turn(key))
            await self._settle(*(key for key in mine if self._drop(key, process)))
        return len(mine)

    def _drop(self, key: Key, process: ProcessIdentity) -> bool:
        """Whether it was still there to be taken from a process."""
        lease = self._held.get(key)
        if lease is None or not _has(lease, process):
            return False
        lease.owners = [each for each in lease.owners if each.process != process]
        return True

    def _has_ended(self, process: ProcessIdentity) -> None:
        async def release() -> None:
            count = await self.release_all(process)
            logger.info("process %d has ended, and had %d leases", process.pid, count)

        task = asyncio.get_running_loop().create_task(release())
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    @asynccontextmanager
    async def _turn(self, key: Key) -> AsyncIterator[None]:
        """One after the other, where it is about the same lease."""
        turn = self._turns.setdefault(key, asyncio.Lock())
        try:
            async with turn:
                yield
        finally:
            if not turn.locked() and self._turns.get(key) is turn:
                del self._turns[key]

    # -- from one process to the next ----------------------------------------------------------

    def adopt(self, descriptors: Mapping[str, int]) -> None:
        """Goes on with what an earlier process had; *descriptors* are ours from now on."""
        left = dict(descriptors)
        content = self._load()
        self.spaces.restore(content.get("spaces", []))
        for entry in content.get("leases", []):
            try:
                self._take_over(entry, left)
            except (KeyError, TypeError, ValueError, VirloomError) as exc:
                logger.error("a lease of '%s' is lost: %s", self._state, exc)
        for name, fd in left.items():
            logger.info("the descriptor %s is of no lease", name)
            self._keeper.forget(name)
            os.close(fd)
        self._watch_owners()
        self._try_save()

    def _take_over(self, entry: dict[str, Any], left: dict[str, int]) -> None:
        key, label = Key(entry["space"], entry["name"]), str(entry["label"])
        shared, created = bool(entry["shared"]), bool(entry["created"])
        owners = [Owner.from_json(each) for each in entry["owners"]]
        living = [owner for owner in owners if self._lives(owner)]
        fd = left.pop(label, None)
        if fd is not None:
            file = LeaseFile(entry["path"], fd, shared=shared, created=created)
        elif living:
            file = self._take_again(key, entry["path"], living, shared=shared, created=created)
        else:
            return
        if living:
            self._held[key] = _Lease(label, file, living)
            self._keeper.keep(label, file.fileno())
        else:
            _let_go(file)
            self._keeper.forget(label)

    def _lives(self, owner: Owner) -> bool:
        with suppress(VirloomError):
            self._watch.begin(owner)
            return True
        return False

    def _take_again(
        self, key: Key, path: str, owners: list[Owner], *, shared: bool, created: bool
    ) -> LeaseFile:
        """Locks again what nobody has kept for us; whoever has lost it to somebody is ended.

        Raises:
            VirloomError: It cannot be locked.
        """
        try:
            return LeaseFile.take(path, key.name, shared=shared, create=created)
        except ResourceBusy:
            for owner in owners:  # two that write to one disk destroy it
                assert owner.process is not None
                logger.error("'%s' (process %d) is ended: it lost a lease", owner.name, owner.pid)
                self._watch.send_signal(owner.process, signal.SIGTERM)
            raise

    def held(self) -> dict[str, int]:
        """The descriptors by name, for whoever hands them to the next process; they stay ours."""
        return {lease.label: lease.file.fileno() for lease in self._held.values()}

    async def close(self) -> None:
        """Lets go of descriptors; who has copies keeps the locks."""
        self._watch.close()
        if self._tasks:
            await asyncio.wait(self._tasks)
        for lease in self._held.values():
            lease.file.close()
        self._held.clear()

    def _save(self) -> None:
        """A line for each lease, which a person can read and which is quickly written."""
        leases = ",\n".join(json.dumps(_entry(*each)) for each in self._held.items())
        spaces = json.dumps(self.spaces.paths())
        text = f'{{"version": {_VERSION}, "spaces": {spaces}, "leases": [\n{leases}\n]}}\n'
        # Nothing of it outlives a boot, so it need not survive a loss of power.
        write_atomic(self._state, text.encode(), durable=False)

    def _save_or(self, undo: Any) -> None:
        try:
            self._save()
        except BaseException:
            undo()
            raise

    def _try_save(self) -> None:
        try:
            self._save()
        except VirloomError as exc:
            logger.error("%s", exc.message)

    def _load(self) -> dict[str, Any]:
        try:
            content = json.loads(self._state.read_bytes())
            if content["version"] != _VERSION:
                raise ValueError(f"it is of version {content['version']}, not of {_VERSION}")
            return dict(content)
        except FileNotFoundError:
            return {}
        except (OSError, ValueError, KeyError, TypeError) as exc:
            logger.error("'%s' is not usable: %s", self._state, exc)
            return {}


def _entry(key: Key, lease: _Lease) -> dict[str, Any]:
    """A lease as the state file has it."""
    return {
        **key._asdict(),
        "label": lease.label,
        "path": lease.file.path,
        "shared": lease.file.shared,
        "created": lease.file.created,
        "owners": [owner.to_json() for owner in lease.owners],
    }


def _has(lease: _Lease, process: ProcessIdentity) -> bool:
    return any(owner.process == process for owner in lease.owners)


def _let_go(file: LeaseFile) -> None:
    try:
        file.release()
    except OSError as exc:
        logger.error("the lock on '%s' is given up by closing it: %s", file.path, exc)
