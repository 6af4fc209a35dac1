# SPDX-License-Identifier: Apache-2.0
"""Jobs on disks: pull, rebase, copy and commit, how far they are, and their end."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from virloom.drivers.qemu.block.lookup import find_disk
from virloom.drivers.qemu.blockjobs.bandwidth import bytes_per_second, shown
from virloom.drivers.qemu.blockjobs.commit import commit, no_base, span_of
from virloom.drivers.qemu.blockjobs.copy import CopyOptions, copy
from virloom.drivers.qemu.blockjobs.ending import abort, pivot
from virloom.drivers.qemu.blockjobs.job import BlockJob, job_of
from virloom.drivers.qemu.blockjobs.progress import progress_of
from virloom.drivers.qemu.blockjobs.pull import pull
from virloom.drivers.qemu.blockjobs.request import copy_parameters, rebase_target, target_of
from virloom.drivers.qemu.blockjobs.rules import chain_for_job, check_idle
from virloom.drivers.qemu.driver import QemuDriver
from virloom.drivers.qemu.handlers.arguments import check_flags, senseless
from virloom.drivers.qemu.process.running import RunningGuest
from virloom.drivers.runtime.jobs import Job
from virloom.endpoint.dispatch import Call, serves
from virloom.enums.domain import (
    DomainBlockCommitFlags,
    DomainBlockCopyFlags,
    DomainBlockJobAbortFlags,
    DomainBlockJobInfoFlags,
    DomainBlockJobSetSpeedFlags,
    DomainBlockPullFlags,
    DomainBlockRebaseFlags,
)
from virloom.enums.error import ErrorDomain
from virloom.errors import InvalidArg, OperationInvalid
from virloom.model.domain import Disk
from virloom.procedures import domain as p
from virloom.procedures.types import NonnullDomain

_Rebase = DomainBlockRebaseFlags
_Copy = DomainBlockCopyFlags
_COPY_FLAGS = _Copy.SHALLOW | _Copy.REUSE_EXT | _Copy.TRANSIENT_JOB | _Copy.SYNCHRONOUS_WRITES


class BlockJobs:
    """Handlers of block jobs."""

    def __init__(self, driver: QemuDriver) -> None:
        self._driver = driver

    @asynccontextmanager
    async def _disk(
        self, call: Call, ref: NonnullDomain, name: str
    ) -> AsyncIterator[tuple[RunningGuest, Disk]]:
        """The disk that a caller names, while the domain's job is held."""
        guest = self._driver.find(ref)
        async with guest.jobs.hold(Job.MODIFY, call.procedure.name):
            running = guest.require_running()
            yield running, find_disk(running.model, name)

    @serves(p.DOMAIN_BLOCK_PULL)
    async def block_pull(self, call: Call, args: p.DomainBlockPullArgs) -> None:
        check_flags(call, args.flags, DomainBlockPullFlags.BYTES)
        in_bytes = bool(args.flags & DomainBlockPullFlags.BYTES)
        await self._pull(call, args.dom, args.path, None, args.bandwidth, in_bytes, relative=False)

    @serves(p.DOMAIN_BLOCK_REBASE)
    async def block_rebase(self, call: Call, args: p.DomainBlockRebaseArgs) -> None:
        check_flags(call, args.flags, sum(_Rebase))
        in_bytes = bool(args.flags & _Rebase.BANDWIDTH_BYTES)
        if not args.flags & _Rebase.COPY:
            only = _Rebase.SHALLOW | _Rebase.REUSE_EXT | _Rebase.COPY_RAW | _Rebase.COPY_DEV
            if args.flags & only:
                raise senseless("flags of a copy need VIR_DOMAIN_BLOCK_REBASE_COPY")
            relative = bool(args.flags & _Rebase.RELATIVE)
            base = args.base or None
            await self._pull(call, args.dom, args.path, base, args.bandwidth, in_bytes, relative)
            return
        if not args.base:
            raise senseless("a copy needs a destination")
        options = CopyOptions(
            shallow=bool(args.flags & _Rebase.SHALLOW),
            reuse=bool(args.flags & _Rebase.REUSE_EXT),
            speed=bytes_per_second(args.bandwidth, in_bytes=in_bytes),
        )
        wanted = rebase_target(args.base, args.flags)
        await self._copy(call, args.dom, args.path, wanted, options, transient=False)

    async def _pull(
        self,
        call: Call,
        ref: NonnullDomain,
        path: str,
        base: str | None,
        bandwidth: int,
        in_bytes: bool,
        relative: bool,
    ) -> None:
        async with self._disk(call, ref, path) as (running, disk):
            speed = bytes_per_second(bandwidth, in_bytes=in_bytes)
            await pull(self._driver, running, disk, base, speed=speed, relative=relative)

    @serves(p.DOMAIN_BLOCK_COPY)
    async def block_copy(self, call: Call, args: p.DomainBlockCopyArgs) -> None:
        check_flags(call, args.flags, _COPY_FLAGS)
        bandwidth, granularity, buf_size = copy_parameters(args.params)
        options = CopyOptions(
            shallow=bool(args.flags & _Copy.SHALLOW),
            reuse=bool(args.flags & _Copy.REUSE_EXT),
            synchronous=bool(args.flags & _Copy.SYNCHRONOUS_WRITES),
            speed=bytes_per_second(bandwidth, in_bytes=True),
            granularity=granularity,
            buf_size=buf_size,
        )
        wanted = target_of(args.destxml)
        transient = bool(args.flags & _Copy.TRANSIENT_JOB)
        await self._copy(call, args.dom, args.path, wanted, options, transient=transient)

    async def _copy(
        self,
        call: Call,
        ref: NonnullDomain,
        path: str,
        wanted: Disk,
        options: CopyOptions,
        *,
        transient: bool,
    ) -> None:
        async with self._disk(call, ref, path) as (running, disk):
            check_idle(running, disk)
            if running.guest.persistent and not transient:
                raise OperationInvalid("domain is not transient", domain=ErrorDomain.QEMU)
            await copy(self._driver, running, disk, wanted, options)

    @serves(p.DOMAIN_BLOCK_COMMIT)
    async def block_commit(self, call: Call, args: p.DomainBlockCommitArgs) -> None:
        flags = DomainBlockCommitFlags
        check_flags(call, args.flags, sum(flags))
        in_bytes = bool(args.flags & flags.BANDWIDTH_BYTES)
        guest = self._driver.find(args.dom)
        if not guest.active:  # libvirt looks at the chain first, which it does not know then
            raise no_base(find_disk(guest.model, args.disk))
        async with self._disk(call, args.dom, args.disk) as (running, disk):
            speed = bytes_per_second(args.bandwidth, in_bytes=in_bytes)
            layers = chain_for_job(running, disk)
            span = span_of(
                disk,
                layers,
                args.top,
                args.base,
                active=bool(args.flags & flags.ACTIVE),
                shallow=bool(args.flags & flags.SHALLOW),
            )
            relative = bool(args.flags & flags.RELATIVE)
            delete = bool(args.flags & flags.DELETE)
            await commit(
                self._driver, running, disk, span, speed=speed, relative=relative, delete=delete
            )

    @serves(p.DOMAIN_GET_BLOCK_JOB_INFO)
    async def job_info(
        self, call: Call, args: p.DomainGetBlockJobInfoArgs
    ) -> p.DomainGetBlockJobInfoRet:
        check_flags(call, args.flags, DomainBlockJobInfoFlags.BYTES)
        guest = self._driver.find(args.dom)
        async with guest.jobs.hold(Job.QUERY, call.procedure.name):
            running = guest.require_running()
            disk = find_disk(running.model, args.path)
            job = job_of(running, disk)
            progress = None if job is None else await progress_of(running, job)
        if job is None or progress is None:
            return p.DomainGetBlockJobInfoRet(0, 0, 0, 0, 0)
        speed = shown(progress.speed, in_bytes=bool(args.flags))
        return p.DomainGetBlockJobInfoRet(1, int(job.type), speed, progress.done, progress.whole)

    @serves(p.DOMAIN_BLOCK_JOB_SET_SPEED)
    async def job_set_speed(self, call: Call, args: p.DomainBlockJobSetSpeedArgs) -> None:
        from virloom.drivers.qemu.monitor.commands.jobs import block_job_set_speed

        check_flags(call, args.flags, DomainBlockJobSetSpeedFlags.BYTES)
        speed = bytes_per_second(args.bandwidth, in_bytes=bool(args.flags))
        async with self._disk(call, args.dom, args.path) as (running, disk):
            await block_job_set_speed(running, _active(running, disk).id, speed)

    @serves(p.DOMAIN_BLOCK_JOB_ABORT)
    async def job_abort(self, call: Call, args: p.DomainBlockJobAbortArgs) -> None:
        flags = DomainBlockJobAbortFlags
        check_flags(call, args.flags, sum(flags))
        wait = not args.flags & flags.ASYNC
        async with self._disk(call, args.dom, args.path) as (running, disk):
            end = pivot if args.flags & flags.PIVOT else abort
            await end(self._driver, running, _active(running, disk), wait=wait)


def _active(running: RunningGuest, disk: Disk) -> BlockJob:
    job = job_of(running, disk)
    if job is None:
        raise InvalidArg(
            f"disk '{disk.target.dev}' does not have an active block job", domain=ErrorDomain.QEMU
        )
    return job
