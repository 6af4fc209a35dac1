# SPDX-License-Identifier: Apache-2.0
"""What no option can say: commands for the monitor before the guest runs."""

from __future__ import annotations

import calendar
import time

from virloom.drivers.qemu.command.throttling import Command, has_medium, is_throttled, throttling
from virloom.drivers.qemu.devices.props.address import alias_of
from virloom.errors import XmlError
from virloom.model.domain import Domain


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
    for disk in dom.devices.disks:
        if is_throttled(disk) and has_medium(disk):
            commands.append(throttling(disk))
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


def _seconds(moment: str) -> int:
    """Seconds since the epoch of a moment in UTC, as documents write it."""
    try:
        return calendar.timegm(time.strptime(moment, "%Y-%m-%dT%H:%M:%S"))
    except ValueError as error:
        raise XmlError(f"cannot parse password validity time '{moment}'") from error
