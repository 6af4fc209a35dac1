# SPDX-License-Identifier: Apache-2.0
"""Backups of block nodes, and the NBD server that they are pulled from.

QEMU's ``blockdev-backup`` (qapi/block-core.json), ``nbd-server-start`` (qapi/block-export.json).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, NamedTuple

from virloom.drivers.qemu.monitor.commands.answer import reading
from virloom.drivers.qemu.monitor.commands.jobs import KEPT

if TYPE_CHECKING:
    from virloom.drivers.qemu.process.running import RunningGuest


class JobProgress(NamedTuple):
    """How far a job is, in bytes; also of one that has concluded."""

    done: int
    whole: int


def backup_action(
    id: str, node: str, target: str, *, sync: str, bitmap: str | None = None
) -> dict[str, Any]:
    """The action of a transaction that begins a backup.

    Args:
        sync: ``full``; ``incremental``, what *bitmap* of the node has; or ``none``: the target
            gets what the guest is about to overwrite.
    """
    data: dict[str, Any] = {"job-id": id, "device": node, "target": target, "sync": sync, **KEPT}
    if bitmap is not None:
        data["bitmap"] = bitmap
    return {"type": "blockdev-backup", "data": data}


async def nbd_server_start(
    running: RunningGuest, address: Mapping[str, Any], credentials: str | None
) -> None:
    """Begins to listen.

    Args:
        address: QEMU's ``SocketAddressLegacy``.
        credentials: QEMU's name of the certificates, if it is to encrypt.

    Raises:
        InternalError: QEMU cannot, or listens already.
    """
    arguments: dict[str, Any] = {"addr": address}
    if credentials is not None:
        arguments["tls-creds"] = credentials
    await running.execute("nbd-server-start", arguments)


async def block_export_add(running: RunningGuest, node: str, name: str, bitmap: str | None) -> None:
    """Shows a node, read-only, under a name; a bitmap of it as ``qemu:dirty-bitmap:BITMAP``.

    Raises:
        InternalError: QEMU refuses.
    """
    arguments: dict[str, Any] = {
        "type": "nbd",
        "id": export_id(node),
        "node-name": node,
        "name": name,
        "writable": False,
    }
    if bitmap is not None:
        arguments["bitmaps"] = [bitmap]
    await running.execute("block-export-add", arguments)


def export_id(node: str) -> str:
    """QEMU's name of the export of a node, as libvirt calls it."""
    return f"libvirt-nbd-{node}"


async def query_exports(running: RunningGuest) -> set[str]:
    """The names of all exports."""
    answer = await running.execute("query-block-exports")
    with reading("query-block-exports"):
        return {str(export["id"]) for export in answer}


async def query_progress(running: RunningGuest) -> dict[str, JobProgress]:
    """How far all jobs are, by their names."""
    answer = await running.execute("query-jobs")
    with reading("query-jobs"):
        return {
            str(job["id"]): JobProgress(int(job["current-progress"]), int(job["total-progress"]))
            for job in answer
        }
