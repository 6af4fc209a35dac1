# SPDX-License-Identifier: Apache-2.0
"""The password of a display is changed while the guest runs; where it listens stays."""

from __future__ import annotations

import calendar
import time
from collections.abc import Iterator
from typing import TYPE_CHECKING

from virloom.drivers.qemu.admission import emulator_of
from virloom.drivers.qemu.capabilities import BinaryCaps
from virloom.drivers.qemu.definition import prepare_definition
from virloom.drivers.qemu.hotplug.fragment import Fragment
from virloom.drivers.qemu.process.running import RunningGuest
from virloom.enums.error import ErrorDomain
from virloom.errors import DeviceMissing, OperationUnsupported
from virloom.model.domain import Graphics, Listen

if TYPE_CHECKING:
    from virloom.drivers.qemu.driver import QemuDriver

#: What is taken from the new document; what else of it may differ is passed over, as by libvirt.
_TAKEN = ("passwd", "passwd_valid_to", "connected")


async def update_graphics(driver: QemuDriver, running: RunningGuest, changed: Fragment) -> None:
    """Changes a display; a job that changes the domain is held.

    Raises:
        DeviceMissing: There is none of that type.
        OperationUnsupported: This of it is not changed while the guest runs.
        VirloomError: What a definition with it would be refused for.
    """
    new = changed.device
    among: list[Graphics] = running.model.devices.graphics
    display = next((found for found in among if found.type == new.type), None)
    if display is None:
        raise DeviceMissing(f"there is no display of type '{new.type}'", domain=ErrorDomain.QEMU)

    def completed(caps: BinaryCaps) -> None:
        draft = running.model.copy()
        draft.devices.graphics = [new if found is display else found for found in among]
        prepare_definition(draft, caps, config=driver.config, directories=driver.directories)

    await driver.capabilities.apply(emulator_of(running.model), completed)
    for what in _differences(display, new):
        raise OperationUnsupported(
            f"{what} of a '{new.type}' display cannot be changed while the guest runs",
            domain=ErrorDomain.QEMU,
        )
    await _tell(running, display, new)
    for name in _TAKEN:
        setattr(display, name, getattr(new, name))
    running.set_document()
    running.save()


def _differences(display: Graphics, new: Graphics) -> Iterator[str]:
    if len(display.listens) != len(new.listens):
        yield "the number of listeners"
    if any(
        _place(old) != _place(asked)
        for old, asked in zip(display.listens, new.listens, strict=False)
    ):
        yield "where it listens"
    if display.type not in ("vnc", "spice"):
        return
    if bool(display.autoport) != bool(new.autoport):
        yield "autoport"
    ports = (display.port, display.tls_port) != (new.port, new.tls_port)
    if ports and display.listens[0].type not in ("socket", "none") and not new.autoport:
        yield "the port"
    if display.keymap != new.keymap:
        yield "the keymap"


def _place(listen: Listen) -> tuple[str | None, ...]:
    """Where a listener listens; of a network the address was found at the start."""
    address = None if listen.type == "network" else listen.address
    return listen.type, address, listen.network, listen.socket


async def _tell(running: RunningGuest, display: Graphics, new: Graphics) -> None:
    """Sets the password again when one of its limits is given, even if it is the same."""
    if new.passwd is None:
        return
    limited = new.passwd_valid_to or display.passwd_valid_to
    if new.passwd == display.passwd and new.connected == display.connected and not limited:
        return
    arguments = {"protocol": str(new.type), "password": new.passwd}
    if new.connected is not None:
        arguments["connected"] = new.connected
    await running.execute("set_password", arguments)
    moment = expiry(new.passwd_valid_to) if new.passwd_valid_to else "never"
    await running.execute("expire_password", {"protocol": str(new.type), "time": moment})


def expiry(moment: str) -> str:
    """The end of a password's validity, as QEMU takes it.

    Args:
        moment: In UTC, as documents write it; it has been checked.
    """
    seconds = calendar.timegm(time.strptime(moment, "%Y-%m-%dT%H:%M:%S"))
    return str(seconds) if seconds > time.time() else "now"
