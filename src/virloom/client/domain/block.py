# SPDX-License-Identifier: Apache-2.0
"""The disks of a domain. A disk is named by its target (``vda``) or by its source's path."""

from __future__ import annotations

from typing import Any

from virloom.client.domain.facet import Facet, ParamsToSet, one_of, with_types
from virloom.client.domain.results import BlockInfo, BlockJobInfo, BlockStats, DiskError
from virloom.client.params import ParamValue, decode, encode, fetch, member
from virloom.enums.domain import DomainBlockJobType, DomainBlockResizeFlags, DomainDiskErrorCode
from virloom.procedures import domain as p


class Block(Facet):
    """``dom.block``: figures, sizes, tuning and jobs of disks."""

    async def stats(self, disk: str) -> BlockStats:
        """Requests and bytes since the guest's start; an empty *disk* sums up all of them."""
        ret = await self._link.call(p.DOMAIN_BLOCK_STATS, p.DomainBlockStatsArgs(self._dom, disk))
        return BlockStats(ret.rd_req, ret.rd_bytes, ret.wr_req, ret.wr_bytes, ret.errs)

    async def stats_params(self, disk: str, flags: int = 0) -> dict[str, ParamValue]:
        """All counters by libvirt's names, flushes and times (ns) among them."""

        async def ask(number: int) -> Any:
            args = p.DomainBlockStatsFlagsArgs(self._dom, disk, number, flags)
            return await self._link.call(p.DOMAIN_BLOCK_STATS_FLAGS, args)

        return decode(await fetch(ask))

    async def info(self, disk: str) -> BlockInfo:
        """Sizes."""
        args = p.DomainGetBlockInfoArgs(self._dom, disk)
        ret = await self._link.call(p.DOMAIN_GET_BLOCK_INFO, args)
        return BlockInfo(ret.capacity, ret.allocation, ret.physical)

    async def resize(self, disk: str, size: int, flags: int = DomainBlockResizeFlags.BYTES) -> None:
        """Gives the disk another size, in bytes.

        Args:
            disk: Target or path.
            size: Bytes; KiB when *flags* lack BYTES.
            flags: :class:`~virloom.enums.domain.DomainBlockResizeFlags`.
        """
        args = p.DomainBlockResizeArgs(self._dom, disk, size, flags)
        await self._link.call(p.DOMAIN_BLOCK_RESIZE, args)

    async def peek(self, disk: str, offset: int, size: int) -> bytes:
        """Reads *size* bytes of a disk as the guest sees them, 1 MiB at most."""
        args = p.DomainBlockPeekArgs(self._dom, disk, offset, size)
        return (await self._link.call(p.DOMAIN_BLOCK_PEEK, args)).buffer

    async def errors(self) -> list[DiskError]:
        """The disks that have failed."""
        asked = await self._link.call(
            p.DOMAIN_GET_DISK_ERRORS, p.DomainGetDiskErrorsArgs(self._dom, 0)
        )
        if not asked.nerrors:
            return []
        args = p.DomainGetDiskErrorsArgs(self._dom, asked.nerrors)
        ret = await self._link.call(p.DOMAIN_GET_DISK_ERRORS, args)
        return [DiskError(one.disk, member(DomainDiskErrorCode, one.error)) for one in ret.errors]

    async def io_tune(self, disk: str | None, flags: int = 0) -> dict[str, ParamValue]:
        """The limits of a disk's traffic; *flags*: DomainModificationImpact."""
        return decode(await fetch(lambda n: self._io_tune(disk, n, flags)))

    async def set_io_tune(self, disk: str, values: ParamsToSet, flags: int = 0) -> None:
        """Sets some of them."""
        params = await with_types(values, lambda n: self._io_tune(disk, n, one_of(flags)))
        args = p.DomainSetBlockIoTuneArgs(self._dom, disk, params, flags)
        await self._link.call(p.DOMAIN_SET_BLOCK_IO_TUNE, args)

    async def io_parameters(self, flags: int = 0) -> dict[str, ParamValue]:
        """The guest's weight among others, and its limits per device of the host."""
        return decode(await fetch(lambda n: self._blkio(n, flags)))

    async def set_io_parameters(self, values: ParamsToSet, flags: int = 0) -> None:
        """Sets some of them."""
        params = await with_types(values, lambda n: self._blkio(n, one_of(flags)))
        args = p.DomainSetBlkioParametersArgs(self._dom, params, flags)
        await self._link.call(p.DOMAIN_SET_BLKIO_PARAMETERS, args)

    async def set_throttle_group(self, group: str, values: ParamsToSet, flags: int = 0) -> None:
        """Makes or changes a group of limits that several disks share."""
        args = p.DomainSetThrottleGroupArgs(self._dom, group, encode(values), flags)
        await self._link.call(p.DOMAIN_SET_THROTTLE_GROUP, args)

    async def delete_throttle_group(self, group: str, flags: int = 0) -> None:
        """Removes such a group; no disk may be in it."""
        args = p.DomainDelThrottleGroupArgs(self._dom, group, flags)
        await self._link.call(p.DOMAIN_DEL_THROTTLE_GROUP, args)

    async def set_threshold(self, device: str, threshold: int) -> None:
        """Has BlockThresholdEvent raised once *device* is written to beyond so many bytes."""
        args = p.DomainSetBlockThresholdArgs(self._dom, device, threshold)
        await self._link.call(p.DOMAIN_SET_BLOCK_THRESHOLD, args)

    # Jobs

    async def pull(self, disk: str, bandwidth: int = 0, flags: int = 0) -> None:
        """Copies the whole backing chain into the disk's top image."""
        args = p.DomainBlockPullArgs(self._dom, disk, bandwidth, flags)
        await self._link.call(p.DOMAIN_BLOCK_PULL, args)

    async def rebase(self, disk: str, base: str | None, bandwidth: int = 0, flags: int = 0) -> None:
        """Copies the chain down to *base*; *flags*: DomainBlockRebaseFlags."""
        args = p.DomainBlockRebaseArgs(self._dom, disk, base, bandwidth, flags)
        await self._link.call(p.DOMAIN_BLOCK_REBASE, args)

    async def commit(
        self,
        disk: str,
        base: str | None = None,
        top: str | None = None,
        bandwidth: int = 0,
        flags: int = 0,
    ) -> None:
        """Writes *top* down into *base* (:class:`~virloom.enums.domain.DomainBlockCommitFlags`)."""
        args = p.DomainBlockCommitArgs(self._dom, disk, base, top, bandwidth, flags)
        await self._link.call(p.DOMAIN_BLOCK_COMMIT, args)

    async def copy(
        self, disk: str, destination: str, values: ParamsToSet | None = None, flags: int = 0
    ) -> None:
        """Mirrors the disk to the one that the document *destination* describes."""
        params = encode(values or {})
        args = p.DomainBlockCopyArgs(self._dom, disk, destination, params, flags)
        await self._link.call(p.DOMAIN_BLOCK_COPY, args)

    async def job_info(self, disk: str, flags: int = 0) -> BlockJobInfo | None:
        """The disk's job, or None."""
        args = p.DomainGetBlockJobInfoArgs(self._dom, disk, flags)
        ret = await self._link.call(p.DOMAIN_GET_BLOCK_JOB_INFO, args)
        if not ret.found:
            return None
        kind = member(DomainBlockJobType, ret.type)
        return BlockJobInfo(kind, ret.bandwidth, ret.cur, ret.end)

    async def job_abort(self, disk: str, flags: int = 0) -> None:
        """Ends it, or pivots (:class:`~virloom.enums.domain.DomainBlockJobAbortFlags`)."""
        args = p.DomainBlockJobAbortArgs(self._dom, disk, flags)
        await self._link.call(p.DOMAIN_BLOCK_JOB_ABORT, args)

    async def job_set_speed(self, disk: str, bandwidth: int, flags: int = 0) -> None:
        """Limits it, in MiB/s (or bytes/s, by :class:`DomainBlockJobSetSpeedFlags`)."""
        args = p.DomainBlockJobSetSpeedArgs(self._dom, disk, bandwidth, flags)
        await self._link.call(p.DOMAIN_BLOCK_JOB_SET_SPEED, args)

    async def _io_tune(self, disk: str | None, number: int, flags: int) -> Any:
        args = p.DomainGetBlockIoTuneArgs(self._dom, disk, number, flags)
        return await self._link.call(p.DOMAIN_GET_BLOCK_IO_TUNE, args)

    async def _blkio(self, number: int, flags: int) -> Any:
        args = p.DomainGetBlkioParametersArgs(self._dom, number, flags)
        return await self._link.call(p.DOMAIN_GET_BLKIO_PARAMETERS, args)
