# SPDX-License-Identifier: Apache-2.0
"""Limits of disks as QEMU's monitor has them (``BlockIOThrottle`` of qapi/block-core.json)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from virloom.drivers.qemu.devices.props.address import alias_of
from virloom.model.domain import Disk, IoTune

Command = tuple[str, dict[str, Any]]

_WHAT = {"bps": "total_bytes", "bps_rd": "read_bytes", "bps_wr": "write_bytes"}
_WHAT |= {"iops": "total_iops", "iops_rd": "read_iops", "iops_wr": "write_iops"}
#: QEMU's names of limits to the document's.
LIMITS = {name: f"{field}_sec" for name, field in _WHAT.items()}
LIMITS |= {f"{name}_max": f"{field}_sec_max" for name, field in _WHAT.items()}
LENGTHS = {f"{name}_length": f"{field}_length" for name, field in LIMITS.items() if "max" in name}


def is_throttled(disk: Disk) -> bool:
    """Whether the document limits the disk."""
    return any(getattr(disk.iotune, name) for name in LIMITS.values())


def has_medium(disk: Disk) -> bool:
    """Whether there is something to be limited: QEMU refuses it of an empty drive."""
    if disk.device not in ("cdrom", "floppy"):
        return True
    source = disk.source
    return (disk.type or "file") not in ("file", "block") or bool(source.file or source.dev)


def back_end(disk: Disk) -> str:
    """Where QEMU has the disk's block back end: a name of a device, or a path of one inside it."""
    alias = alias_of(disk, f"disk '{disk.target.dev}'")
    if disk.target.bus == "virtio":  # it is the device within the PCI function
        return f"/machine/peripheral/{alias}/virtio-backend"
    if disk.target.bus == "usb":  # usb-storage makes the SCSI disk itself
        return f"/machine/peripheral/{alias}/{alias}.0/legacy[0]"
    return alias


def throttling(disk: Disk, tune: IoTune | None = None) -> Command:
    """The command that sets all limits of a disk; one that is 0 is none.

    Args:
        tune: The limits; the disk's own by default.
    """
    tune = disk.iotune if tune is None else tune
    arguments: dict[str, Any] = {"id": back_end(disk)}
    arguments |= {name: getattr(tune, field) or 0 for name, field in LIMITS.items()}
    for name, field in LENGTHS.items():
        value = getattr(tune, field)
        if value:
            arguments[name] = value
    if tune.size_iops_sec:
        arguments["iops_size"] = tune.size_iops_sec
    if tune.group_name is not None:
        arguments["group"] = tune.group_name
    return "block_set_io_throttle", arguments


def throttled(inserted: Mapping[str, Any]) -> dict[str, int | str]:
    """The limits, by the document's names, from the medium in an answer to ``query-block``."""
    found: dict[str, int | str] = {
        field: int(inserted.get(name, 0)) for name, field in {**LIMITS, **LENGTHS}.items()
    }
    found["size_iops_sec"] = int(inserted.get("iops_size", 0))
    found["group_name"] = str(inserted.get("group", ""))
    return found
