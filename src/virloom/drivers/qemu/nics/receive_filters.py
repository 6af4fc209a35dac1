# SPDX-License-Identifier: Apache-2.0
"""The host's end of a card follows what the guest wants to receive, where its document allows it.

A macvtap lets in what is for its own address. A guest that takes another address, or joins a
group, hears nothing of it until its macvtap is told; only one that is trusted
(``trustGuestRxFilters='yes'``) may have that done, since the address is then any that it likes.
"""

from __future__ import annotations

import logging

from virloom.drivers.qemu.monitor.commands.network import RxFilter, query_rx_filter
from virloom.drivers.qemu.nics.taps import doing
from virloom.drivers.qemu.process.record import GuestRecord
from virloom.drivers.qemu.process.resources import alias_of
from virloom.drivers.qemu.process.running import RunningGuest
from virloom.host import links, receiving, taps
from virloom.model.domain import Interface

logger = logging.getLogger(__name__)


async def follow_trusted(running: RunningGuest) -> None:
    """Catches up with the guest's trusted cards, whose changes nobody saw.

    Raises:
        VirloomError: As :func:`follow`.
    """
    for card in running.model.devices.interfaces:
        if is_followed(card):
            await follow(running, card)


def is_followed(card: Interface) -> bool:
    """Whether the card's host end does as the guest says."""
    return card.type == "direct" and card.trust_guest_rx_filters is True


async def follow(running: RunningGuest, card: Interface) -> None:
    """Has the card's macvtap let in what the guest wants.

    QEMU tells of the next change only when it was asked about the last one.

    Raises:
        VirloomError: QEMU does not answer, the card has no such filter, or the kernel would not.
    """
    if running.monitor is None:
        return
    wanted = await query_rx_filter(running.monitor, alias_of(card))
    apply(running.record, card.target.dev or "", wanted)


def apply(record: GuestRecord, tap: str, wanted: RxFilter) -> None:
    """Sets address, modes and groups of a macvtap.

    Args:
        record: Of the guest; the new address is there before the macvtap has it, for whoever
            removes that by its address.

    Raises:
        SystemFailure: The kernel would not.
    """
    with doing(f"cannot have '{tap}' receive what its guest wants"):
        if links.address_of(tap) != wanted.mac:
            _note(record, tap, wanted.mac)
            taps.set_address(tap, wanted.mac)
        everything = wanted.multicast == "all" or wanted.overflow
        receiving.set_modes(tap, promiscuous=wanted.promiscuous, all_groups=everything)
        if wanted.multicast == "normal":
            receiving.set_groups(tap, wanted.multicast_table)


def _note(record: GuestRecord, tap: str, address: str) -> None:
    for resource in record.resources:
        if resource["kind"] == "macvtap" and resource["path"] == tap:
            taken = resource.setdefault("taken", [])
            if address not in taken:
                taken.append(address)
                record.save()
