# SPDX-License-Identifier: Apache-2.0
"""The long operation that a domain is in: migration, save, dump, backup."""

from __future__ import annotations

from virloom.client.domain.facet import Facet
from virloom.client.domain.results import JobInfo, JobStats
from virloom.client.params import decode, member
from virloom.enums.domain import DomainJobType
from virloom.procedures import domain as p


class Jobs(Facet):
    """``dom.jobs``: how far it is, and its end."""

    async def info(self) -> JobInfo:
        """The job in short; of type NONE when there is none."""
        ret = await self._link.call(p.DOMAIN_GET_JOB_INFO, p.DomainGetJobInfoArgs(self._dom))
        amounts = {name: getattr(ret, name) for name in JobInfo._fields if name != "type"}
        return JobInfo(type=member(DomainJobType, ret.type), **amounts)

    async def stats(self, flags: int = 0) -> JobStats:
        """All about it (:class:`~virloom.enums.domain.DomainGetJobStatsFlags`)."""
        args = p.DomainGetJobStatsArgs(self._dom, flags)
        ret = await self._link.call(p.DOMAIN_GET_JOB_STATS, args)
        return JobStats(member(DomainJobType, ret.type), decode(ret.params))

    async def abort(self, flags: int = 0) -> None:
        """Ends it (:class:`~virloom.enums.domain.DomainAbortJobFlagsValues`)."""
        if flags:
            with_flags = p.DomainAbortJobFlagsArgs(self._dom, flags)
            await self._link.call(p.DOMAIN_ABORT_JOB_FLAGS, with_flags)
        else:
            await self._link.call(p.DOMAIN_ABORT_JOB, p.DomainAbortJobArgs(self._dom))
