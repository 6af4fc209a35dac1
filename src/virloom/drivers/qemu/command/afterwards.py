# SPDX-License-Identifier: Apache-2.0
"""What no option can say: commands for the monitor before the guest runs."""

from __future__ import annotations

import calendar
import time
from typing import Any

from virloom.drivers.qemu.devices.props.address import alias_of
from virloom.errors import XmlError
from virloom.model.domain import Disk, Domain

Command = tuple[str, dict[str, Any]]

_WHAT = {"bps": "total_bytes", "bps_rd": "read_bytes", "bps_wr": "write_bytes"}
_WHAT |= {"iops": "total_iops", "iops_rd": "read_iops", "iops_wr": "write_iops"}
#: QEMU's names of limits to the model's.
_LIMITS = {name: f"{field}_sec" for name, field in _WHAT.items()}
_LIMITS |= {f"{name}_max": f"{field}_sec_max" for name, field in _WHAT.items()}
_LENGTHS = {f"{name}_length": f"{field}_length" for name, field in _LIMITS.items() if "max" in name}


def monitor_commands(dom: Domain) -> list[Command]:
    """Name and arguments of each command; none needs the answer of another.

    Display passwords are not among them: they go the same way, but never into a list that may be
    shown. A password's end of validity is.

    Raises:
        XmlError: A moment that is none.
    """
    commands: list[Command] = []
    for interface in dom.devices.interfaces:
        if interface.link.state == "down":
            name = alias_of(interface, "network interface")
            commands.append(("set_link", {"name": name, "up": False}))
    commands += [throttling(disk) for disk in dom.devices.disks if is_throttled(disk)]
    balloon = dom.devices.memballoon
    if balloon is not None and balloon.model not in (None, "none") and balloon.stats.period:
        interval = {
            "path": f"/machine/peripheral/{alias_of(balloon, 'memory balloon')}",
            "property": "guest-stats-polling-interval",
            "value": balloon.stats.period,
        }
        commands.append(("qom-set", interval))
    for graphics in dom.devices.graphics:
        protected = graphics.type in ("vnc", "spice") and graphics.passwd is not None
        if protected and graphics.passwd_valid_to:
            moment = str(_seconds(graphics.passwd_valid_to))
            commands.append(("expire_password", {"protocol": graphics.type, "time": moment}))
    return commands


def is_throttled(disk: Disk) -> bool:
    """Whether the document limits the disk."""
    return any(getattr(disk.iotune, name) for name in _LIMITS.values())


def throttling(disk: Disk) -> Command:
    """The command that sets all limits of a disk; one that is 0 is none."""
    alias = alias_of(disk, f"disk '{disk.target.dev}'")
    # The block back end of a virtio disk belongs to the device within the PCI function.
    virtio = disk.target.bus == "virtio"
    name = f"/machine/peripheral/{alias}/virtio-backend" if virtio else alias
    arguments: dict[str, Any] = {"id": name}
    arguments |= {name: getattr(disk.iotune, field) or 0 for name, field in _LIMITS.items()}
    for name, field in _LENGTHS.items():
        value = getattr(disk.iotune, field)
        if value:
            arguments[name] = value
    if disk.iotune.size_iops_sec:
        arguments["iops_size"] = disk.iotune.size_iops_sec
    arguments["group"] = disk.iotune.group_name or f"drive-{alias}"
    return "block_set_io_throttle", arguments


def _seconds(moment: str) -> int:
    """Seconds since the epoch of a moment in UTC, as documents write it."""
    try:
        return calendar.timegm(time.strptime(moment, "%Y-%m-%dT%H:%M:%S"))
    except ValueError as error:
        raise XmlError(f"cannot parse password validity time '{moment}'") from error
