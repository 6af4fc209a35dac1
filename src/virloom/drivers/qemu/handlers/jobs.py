# SPDX-License-Identifier: Apache-2.0
"""Long jobs of a domain: how far they are, and giving them up."""

from __future__ import annotations

from virloom.drivers.qemu.domain import Guest
from virloom.drivers.qemu.driver import QemuDriver
from virloom.drivers.qemu.handlers.arguments import check_flags, senseless
from virloom.drivers.qemu.process.progress import LongJob
from virloom.drivers.runtime.jobs import Job
from virloom.endpoint.dispatch import Call, serves
from virloom.enums.domain import (
    DomainAbortJobFlagsValues,
    DomainGetJobStatsFlags,
    DomainJobType,
)
from virloom.enums.error import ErrorDomain
from virloom.errors import OperationInvalid
from virloom.procedures import domain as p
from virloom.procedures.types import NonnullDomain


class Jobs:
    """Handlers of long jobs."""

    def __init__(self, driver: QemuDriver) -> None:
        self._driver = driver

    @serves(p.DOMAIN_GET_JOB_INFO)
    async def job_info(self, call: Call, args: p.DomainGetJobInfoArgs) -> p.DomainGetJobInfoRet:
        guest = self._driver.find(args.dom)
        job = await self._current(call, guest)
        if job is None:
            return p.DomainGetJobInfoRet(int(_unknown(guest)), *([0] * 11))
        return job.info()

    @serves(p.DOMAIN_GET_JOB_STATS)
    async def job_stats(self, call: Call, args: p.DomainGetJobStatsArgs) -> p.DomainGetJobStatsRet:
        known = DomainGetJobStatsFlags
        check_flags(call, args.flags, known.COMPLETED | known.KEEP_COMPLETED)
        if args.flags == known.KEEP_COMPLETED:
            raise senseless(
                "Flag 'VIR_DOMAIN_JOB_STATS_COMPLETED' is required by flag "
                "'VIR_DOMAIN_JOB_STATS_KEEP_COMPLETED'"
            )
        guest = self._driver.find(args.dom)
        if args.flags & known.COMPLETED:
            job = guest.completed_job
            if not args.flags & known.KEEP_COMPLETED:
                guest.completed_job = None
        else:
            job = await self._current(call, guest)
        if job is None:
            kind = DomainJobType.NONE if args.flags else _unknown(guest)
            return p.DomainGetJobStatsRet(int(kind), [])
        return p.DomainGetJobStatsRet(int(job.type), job.params())

    async def _current(self, call: Call, guest: Guest) -> LongJob | None:
        """The job in progress, with figures of just now.

        As in libvirt, a guest that is being started or restored is waited for, and has none then.
        """
        async with guest.jobs.hold(Job.QUERY, call.procedure.name):
            job, running = guest.job, guest.require_running()
            if job is not None:
                await job.refresh(running)
            return job

    @serves(p.DOMAIN_ABORT_JOB)
    async def abort_job(self, call: Call, args: p.DomainAbortJobArgs) -> None:
        await self._abort(call, args.dom, 0)

    @serves(p.DOMAIN_ABORT_JOB_FLAGS)
    async def abort_job_flags(self, call: Call, args: p.DomainAbortJobFlagsArgs) -> None:
        check_flags(call, args.flags, DomainAbortJobFlagsValues.POSTCOPY)
        await self._abort(call, args.dom, args.flags)

    async def _abort(self, call: Call, ref: NonnullDomain, flags: int) -> None:
        guest = self._driver.find(ref)
        async with guest.jobs.hold(Job.ABORT, call.procedure.name):
            running = guest.require_running()
            kind = guest.jobs.async_kind
            if kind is None:
                raise OperationInvalid("no job is active on the domain", domain=ErrorDomain.QEMU)
            if flags & DomainAbortJobFlagsValues.POSTCOPY:
                raise OperationInvalid(
                    "current job is not outgoing migration in post-copy mode",
                    domain=ErrorDomain.QEMU,
                )
            if running.backup is not None:
                from virloom.drivers.qemu.backup.ending import abort_backup  # seldom needed

                await abort_backup(self._driver, running, running.backup)
                return
            job = guest.job
            if job is None or job.query == "query-dump":
                raise OperationInvalid(
                    f"cannot abort {kind.label} operation", domain=ErrorDomain.QEMU
                )
            job.cancelled = True
            if job.can_cancel:
                await running.execute("migrate_cancel")
            job.on_cancel()


def _unknown(guest: Guest) -> DomainJobType:
    """What is said of a job without figures."""
    return DomainJobType.NONE if guest.jobs.async_kind is None else DomainJobType.UNBOUNDED
