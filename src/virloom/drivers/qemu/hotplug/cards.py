# SPDX-License-Identifier: Apache-2.0
"""The host's end of a network card that is plugged in or taken out."""

from __future__ import annotations

import logging
from collections.abc import Callable
from contextlib import ExitStack
from typing import TYPE_CHECKING

from virloom.drivers.qemu.nics.held import filters_of, partings_of, ports_of
from virloom.drivers.qemu.process.running import RunningGuest
from virloom.errors import VirloomError
from virloom.host.release import release
from virloom.host.traffic import companion
from virloom.model.domain import Device, Domain, Interface

if TYPE_CHECKING:
    from virloom.drivers.qemu.driver import QemuDriver

logger = logging.getLogger(__name__)

#: Kinds of resources (:mod:`virloom.host.release`) that are links of the host.
_LINKS = ("link", "macvtap")


async def cards(
    driver: QemuDriver, running: RunningGuest, only: Domain, opened: ExitStack
) -> dict[str, int]:
    """Connects the card that is plugged in, if it is one; as at a start.

    Args:
        only: The guest with nothing but what is plugged in.
        opened: Closes our copies.

    Returns:
        The descriptors, by the keys of the command line.

    Raises:
        VirloomError: The network has no port for it, or the tap cannot be made.
    """
    if not only.devices.interfaces:
        return {}
    from virloom.drivers.qemu.nics.connecting import connect

    kvm = running.model.type == "kvm"
    cards = only.devices.interfaces
    return await connect(driver, running.guest, running.record, cards, opened, kvm=kvm)


async def leave_network(driver: QemuDriver, running: RunningGuest, device: Device) -> None:
    """Gives back the port of a card that was taken out, or did not get in, and its links.

    Where the network driver is away the port stays on the guest's list.
    """
    if not isinstance(device, Interface):
        return
    if device.filterref is not None:
        await _unbind(driver, running, device.target.dev or "")
    if device.virtualport is not None or device.downscript.path is not None:
        await _part(driver, running, device.target.dev or "")
    if device.source.portid is not None:
        await _give_back(driver, running, device.source.portid)
    tap = device.target.dev or ""
    _release_links(running, lambda name: name in (tap, companion(tap)))


def _release_links(running: RunningGuest, unused: Callable[[str], bool]) -> None:
    """Removes links that outlive QEMU: macvtaps, and what limited the traffic of others."""
    resources = running.record.resources
    held = [one for one in resources if one["kind"] in _LINKS and unused(one["path"])]
    failed = release(held)
    if failed:
        logger.error("domain '%s': cannot release %s", running.guest.name, failed)
    else:
        resources[:] = [one for one in resources if one not in held]


async def settle_cards(driver: QemuDriver, running: RunningGuest) -> None:
    """Gives back what an earlier owner had for cards that it was about to plug in, and did not.

    Cards that are there catch up with their guest.
    """
    cards = running.model.devices.interfaces
    taps = {card.target.dev or "" for card in cards}
    used = taps | {companion(tap) for tap in taps}
    _release_links(running, lambda name: name not in used)
    for tap in filters_of(driver, running.guest.name).all:
        if tap not in taps:
            await _unbind(driver, running, tap)
    for tap in partings_of(driver, running.guest.name).all:
        if tap not in taps:
            await _part(driver, running, tap)
    await _follow(running)
    await give_back_unused(driver, running)


async def give_back_unused(driver: QemuDriver, running: RunningGuest) -> None:
    """Gives back the ports that none of the guest's cards has."""
    there = {card.source.portid for card in running.model.devices.interfaces}
    for port in ports_of(driver, running.guest.name).all:
        if port not in there:
            await _give_back(driver, running, port)


async def _follow(running: RunningGuest) -> None:
    """Has macvtaps let in what their guests came to want while nobody heard of it."""
    from virloom.drivers.qemu.nics.receive_filters import follow_trusted

    try:
        await follow_trusted(running)
    except VirloomError as exc:
        logger.warning("domain '%s': %s", running.guest.name, exc)


async def _give_back(driver: QemuDriver, running: RunningGuest, port: str) -> None:
    from virloom.drivers.qemu.nics.ports import give_back

    try:
        await give_back(driver, running.guest.name, port)
    except VirloomError as exc:
        logger.warning("domain '%s': a port is not given back: %s", running.guest.name, exc)


async def _unbind(driver: QemuDriver, running: RunningGuest, tap: str) -> None:
    from virloom.drivers.qemu.nics.filters import unbind

    try:
        await unbind(driver, running.guest.name, tap)
    except VirloomError as exc:
        logger.warning("domain '%s': a filter is not taken away: %s", running.guest.name, exc)


async def _part(driver: QemuDriver, running: RunningGuest, tap: str) -> None:
    from virloom.drivers.qemu.nics.partings import part

    try:
        await part(driver, running.guest.name, tap)
    except VirloomError as exc:
        logger.warning("domain '%s': '%s' is not taken out: %s", running.guest.name, tap, exc)
