# SPDX-License-Identifier: Apache-2.0
"""What a guest has to claim: images that it writes to, and leases that its document names."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from virloom.drivers.qemu.block.layers import Layer, layers_of
from virloom.drivers.qemu.locks.interface import Claim
from virloom.drivers.qemu.process.resources import alias_of
from virloom.model.domain import Disk, DiskSource, Domain
from virloom.model.domain.devices.lease import Lease

if TYPE_CHECKING:
    from virloom.drivers.qemu.backup.state import RunningBackup
    from virloom.drivers.qemu.process.running import RunningGuest


def while_running(model: Domain) -> list[Claim]:
    """What a guest needs whose CPUs run: the images that it may write to, and its leases."""
    disks = (claim_of_disk(disk) for disk in model.devices.disks)
    found = [claim for claim in disks if claim is not None]
    return [*found, *map(claim_of_lease, model.devices.leases)]


def of_jobs(running: RunningGuest) -> list[Claim]:
    """What is written to whether the CPUs run or not: by copies, commits and backups."""
    found = [claim for disk in running.model.devices.disks for claim in _of_jobs(running, disk)]
    if running.backup is not None:
        found += _of_backup(running.backup)
    return found


def _of_backup(backup: RunningBackup) -> Iterator[Claim]:
    for part in backup.parts:
        kind = "block" if backup.disk(part).type == "block" else "file"
        yield Claim(kind, part.path)


def _of_jobs(running: RunningGuest, disk: Disk) -> Iterator[Claim]:
    if disk.mirror is not None:
        yield from _claims(disk, disk.mirror.type or "file", disk.mirror.source)
    written = running.record.runtime.get("written", {}).get(alias_of(disk), ())
    for layer in layers_of(running, disk) if written else ():
        if layer.number in written:
            yield from _claims(disk, layer.kind, layer.source)


def claim_of_disk(disk: Disk) -> Claim | None:
    """The image that the guest writes to; None for a drive without one, or that only reads."""
    if disk.readonly or disk.device == "cdrom":
        return None
    return next(_claims(disk, disk.type or "file", disk.source), None)


def claim_of_layer(disk: Disk, layer: Layer) -> Claim | None:
    """An image that is going to be one of the disk's; None for what nobody has leases of."""
    return next(_claims(disk, layer.kind, layer.source), None)


def claim_of_lease(lease: Lease) -> Claim:
    """What a document asks for by name."""
    return Claim(
        "lease",
        lease.target.path or "",
        lockspace=lease.lockspace or "",
        key=lease.key or "",
        offset=lease.target.offset or 0,
    )


def _claims(disk: Disk, kind: str, source: DiskSource) -> Iterator[Claim]:
    path = source.file or source.dev
    if path and not source.fdgroup:
        yield Claim("block" if source.dev else "file", path, shared=disk.shareable)
    elif kind == "network" and source.name:
        yield Claim("network", f"{source.protocol}:{source.name}", shared=disk.shareable)
