# SPDX-License-Identifier: Apache-2.0
"""Pools are started and stopped so that a kill at any moment leaves nothing behind.

A record says what is being done before it is done. While programs work at a pool they hold its
claim, a lock that they inherit: it goes when the last of them has ended, also after we were
killed in between. A restarted daemon waits for that, and then goes on with what was whole and
undoes what was not.
"""

from __future__ import annotations

import fcntl
import logging
import os
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager, suppress
from pathlib import Path

from virloom.drivers.storage.backends import Backend, backend_of
from virloom.drivers.storage.directories import StorageDirectories
from virloom.drivers.storage.host import StorageHost
from virloom.drivers.storage.long_work import LongWork
from virloom.drivers.storage.pool import StoragePool
from virloom.drivers.storage.record import Phase, PoolRecord
from virloom.enums.error import ErrorDomain
from virloom.errors import OperationTimeout, VirloomError, system_failure
from virloom.host.process import run
from virloom.model.storage import Pool, Volume
from virloom.xml import format_document

logger = logging.getLogger(__name__)

#: Seconds that a restarted daemon waits for programs of the former one.
_PATIENCE = 120


class Activation:
    """Starts and stops pools; whoever calls it holds the pool's lock.

    Args:
        directories: Where records are.
        host: Where back ends work.
    """

    def __init__(self, directories: StorageDirectories, host: StorageHost) -> None:
        self._directories = directories
        self._host = host

    def backend(self, kind: str, work: LongWork | None = None) -> Backend:
        """The back end of a kind of pools.

        Args:
            work: What its programs are to end with.

        Raises:
            InternalError: There is none here.
        """
        return backend_of(kind, self._host if work is None else self._host.working(work))

    @asynccontextmanager
    async def _working(self, model: Pool) -> AsyncIterator[Backend]:
        """A back end whose programs hold the pool's claim."""
        kind, path = model.type or "", self._directories.claim(model.name or "")
        backend_of(kind, self._host)
        descriptor = await _claim(path, fcntl.LOCK_EX)
        try:
            yield backend_of(kind, self._host.claimed(descriptor))
        finally:
            _release(descriptor, path)

    @asynccontextmanager
    async def altering(
        self, pool: StoragePool, name: str, work: LongWork | None = None
    ) -> AsyncIterator[Backend]:
        """A back end that makes or removes the volume *name* of an active pool.

        Where volumes have their names at once, the record has those of ``pool.building``, and
        programs hold the claim, together with others that do the same.

        Args:
            work: What its programs are to end with.
        """
        backend = self.backend(pool.model.type or "", work)
        if not backend.named_at_once:
            yield backend
            return
        path = self._directories.claim(pool.name)
        descriptor = await _claim(path, fcntl.LOCK_SH)
        try:
            self._note(pool.model, "active", pool.building)
            yield type(backend)(backend.host.claimed(descriptor))
        finally:
            self._note(pool.model, "active", pool.building.keys() - {name})
            _release(descriptor, path)

    def remove_claims(self) -> None:
        """Removes the files of claims that nobody has any more."""
        for path in self._directories.run.glob("*.claim"):
            _release(_open(path), path)

    async def build(self, model: Pool, flags: int) -> None:
        """Makes what it needs; see :meth:`Backend.build`."""
        async with self._working(model) as backend:
            await backend.build(model, flags)

    async def delete(self, model: Pool, flags: int) -> None:
        """Undoes that; see :meth:`Backend.delete`."""
        async with self._working(model) as backend:
            await backend.delete(model, flags)

    async def start(self, pool: StoragePool, model: Pool, build: int | None) -> None:
        """Starts a pool with *model*, and finds its volumes.

        Args:
            build: It is built first, with these flags.

        Raises:
            VirloomError: It cannot be; what was begun is undone.
        """
        async with self._working(model) as backend:
            if build is not None:
                await backend.build(model, build)
            self._note(model, "starting")
            try:
                await backend.start(model)
                volumes = await backend.look(model)
                self._note(model, "active")
            except BaseException:
                await self._undo(backend, model)
                raise
        pool.live, pool.volumes = model, volumes

    async def stop(self, model: Pool) -> None:
        """Stops a pool.

        Raises:
            VirloomError: It is in use, say; it stays active.
        """
        async with self._working(model) as backend:
            self._note(model, "stopping")
            try:
                await backend.stop(model)
            except VirloomError:
                self._note(model, "active")
                raise
            self._forget(model)

    async def _undo(self, backend: Backend, model: Pool) -> None:
        """Stops what was started in part; the record stays where that fails."""
        try:
            await backend.stop(model)
        except VirloomError as exc:
            logger.error("pool '%s' is not stopped: %s", model.name, exc)
            return
        self._forget(model)

    def _note(self, model: Pool, phase: Phase, making: Iterable[str] = ()) -> None:
        path = self._directories.record(model.name or "")
        PoolRecord.now(format_document(model), phase, making).save(path)

    def _forget(self, model: Pool) -> None:
        self._directories.record(model.name or "").unlink(missing_ok=True)

    async def resume(
        self, model: Pool, phase: Phase, making: Iterable[str]
    ) -> dict[str, Volume] | None:
        """Goes on with a pool that an earlier daemon had; None where it is not active (any more).

        Raises:
            VirloomError: It cannot be looked at, or not be stopped.
        """
        async with self._working(model) as backend:
            there = await backend.is_active(model)
            if there and phase == "active":
                try:
                    return await self._without(backend, model, making)
                except VirloomError as exc:
                    logger.error("pool '%s' cannot be looked at: %s", model.name, exc)
            if there:
                await backend.stop(model)
            self._forget(model)
        return None

    async def _without(
        self, backend: Backend, model: Pool, names: Iterable[str]
    ) -> dict[str, Volume]:
        """The volumes of a pool, but for those that were being made: they are removed."""
        volumes = await backend.look(model)
        half = [volumes[name] for name in names if name in volumes]
        for volume in half:
            await backend.remove(model, volume, 0)
        self._note(model, "active")
        return await backend.look(model) if half else volumes


def _release(descriptor: int, path: Path) -> None:
    """Lets the claim go, and removes its file unless somebody else works at the pool.

    A program of ours that is still there is a server of its own, of a file system say: the lock
    is the open file's, which it shares with us.
    """
    with suppress(BlockingIOError):
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        path.unlink(missing_ok=True)
    os.close(descriptor)


async def _claim(path: Path, kind: int) -> int:
    """Takes the lock at *path*, when nobody works at the pool any more.

    Args:
        kind: ``LOCK_EX``, or ``LOCK_SH`` beside others that take that too.

    Raises:
        OperationTimeout: Programs of an earlier daemon do, and go on with it.
        SystemFailure: The file cannot be opened.
    """
    while True:
        descriptor = _open(path)
        try:
            await _lock(descriptor, path, kind)
            if _is_at(descriptor, path):
                return descriptor
        except BaseException:
            os.close(descriptor)
            raise
        os.close(descriptor)  # whoever had the lock has removed the file


def _open(path: Path) -> int:
    try:
        return os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
    except OSError as exc:
        raise system_failure(f"cannot open '{path}'", exc, domain=ErrorDomain.STORAGE) from exc


def _is_at(descriptor: int, path: Path) -> bool:
    try:
        return os.path.samestat(os.fstat(descriptor), path.stat())
    except FileNotFoundError:
        return False


async def _lock(descriptor: int, path: Path, kind: int) -> None:
    try:
        fcntl.flock(descriptor, kind | fcntl.LOCK_NB)
    except BlockingIOError:
        # flock(1) waits in our place: the lock is the open file's, which it shares with us.
        how = "--shared" if kind == fcntl.LOCK_SH else "--exclusive"
        words = ["flock", how, "--timeout", str(_PATIENCE), str(descriptor)]
        if (await run(words, timeout=2 * _PATIENCE, pass_fds=(descriptor,))).returncode != 0:
            raise OperationTimeout(
                f"programs of an earlier daemon still hold '{path}'", domain=ErrorDomain.STORAGE
            ) from None
