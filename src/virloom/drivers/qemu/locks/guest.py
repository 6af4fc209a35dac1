# SPDX-License-Identifier: Apache-2.0
"""The leases of one guest that runs, in step with what it does.

Its record lists what it has, or is about to have, before anybody is asked: whoever takes the guest
over knows what may have to be given back.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

from virloom.drivers.qemu.locks.interface import Claim, LockManager, Owner
from virloom.drivers.qemu.process.steps import reached
from virloom.enums.error import ErrorDomain
from virloom.errors import ResourceBusy, VirloomError

if TYPE_CHECKING:
    from virloom.drivers.qemu.process.record import GuestRecord
    from virloom.drivers.qemu.process.running import RunningGuest

logger = logging.getLogger(__name__)

_KEY = "leases"


def noted(record: GuestRecord) -> list[Claim]:
    """What a guest has, or was about to have."""
    return [Claim(*fields) for fields in record.runtime.get(_KEY, ())]


def owner_of(record: GuestRecord) -> Owner:
    """The guest, as who gives leases knows it."""
    pid = record.process.pid if record.process is not None else 0
    return Owner(record.uuid, record.name, record.id, pid)


async def give_all_back(manager: LockManager | None, record: GuestRecord) -> None:
    """What a guest had that has ended; its record is no longer written."""
    held = noted(record)
    if manager is None or not held:
        return
    task = asyncio.current_task()
    assert task is not None
    manager.leaving.add(task)
    try:
        await manager.release(owner_of(record), held)
        reached("leases-returned")
    except VirloomError as exc:  # they end with the guest's process, or in their time
        logger.warning("domain '%s': its leases: %s", record.name, exc.message)
    finally:
        manager.leaving.discard(task)


async def _acquire(manager: LockManager, owner: Owner, claims: Sequence[Claim]) -> None:
    """Once more where a guest that has just ended is about to give back what it had."""
    try:
        await manager.acquire(owner, claims)
    except ResourceBusy:
        leaving = manager.leaving - {asyncio.current_task()}
        if not leaving:
            raise
        await asyncio.wait(leaving)
        await manager.acquire(owner, claims)


def _check_once(claims: Sequence[Claim]) -> None:
    """No image is claimed twice, but by disks that share it.

    Raises:
        ResourceBusy: One is.
    """
    twice = next((one for one in claims if not one.shared and claims.count(one) > 1), None)
    if twice is not None:
        raise ResourceBusy(
            f"the guest has '{twice.key or twice.path}' already", domain=ErrorDomain.LOCKSPACE
        )


class GuestLeases:
    """What a guest has.

    Args:
        running: The guest.
        manager: Who gives leases; None: nobody, and nothing is asked for.
    """

    def __init__(self, running: RunningGuest, manager: LockManager | None = None) -> None:
        self._running = running
        self._manager = manager
        self._runs = False
        self._unsure = False  # what could not be given back may be gone when it is wanted again
        self._turn = asyncio.Lock()

    @property
    def taken(self) -> bool:
        """Whether the guest has any, or is about to."""
        return bool(noted(self._running.record))

    @property
    def missing(self) -> bool:
        """Whether somebody gives leases, and the guest was not given those of CPUs that run."""
        return self._manager is not None and not self._runs

    async def take(self) -> None:
        """Before the CPUs run.

        Raises:
            ResourceBusy: Another guest has one of the images, or two of its disks are one.
            VirloomError: Nobody gives leases.
        """
        if self._manager is None:
            return
        from virloom.drivers.qemu.locks.claims import while_running

        _check_once(while_running(self._running.model))
        self._runs = True
        try:
            await self.settle()
        except BaseException:
            self._runs = False
            raise

    def stopped(self) -> None:
        """The CPUs have stopped: what they wrote to may go to others, as soon as that is told."""
        self._runs = False

    def lost(self) -> None:
        """The guest has none of them any more."""
        self._note([])

    async def give_up(self) -> None:
        """After the CPUs have stopped; a failure is only noted, for the guest can go on later."""
        if self._manager is None or self._runs:
            return
        try:
            await self.settle()
        except VirloomError as exc:
            self._unsure = True
            logger.warning("domain '%s': %s", self._running.guest.name, exc.message)

    async def settle(self) -> None:
        """Has the guest have what it needs now, and nothing else.

        Raises:
            ResourceBusy: Another guest has one of the images.
            VirloomError: Nobody gives leases.
        """
        if self._manager is None:
            return
        async with self._turn:
            wanted = self._wanted()
            if self._unsure:
                await self._release_unsure()
            held = noted(self._running.record)
            await self._acquire([claim for claim in wanted if claim not in held])
            await self._release([claim for claim in held if claim not in wanted])

    def _wanted(self) -> list[Claim]:
        from virloom.drivers.qemu.locks.claims import of_jobs, while_running

        running = self._running
        if running.guest.running is not running:
            return []
        found = of_jobs(running)
        if self._runs:
            found += while_running(running.model)
        return list(dict.fromkeys(found))

    @asynccontextmanager
    async def claimed(self, claims: Sequence[Claim | None]) -> AsyncIterator[None]:
        """Has some more while the block runs; when it ends the guest has what it needs then.

        Raises:
            ResourceBusy: Another guest has one of them, or this one already, which would write to
                it in two ways.
            VirloomError: Nobody gives leases.
        """
        if self._manager is not None:
            held = noted(self._running.record)
            _check_once([*held, *(each for each in claims if each is not None)])
        await self.add(claims)
        try:
            yield
        finally:
            await self.try_settle()

    async def add(self, claims: Sequence[Claim | None]) -> None:
        """Has some more, until :meth:`settle` finds that they are not needed.

        Raises:
            ResourceBusy: Another guest has one of them.
            VirloomError: Nobody gives leases.
        """
        if self._manager is None:
            return
        async with self._turn:
            held = noted(self._running.record)
            await self._acquire([each for each in claims if each is not None and each not in held])

    async def try_settle(self) -> None:
        """As :meth:`settle`; a failure is only noted."""
        try:
            await self.settle()
        except VirloomError as exc:
            logger.error("domain '%s': its leases: %s", self._running.guest.name, exc.message)

    async def adopt(self, *, runs: bool) -> None:
        """The guest was taken over, with all that it does.

        Raises:
            VirloomError: It has lost what it needs.
        """
        if self._manager is None:
            return
        self._runs = runs
        record = self._running.record
        held = noted(record)
        if held:
            await self._manager.adopt(owner_of(record), held)
        await self.settle()

    async def _release_unsure(self) -> None:
        from virloom.drivers.qemu.locks.claims import of_jobs

        used = of_jobs(self._running)
        await self._release([each for each in noted(self._running.record) if each not in used])
        self._unsure = False

    async def _acquire(self, missing: list[Claim]) -> None:
        if not missing:
            return
        assert self._manager is not None
        record = self._running.record
        before = noted(record)
        self._note([*before, *missing])
        reached("leases-noted")
        try:
            await _acquire(self._manager, owner_of(record), missing)
            reached("leases-given")
        except VirloomError:
            self._note(before)
            raise

    async def _release(self, extra: list[Claim]) -> None:
        if not extra:
            return
        assert self._manager is not None
        record = self._running.record
        await self._manager.release(owner_of(record), extra)
        reached("leases-returned")
        self._note([claim for claim in noted(record) if claim not in extra])

    def _note(self, claims: Sequence[Claim]) -> None:
        runtime = self._running.record.runtime
        runtime.pop(_KEY, None)
        if claims:
            runtime[_KEY] = [list(claim) for claim in claims]
        if self._running.guest.running is self._running:
            self._running.save()
