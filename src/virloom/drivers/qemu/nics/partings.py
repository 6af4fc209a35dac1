# SPDX-License-Identifier: Apache-2.0
"""Who is told that a guest's tap has gone: Open vSwitch, or the script that its card names.

``run/…/qemu/NAME.partings`` lists them before they first hear of the tap. What cannot be told
stays on the list, for the next opening of the driver.
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from virloom.drivers.qemu.domain import Guest
from virloom.drivers.qemu.nics import openvswitch
from virloom.drivers.qemu.nics.held import partings_of
from virloom.drivers.qemu.nics.scripts import run_script
from virloom.drivers.qemu.validate.switch_ports import is_on_openvswitch
from virloom.errors import ConfigUnsupported, VirloomError
from virloom.model.domain import Interface

if TYPE_CHECKING:
    from virloom.drivers.qemu.driver import QemuDriver

logger = logging.getLogger(__name__)

#: What an entry begins with: the rest is the guest's UUID, or the path of the script.
_SWITCH, _SCRIPT = "openvswitch ", "script "


async def introduce(driver: QemuDriver, guest: Guest, card: Interface) -> None:
    """Tells whoever has to know that the card's tap is there.

    Raises:
        ConfigUnsupported: The guests' network is one apart from that of Open vSwitch.
        VirloomError: They would not have it.
    """
    tap, listed = card.target.dev or "", partings_of(driver, guest.name)
    if is_on_openvswitch(card):
        if driver.space is not None:
            raise ConfigUnsupported(
                f"bridge '{card.source.bridge}' of Open vSwitch is the host's: guests of this "
                "root have a network of their own"
            )
        listed.add(tap, f"{_SWITCH}{guest.uuid_text}")
        await openvswitch.plug(card, guest.uuid_text)
    if card.type != "ethernet":
        return
    if card.downscript.path:
        listed.add(tap, f"{_SCRIPT}{card.downscript.path}")
    if card.script.path:
        await run_script(driver, card.script.path, tap)


async def part(driver: QemuDriver, name: str, only: str | None = None) -> None:
    """Tells them that the guest's taps have gone.

    Args:
        only: The tap that is meant; None means all.

    Raises:
        VirloomError: Open vSwitch cannot be told; it stays on the list.
    """
    listed = partings_of(driver, name)
    failed: VirloomError | None = None
    for tap, entry in listed.all.items():
        if only not in (None, tap):
            continue
        try:
            await _tell(driver, name, tap, entry)
        except VirloomError as exc:
            failed = exc
        else:
            listed.remove(tap)
    if failed is not None:
        raise failed


async def _tell(driver: QemuDriver, name: str, tap: str, entry: str) -> None:
    if entry.startswith(_SWITCH):
        await openvswitch.unplug(tap, entry.removeprefix(_SWITCH))
    elif entry.startswith(_SCRIPT):
        try:
            await run_script(driver, entry.removeprefix(_SCRIPT), tap)
        except VirloomError as exc:  # as in libvirt nothing more comes of it
            logger.error("domain '%s': %s", name, exc)
