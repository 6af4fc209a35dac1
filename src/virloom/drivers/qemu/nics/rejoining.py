# SPDX-License-Identifier: Apache-2.0
"""Cards whose network was stopped, and started again, while their guest runs.

A network that stops has neither bridge nor ports any more; the taps of its guests stay, and lead
nowhere. As soon as it is there again, each of its cards asks for a port under the same name, and
its tap joins the bridge. libvirt does that when its daemon is started again, and not before.
"""

from __future__ import annotations

import logging
from contextlib import nullcontext
from typing import TYPE_CHECKING

from virloom.drivers.qemu.devices.passed import is_function
from virloom.drivers.qemu.nics.ports import port_again
from virloom.drivers.qemu.nics.taps import announce, join, leave
from virloom.drivers.qemu.process.running import RunningGuest
from virloom.drivers.qemu.validate.switch_ports import is_on_openvswitch
from virloom.drivers.runtime.jobs import Job
from virloom.endpoint.endpoint import Endpoint
from virloom.errors import VirloomError
from virloom.host import links
from virloom.model.domain import Interface

if TYPE_CHECKING:
    from virloom.drivers.qemu.driver import QemuDriver

logger = logging.getLogger(__name__)


async def rejoin(driver: QemuDriver, network: str | None = None) -> None:
    """Has every card that has lost its port get it again.

    Args:
        network: The one that is meant; None means all.

    Raises:
        VirloomError: The network driver cannot be reached.
    """
    guests = [guest for guest in driver.guests if _cards(guest.running, network)]
    if not guests:
        return
    async with driver.networks.used() as networks:
        for guest in guests:
            async with guest.jobs.hold(Job.MODIFY, "ports of networks"):
                if guest.running is not None:
                    await _rejoin_guest(driver, networks, guest.running, network)


def _cards(running: RunningGuest | None, network: str | None) -> list[Interface]:
    """The guest's cards that have a port, of that network if one is meant."""
    if running is None:
        return []
    return [
        card
        for card in running.model.devices.interfaces
        if card.source.portid is not None and network in (None, card.source.network)
    ]


async def _rejoin_guest(
    driver: QemuDriver, networks: Endpoint, running: RunningGuest, network: str | None
) -> None:
    changed = False
    for card in _cards(running, network):
        try:
            changed = await _rejoin_card(driver, networks, running, card) or changed
        except VirloomError as exc:
            logger.warning(
                "domain '%s': '%s' is not on network '%s': %s",
                running.guest.name, card.target.dev, card.source.network, exc.message,
            )  # fmt: skip
    if changed:
        running.set_document()
        running.save()


async def _rejoin_card(
    driver: QemuDriver, networks: Endpoint, running: RunningGuest, card: Interface
) -> bool:
    """Whether the card had lost its port, or its tap its bridge."""
    guest = running.guest
    port, lost = await port_again(driver, networks, guest.name, guest.uuid_text, card)
    if is_function(card) or is_on_openvswitch(card):
        return lost  # whose wire is their own; whose database keeps ports
    tap, bridge = card.target.dev or "", port.plug.bridge
    with driver.space.entered() if driver.space is not None else nullcontext():
        now = links.bridge_of(tap)
        if bridge is None or now == bridge:
            return lost
        if now is not None:  # somebody moved it, or a kill came into a move to another network
            leave(card)
        join(card, bridge)
        if port.plug.mac_table_manager == "libvirt":
            announce(card)
    return True
