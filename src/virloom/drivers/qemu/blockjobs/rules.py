# SPDX-License-Identifier: Apache-2.0
"""What is refused while a disk has a job, and which disks can have one."""

from __future__ import annotations

from collections.abc import Sequence

from virloom.drivers.qemu.block.layers import Layer, layers_of
from virloom.drivers.qemu.blockjobs.job import job_of
from virloom.drivers.qemu.process.running import RunningGuest
from virloom.enums.error import ErrorDomain
from virloom.errors import BlockCopyActive, InvalidArg, OperationUnsupported
from virloom.model.domain import Disk


def check_idle(running: RunningGuest, disk: Disk) -> None:
    """Refuses what changes a disk that a job works on.

    Raises:
        BlockCopyActive: It is being copied.
        OperationUnsupported: Another job works on it.
    """
    job = job_of(running, disk)
    if job is None:
        return
    refusal = BlockCopyActive if job.mirrors else OperationUnsupported
    raise refusal(f"disk '{disk.target.dev}' already in active block job", domain=ErrorDomain.QEMU)


def chain_for_job(running: RunningGuest, disk: Disk) -> Sequence[Layer]:
    """The images of a disk that a job can work on.

    Raises:
        OperationUnsupported: Its image is in another process, or QEMU has no node of it.
        InvalidArg: There is no medium in the drive.
    """
    layers = layers_of(running, disk)
    if layers:
        return layers
    if disk.type == "vhostuser" or disk.target.bus == "sd":
        raise OperationUnsupported(
            f"block jobs are not supported on disk '{disk.target.dev}'", domain=ErrorDomain.QEMU
        )
    raise InvalidArg(f"disk '{disk.target.dev}' has no source", domain=ErrorDomain.QEMU)
