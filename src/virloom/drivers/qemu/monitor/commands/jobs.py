# SPDX-License-Identifier: Apache-2.0
"""QEMU's jobs (qapi/job.json) and block jobs (qapi/block-core.json)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from virloom.drivers.qemu.monitor.client import QmpError
from virloom.drivers.qemu.monitor.commands.answer import reading
from virloom.enums.error import ErrorDomain
from virloom.errors import OperationFailed

if TYPE_CHECKING:
    from virloom.drivers.qemu.process.running import RunningGuest

#: Every job stays until it is dismissed, so that its end is never missed.
KEPT = {"auto-dismiss": False}


class JobInfo(NamedTuple):
    """A job.

    Attributes:
        status: Of ``JobStatus``: ``running``, ``ready``, ``concluded``, ...
        error: Why it failed; None unless it did.
    """

    id: str
    status: str
    error: str | None


class BlockJobInfo(NamedTuple):
    """How far a block job is.

    Attributes:
        speed: Bytes in a second at most; 0 is no limit.
        offset, length: Of what it copies; both grow while the guest writes.
        ready: Whether both images are the same.
    """

    id: str
    speed: int
    offset: int
    length: int
    ready: bool


async def query_jobs(running: RunningGuest) -> dict[str, JobInfo]:
    """All jobs by their names."""
    answer = await running.execute("query-jobs")
    with reading("query-jobs"):
        return {
            str(job["id"]): JobInfo(str(job["id"]), str(job["status"]), job.get("error"))
            for job in answer
        }


async def query_block_jobs(running: RunningGuest) -> dict[str, BlockJobInfo]:
    """How far all block jobs are, by their names."""
    answer = await running.execute("query-block-jobs")
    with reading("query-block-jobs"):
        return {
            str(job["device"]): BlockJobInfo(
                str(job["device"]),
                int(job["speed"]),
                int(job["offset"]),
                int(job["len"]),
                bool(job["ready"]),
            )
            for job in answer
        }


async def job_dismiss(running: RunningGuest, id: str) -> None:
    """Has QEMU forget a job that has concluded; one that it has forgotten is no error."""
    try:
        await running.execute("job-dismiss", {"id": id})
    except QmpError as exc:
        if exc.kind != "DeviceNotActive" and "not found" not in exc.description.lower():
            raise


async def job_finalize(running: RunningGuest, id: str) -> None:
    """Has a job that is pending change the chain, and end."""
    await running.execute("job-finalize", {"id": id})


async def flush_node(running: RunningGuest, node: str) -> None:
    """Has QEMU write down all that it keeps of a node's image in its memory.

    Raises:
        OperationFailed: It cannot.
    """
    line = f"qemu-io {node} flush"
    told = await running.execute("human-monitor-command", {"command-line": line})
    if str(told).strip():
        raise OperationFailed(f"cannot flush '{node}': {told}", domain=ErrorDomain.QEMU)


async def job_complete(running: RunningGuest, id: str) -> None:
    """Has a job that is ready pivot to the copy."""
    await running.execute("job-complete", {"id": id})


async def block_job_cancel(running: RunningGuest, id: str) -> None:
    """Ends a block job; of one that is ready the copy is left as it is at a moment."""
    await running.execute("block-job-cancel", {"device": id})


async def block_job_set_speed(running: RunningGuest, id: str, speed: int) -> None:
    """Limits a block job to so many bytes in a second; 0 is no limit."""
    await running.execute("block-job-set-speed", {"device": id, "speed": speed})


def stream(id: str, node: str, **more: Any) -> tuple[str, dict[str, Any]]:
    """``block-stream``: what is behind *node*, down to ``base-node``, is copied into it.

    It waits for :func:`job_finalize`.
    """
    arguments = {"device": node, "job-id": id, **_given(more), **KEPT}
    return "block-stream", {**arguments, "auto-finalize": False}


def commit(
    id: str, node: str, top: str, base: str, *, active: bool, **more: Any
) -> tuple[str, dict[str, Any]]:
    """``block-commit``: the images from *top* to above *base* are written into that.

    Unless the guest writes to *top* (*active*), it waits for :func:`job_finalize`.
    """
    arguments = {"device": node, "job-id": id, "top-node": top, "base-node": base}
    waits = {"auto-finalize": active}
    return "block-commit", {**arguments, **_given(more), **KEPT, **waits}


def mirror(id: str, node: str, target: str, sync: str, **more: Any) -> tuple[str, dict[str, Any]]:
    """``blockdev-mirror``: *target* becomes and stays the same as *node*.

    Args:
        sync: ``full``, or ``top`` for the topmost image alone.
    """
    arguments = {"job-id": id, "device": node, "target": target, "sync": sync}
    return "blockdev-mirror", {**arguments, **_given(more), **KEPT}


def create(id: str, options: dict[str, Any]) -> tuple[str, dict[str, Any]]:
    """``blockdev-create``: an image is formatted."""
    return "blockdev-create", {"job-id": id, "options": options}


def _given(more: dict[str, Any]) -> dict[str, Any]:
    """Arguments by QEMU's names, without those that are not given."""
    return {name.replace("_", "-"): value for name, value in more.items() if value is not None}
