# SPDX-License-Identifier: Apache-2.0
"""Watchdogs and what happens when they expire."""

from __future__ import annotations

from virloom.drivers.qemu.command.assembly import Assembly
from virloom.drivers.qemu.devices.props.watchdog import watchdog_device

#: Actions whose work the driver does: QEMU only stops the guest for it.
_BY_DRIVER = {"dump": "pause"}


def add_watchdogs(assembly: Assembly) -> None:
    """Every watchdog, and the action of the first: QEMU has one for all."""
    watchdogs = assembly.dom.devices.watchdogs
    for watchdog in watchdogs:
        assembly.args.device(watchdog_device(watchdog, assembly.buses))
    if watchdogs:
        action = watchdogs[0].action or "reset"
        assembly.args.option("watchdog-action", _BY_DRIVER.get(action, action))
