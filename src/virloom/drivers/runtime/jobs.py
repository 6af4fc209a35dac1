# SPDX-License-Identifier: Apache-2.0
"""Who may work on a domain at the same time.

A domain has one synchronous job at a time. A long asynchronous job (migration, save, backup) may
hold it beside them, and says which synchronous jobs it still lets through. Jobs that only talk to
the guest agent have a slot of their own. A caller that has to wait does so in turn, for a limited
time, and is told who holds the domain.
"""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import AsyncIterator, Callable, Iterable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from enum import Enum

from virloom.endpoint.identity import caller_text
from virloom.enums.error import ErrorDomain
from virloom.errors import OperationFailed, OperationTimeout

#: Seconds that a caller waits for a job; libvirt's limit for a state change lock.
WAIT_LIMIT = 30.0


class Job(Enum):
    """The kinds of synchronous jobs."""

    QUERY = "query"
    DESTROY = "destroy"
    SUSPEND = "suspend"
    MODIFY = "modify"
    ABORT = "abort"


class AsyncJob(Enum):
    """The kinds of asynchronous jobs, each with the synchronous jobs that it lets through."""

    START = "start", ()
    SAVE = "save", (Job.QUERY, Job.ABORT)
    DUMP = "dump", (Job.QUERY, Job.ABORT)
    MIGRATION = "migration", (Job.QUERY, Job.SUSPEND, Job.ABORT)
    SNAPSHOT = "snapshot", (Job.QUERY, Job.SUSPEND, Job.ABORT)
    BACKUP = "backup", (Job.QUERY, Job.SUSPEND, Job.MODIFY, Job.ABORT)

    def __init__(self, label: str, allows: Iterable[Job]) -> None:
        self.label = label
        self.allows = frozenset(allows) | {Job.DESTROY}


class _Held:
    """A job in progress, or one that waits for its turn."""

    __slots__ = ("caller", "free", "granted", "kind", "owner", "since", "slot")

    def __init__(
        self, slot: str, kind: Job | AsyncJob, owner: str, free: Callable[[], bool]
    ) -> None:
        self.slot = slot
        self.kind = kind
        self.owner = owner
        self.free = free
        self.caller = caller_text()
        self.since = time.monotonic()
        self.granted: asyncio.Future[None] | None = None


class DomainJobs:
    """The jobs of one domain.

    Args:
        name: The domain's name, for messages.
        wait_limit: Seconds that a caller waits at most.
        max_queued: How many callers may wait at once; 0 is no limit (qemu.conf ``max_queued``).
        note: Told of jobs that change something: when they begin, and how they end.
    """

    def __init__(
        self,
        name: str,
        *,
        wait_limit: float = WAIT_LIMIT,
        max_queued: int = 0,
        note: Callable[[str], None] | None = None,
    ) -> None:
        self.name = name
        self._note = note
        self._wait_limit = wait_limit
        self._max_queued = max_queued
        self._slots: dict[str, _Held] = {}
        self._queue: deque[_Held] = deque()
        self._former = ""  # who held the last job that has ended

    def hold(self, kind: Job, owner: str) -> AbstractAsyncContextManager[None]:
        """Holds the domain's synchronous job while the block runs.

        Raises:
            OperationTimeout: Somebody else held it for too long; the message names them.
            OperationFailed: Too many callers wait already.
        """
        return self._scope(_Held("sync", kind, owner, lambda: self._allows(kind)))

    def hold_async(self, kind: AsyncJob, owner: str) -> AbstractAsyncContextManager[None]:
        """Holds the asynchronous job; synchronous jobs that it allows go on beside it."""
        return self._scope(
            _Held("async", kind, owner, lambda: not {"sync", "async"} & self._slots.keys())
        )

    async def begin_async(self, kind: AsyncJob, owner: str) -> Callable[[], None]:
        """The same for a job that outlives the call that begins it; returns what ends it.

        Raises:
            OperationTimeout, OperationFailed: As :meth:`hold`.
        """
        job = _Held("async", kind, owner, lambda: not {"sync", "async"} & self._slots.keys())
        await self._get(job)

        def end() -> None:
            if self._slots.get("async") is job:
                self._tell(job, f"ends after {time.monotonic() - job.since:.3f} s")
                self._drop(job)

        return end

    def hold_agent(self, kind: Job, owner: str) -> AbstractAsyncContextManager[None]:
        """Holds the conversation with the guest agent, apart from the other jobs."""
        return self._scope(_Held("agent", kind, owner, lambda: "agent" not in self._slots))

    @property
    def owner(self) -> str | None:
        """Who holds the domain's synchronous job."""
        held = self._slots.get("sync")
        return held.owner if held else None

    @property
    def held_for(self) -> float:
        """Seconds since the present synchronous job began; 0 without one."""
        held = self._slots.get("sync")
        return time.monotonic() - held.since if held else 0.0

    @property
    def async_kind(self) -> AsyncJob | None:
        """The asynchronous job in progress."""
        held = self._slots.get("async")
        return held.kind if held and isinstance(held.kind, AsyncJob) else None

    def _allows(self, kind: Job) -> bool:
        if "sync" in self._slots:
            return False
        running = self.async_kind
        return running is None or kind in running.allows

    @asynccontextmanager
    async def _scope(self, job: _Held) -> AsyncIterator[None]:
        await self._get(job)
        try:
            yield
        except Exception as exc:
            self._tell(job, f"fails after {time.monotonic() - job.since:.3f} s: {exc}")
            raise
        else:
            self._tell(job, f"ends after {time.monotonic() - job.since:.3f} s")
        finally:
            self._drop(job)

    async def _get(self, job: _Held) -> None:
        if self._before(job) or not job.free():
            await self._wait_for(job)
        else:
            self._take(job)

    def _before(self, job: _Held) -> list[_Held]:
        """Who waits before *job*: those for the agent hold up nobody else, nor the reverse."""
        agent = job.slot == "agent"
        return [waiter for waiter in self._queue if (waiter.slot == "agent") is agent]

    async def _wait_for(self, job: _Held) -> None:
        if self._max_queued and len(self._before(job)) >= self._max_queued:
            raise OperationFailed(
                f"too many calls wait for domain '{self.name}' already "
                f"({self._max_queued}; {self._holders()})",
                domain=ErrorDomain.QEMU,
            )
        job.granted = asyncio.get_running_loop().create_future()
        self._queue.append(job)
        try:
            async with asyncio.timeout(self._wait_limit):
                await job.granted
        except TimeoutError:
            holders = self._holders()
            if self._slots.get(job.slot) is job:
                # Granted as the time was over: whoever it was waits as long as others do.
                holders = f"held by {self._former} until now"
            self._tell(job, f"gives up after {self._wait_limit:g} s ({holders})")
            self._drop(job)
            raise OperationTimeout(
                f"cannot acquire state change lock of domain '{self.name}' "
                f"within {self._wait_limit:g} s ({holders})",
                domain=ErrorDomain.QEMU,
            ) from None
        except BaseException:
            self._drop(job)
            raise

    def _tell(self, job: _Held, what: str) -> None:
        """Notes what becomes of a job; queries come every second, and change nothing."""
        if self._note is not None and job.kind is not Job.QUERY:
            self._note(f"{job.owner} {what}")

    def _take(self, job: _Held) -> None:
        self._tell(job, f"begins{job.caller}")
        job.since = time.monotonic()
        self._slots[job.slot] = job

    def _drop(self, job: _Held) -> None:
        """Takes *job* out of its slot or out of the queue, and grants what has become free."""
        if self._slots.get(job.slot) is job:
            del self._slots[job.slot]
            self._former = job.owner
        elif job in self._queue:
            self._queue.remove(job)
        for waiter in list(self._queue):
            if waiter.free():
                self._queue.remove(waiter)
                self._take(waiter)
                if waiter.granted is not None and not waiter.granted.done():
                    waiter.granted.set_result(None)

    def _holders(self) -> str:
        now = time.monotonic()
        return "held by " + ", ".join(
            f"{h.owner} for {now - h.since:.0f} s" for h in self._slots.values()
        )
