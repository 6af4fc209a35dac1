# SPDX-License-Identifier: Apache-2.0
"""QEMU's migration stream through a descriptor: out of a guest, and into one."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from virloom.drivers.qemu.monitor.client import QmpError
from virloom.drivers.qemu.process.progress import LongJob
from virloom.drivers.qemu.process.running import RunningGuest
from virloom.enums.domain import DomainJobOperation
from virloom.enums.error import ErrorDomain
from virloom.errors import InternalError, OperationAborted, OperationFailed

_NAME = "virloom-state"
_URI = f"fd:{_NAME}"
#: Bytes per second: as fast as the disk takes them. QEMU's limit of an unlimited one.
_UNLIMITED = 9223372036853727232
_EVENTS = {"capabilities": [{"capability": "events", "state": True}]}


async def write_state(running: RunningGuest, job: LongJob, fd: int) -> None:
    """Lets QEMU write the state of a stopped guest, and returns when it has.

    Raises:
        OperationAborted: Somebody cancelled *job*.
        OperationFailed: QEMU failed.
    """
    monitor = running.require_monitor()
    await running.execute("migrate-set-capabilities", _EVENTS)
    await running.execute("migrate-set-parameters", {"max-bandwidth": _UNLIMITED})
    await monitor.execute("getfd", {"fdname": _NAME}, fds=[fd])
    try:
        await running.execute("migrate", {"uri": _URI})
    except QmpError:
        monitor.submit("closefd", {"fdname": _NAME})
        raise
    job.can_cancel = True
    try:
        if job.cancelled:  # before there was anything to cancel
            await running.execute("migrate_cancel")
        await _until_done(running, job)
    finally:
        job.can_cancel = False


async def read_state(running: RunningGuest, fd: int) -> None:
    """Gives a QEMU that waits for it a guest's state, and returns when it is in.

    Raises:
        InternalError: It cannot be loaded; QEMU ends, and its last words say why.
    """
    await running.require_monitor().execute("getfd", {"fdname": _NAME}, fds=[fd])
    await running.execute("migrate-set-capabilities", _EVENTS)
    await running.execute("migrate-incoming", {"uri": _URI})
    while True:
        told = await _next(running)
        if told.get("status") == "completed":
            return
        if told.get("status") == "failed":
            raise InternalError(
                _reason(told, "the state cannot be loaded"), domain=ErrorDomain.QEMU
            )


async def write_memory(running: RunningGuest, job: LongJob, fd: int, format: str) -> None:
    """Lets QEMU write a core file of a guest, which it stops meanwhile.

    Raises:
        OperationFailed: QEMU failed.
    """
    await running.require_monitor().execute("getfd", {"fdname": _NAME}, fds=[fd])
    arguments = {"paging": False, "protocol": _URI, "format": format, "detach": True}
    running.progressed.clear()
    await running.execute("dump-guest-memory", arguments)
    job.query, job.can_cancel = "query-dump", True
    try:
        error = await _dumped(running, job)
    finally:
        job.can_cancel = False
    if error is not None:
        raise OperationFailed(f"memory-only dump failed: {error}", domain=ErrorDomain.QEMU)


async def _dumped(running: RunningGuest, job: LongJob) -> str | None:
    """What went wrong, if anything did, once a dump has ended."""
    while True:
        await running.progressed.wait()
        running.progressed.clear()
        job.told = await running.execute("query-dump")
        if job.told["status"] == "completed":
            return None
        if job.told["status"] == "failed":
            return running.dump_error or "unknown error"


async def cancel(running: RunningGuest) -> None:
    """Ends what QEMU is still writing, for whoever takes the guest over; returns when it has."""
    if (await running.execute("query-dump"))["status"] == "active":
        await _dumped(running, LongJob(DomainJobOperation.DUMP))  # nothing can cut it short
    told = await running.execute("query-migrate")
    if told.get("status") not in ("active", "setup", "device", "cancelling", "pre-switchover"):
        return
    await running.execute("migrate_cancel")
    while (await _next(running)).get("status") == "cancelling":
        pass


async def _until_done(running: RunningGuest, job: LongJob) -> None:
    while True:
        told = await _next(running)
        job.told = told if "ram" in told else {**job.told, **told}
        match told.get("status"):
            case "completed":
                return
            case "cancelled":
                raise cancelled(job)
            case "failed" if job.cancelled:  # what it wrote to has gone
                raise cancelled(job)
            case "failed":
                raise OperationFailed(
                    f"{_name(job)}: {_reason(told, 'unexpectedly failed')}", domain=ErrorDomain.QEMU
                )


async def _next(running: RunningGuest) -> Mapping[str, Any]:
    """How the stream stands now that something about it has changed."""
    await running.progressed.wait()
    running.progressed.clear()
    told: Mapping[str, Any] = await running.execute("query-migrate")
    return told


def cancelled(job: LongJob) -> OperationAborted:
    """What the caller of a job is told that somebody else has ended."""
    return OperationAborted(f"{_name(job)}: canceled by client", domain=ErrorDomain.QEMU)


def _name(job: LongJob) -> str:
    return f"domain {job.operation.name.lower()} job"


def _reason(told: Mapping[str, Any], otherwise: str) -> str:
    return str(told.get("error-desc") or otherwise)
