# SPDX-License-Identifier: Apache-2.0
"""Who may work on a domain at the same time."""

from __future__ import annotations

import asyncio
import time

import pytest

from virloom.drivers.runtime.jobs import AsyncJob, DomainJobs, Job
from virloom.errors import OperationFailed, OperationTimeout


async def _settle() -> None:
    for _ in range(5):
        await asyncio.sleep(0)


async def test_a_free_domain_is_taken_without_waiting() -> None:
    jobs = DomainJobs("web")
    async with jobs.hold(Job.QUERY, "A"):
        assert jobs.owner == "A"
    assert jobs.owner is None


async def test_waiting_callers_get_the_domain_in_turn() -> None:
    jobs = DomainJobs("web")
    order: list[str] = []

    async def work(name: str) -> None:
        async with jobs.hold(Job.MODIFY, name):
            order.append(name)
            await asyncio.sleep(0)

    async with jobs.hold(Job.MODIFY, "first"):
        tasks = [asyncio.create_task(work(name)) for name in ("second", "third", "fourth")]
        await _settle()
        assert order == []
    await asyncio.gather(*tasks)
    assert order == ["second", "third", "fourth"]


async def test_the_wait_ends_with_the_holders_name() -> None:
    jobs = DomainJobs("web", wait_limit=0.01)
    async with jobs.hold(Job.MODIFY, "DOMAIN_SUSPEND"):
        with pytest.raises(OperationTimeout, match="DOMAIN_SUSPEND") as caught:
            async with jobs.hold(Job.QUERY, "B"):
                pass
    assert "'web'" in caught.value.message
    async with jobs.hold(Job.QUERY, "C"):
        assert jobs.owner == "C"


async def test_who_gives_it_back_as_the_time_is_over_is_named_too() -> None:
    jobs = DomainJobs("web", wait_limit=0.02)
    done = asyncio.Event()

    async def hold() -> None:
        async with jobs.hold(Job.MODIFY, "DOMAIN_SUSPEND"):
            await done.wait()

    def end_late() -> None:
        time.sleep(0.04)  # the limit is over when the loop looks at its clock again
        done.set()

    holder = asyncio.create_task(hold())
    await _settle()
    asyncio.get_running_loop().call_later(0.005, end_late)
    with pytest.raises(OperationTimeout, match="held by DOMAIN_SUSPEND until now"):
        async with jobs.hold(Job.MODIFY, "DOMAIN_RESUME"):
            pass
    await holder
    assert jobs.owner is None


async def test_a_cancelled_waiter_leaves_the_queue_and_the_holder_alone() -> None:
    jobs = DomainJobs("web")

    async def wait() -> None:
        async with jobs.hold(Job.MODIFY, "B"):
            pytest.fail("it was cancelled")

    async with jobs.hold(Job.MODIFY, "A"):
        waiter = asyncio.create_task(wait())
        await _settle()
        waiter.cancel()
        await asyncio.gather(waiter, return_exceptions=True)
        assert jobs.owner == "A"
    assert jobs.owner is None


async def test_one_cancelled_in_the_moment_of_its_grant_gives_the_domain_on() -> None:
    jobs = DomainJobs("web")
    done: list[str] = []

    async def work(name: str) -> None:
        async with jobs.hold(Job.MODIFY, name):
            done.append(name)

    async with jobs.hold(Job.MODIFY, "A"):
        cancelled = asyncio.create_task(work("B"))
        last = asyncio.create_task(work("C"))
        await _settle()
    cancelled.cancel()  # granted by the line above, and not yet run
    await asyncio.gather(cancelled, last, return_exceptions=True)
    assert done == ["C"]
    assert jobs.owner is None


@pytest.mark.parametrize(
    ("running", "asked", "allowed"),
    [
        (AsyncJob.SAVE, Job.QUERY, True),
        (AsyncJob.SAVE, Job.MODIFY, False),
        (AsyncJob.SAVE, Job.DESTROY, True),
        (AsyncJob.MIGRATION, Job.SUSPEND, True),
        (AsyncJob.BACKUP, Job.MODIFY, True),
        (AsyncJob.START, Job.QUERY, False),
    ],
)
async def test_an_asynchronous_job_lets_through_what_it_says(
    running: AsyncJob, asked: Job, allowed: bool
) -> None:
    jobs = DomainJobs("web", wait_limit=0.01)
    async with jobs.hold_async(running, "long"):
        if allowed:
            async with jobs.hold(asked, "short"):
                assert jobs.async_kind is running
        else:
            with pytest.raises(OperationTimeout, match="long"):
                async with jobs.hold(asked, "short"):
                    pass


async def test_the_agent_has_a_slot_of_its_own() -> None:
    jobs = DomainJobs("web", wait_limit=0.01)
    async with jobs.hold_agent(Job.QUERY, "agent"):
        async with jobs.hold(Job.MODIFY, "monitor"):
            assert jobs.owner == "monitor"
        with pytest.raises(OperationTimeout):
            async with jobs.hold_agent(Job.QUERY, "another"):
                pass


async def test_too_many_waiters_are_refused() -> None:
    jobs = DomainJobs("web", max_queued=1)

    async def wait() -> None:
        async with jobs.hold(Job.QUERY, "B"):
            pass

    async with jobs.hold(Job.MODIFY, "A"):
        waiter = asyncio.create_task(wait())
        await _settle()
        with pytest.raises(OperationFailed, match="too many"):
            async with jobs.hold(Job.QUERY, "C"):
                pass
    await waiter


async def test_those_who_wait_for_the_agent_hold_up_nobody_else() -> None:
    jobs = DomainJobs("web", max_queued=2)
    entered: list[str] = []

    async def ask(name: str) -> None:
        async with jobs.hold_agent(Job.QUERY, name):
            entered.append(name)

    async with jobs.hold_agent(Job.MODIFY, "dead agent's caller"):
        tasks = [asyncio.create_task(ask(name)) for name in ("second", "third")]
        await _settle()
        with pytest.raises(OperationFailed, match="too many calls wait"):
            await ask("fourth")
        async with asyncio.timeout(1), jobs.hold(Job.MODIFY, "sync"):
            entered.append("sync")
        async with asyncio.timeout(1), jobs.hold_async(AsyncJob.SAVE, "async"):
            entered.append("async")
    await asyncio.gather(*tasks)
    assert entered == ["sync", "async", "second", "third"]


async def test_a_long_job_outlives_the_call_that_begins_it() -> None:
    notes: list[str] = []
    jobs = DomainJobs("web", note=notes.append)
    end = await jobs.begin_async(AsyncJob.BACKUP, "backup")
    assert jobs.async_kind is AsyncJob.BACKUP
    async with jobs.hold(Job.MODIFY, "attach"):
        assert jobs.held_for >= 0.0
    end()
    end()  # it may be told twice
    assert (jobs.async_kind, jobs.held_for) == (None, 0.0)
    told = [note for note in notes if note.startswith("backup ")]
    assert [note.startswith(("backup begins", "backup ends after")) for note in told] == [True] * 2


async def test_a_job_that_fails_is_noted() -> None:
    notes: list[str] = []
    jobs = DomainJobs("web", note=notes.append)
    with pytest.raises(OperationFailed):
        async with jobs.hold(Job.MODIFY, "attach"):
            raise OperationFailed("no room")
    assert "fails after" in notes[-1]
    assert notes[-1].endswith("operation failed: no room")
    assert jobs.owner is None
