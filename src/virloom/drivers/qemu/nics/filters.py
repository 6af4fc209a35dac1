# SPDX-License-Identifier: Apache-2.0
"""Filters of a guest's cards, put to work by the driver of filters before the guest runs.

A binding is known by the name of the tap, which another guest may have next: it is taken away only
while it says that it is this guest's.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from virloom.drivers.qemu.domain import Guest
from virloom.drivers.qemu.nics.held import filters_of
from virloom.endpoint.endpoint import Endpoint
from virloom.enums.error import ErrorDomain
from virloom.errors import ConfigUnsupported
from virloom.model.domain import Interface
from virloom.model.nwfilter import FilterBinding
from virloom.model.nwfilter.reference import FilterParameter
from virloom.procedures import nwfilter as p
from virloom.xml import format_document, parse_document

if TYPE_CHECKING:
    from virloom.drivers.qemu.driver import QemuDriver

#: Kinds of cards whose packets pass a tap that rules can be about.
_FILTERED = ("network", "bridge", "ethernet")


async def bind_filters(driver: QemuDriver, guest: Guest, cards: Iterable[Interface]) -> None:
    """Puts the filters of cards to work; the taps are there, and nothing has passed them yet.

    Raises:
        ConfigUnsupported: A card of another kind has a filter.
        VirloomError: There is no driver of filters or no such filter, or the kernel would not.
    """
    filtered = [card for card in cards if card.filterref is not None]
    if not filtered:
        return
    for card in filtered:
        if card.type not in _FILTERED:
            raise ConfigUnsupported(
                f"filterref is not supported for network interfaces of type {card.type}",
                domain=ErrorDomain.QEMU,
            )
    listed = filters_of(driver, guest.name)
    async with driver.filters.used() as filters:
        for card in filtered:
            listed.add(card.target.dev or "", guest.uuid_text)
            args = p.NwfilterBindingCreateXMLArgs(format_document(_binding(guest, card)))
            await filters.call(p.NWFILTER_BINDING_CREATE_XML, args)


def _binding(guest: Guest, card: Interface) -> FilterBinding:
    binding = FilterBinding()
    binding.owner.name, binding.owner.uuid = guest.name, guest.uuid_text
    binding.portdev.name = card.target.dev
    binding.mac.address = card.mac.address
    if card.filterref is not None:
        binding.filterref.filter = card.filterref.filter
        binding.filterref.parameters = [
            FilterParameter(name=one.name, value=one.value) for one in card.filterref.parameters
        ]
    return binding


async def rebind(driver: QemuDriver, guest: Guest, card: Interface, new: Interface) -> None:
    """Has a card that is at work filtered otherwise; as before, where that cannot be.

    Raises:
        VirloomError: As :func:`bind_filters`.
    """
    await unbind(driver, guest.name, card.target.dev)
    try:
        await bind_filters(driver, guest, [new])
    except BaseException:
        await bind_filters(driver, guest, [card])
        raise


async def unbind(driver: QemuDriver, name: str, only: str | None = None) -> None:
    """Ends the filtering of the guest's cards; what cannot be ended stays on the list.

    Args:
        only: The tap that is meant; None means all.

    Raises:
        VirloomError: The driver of filters cannot be reached, or cannot take its rules away.
    """
    await filters_of(driver, name).give_back(driver.filters.used, _delete, only)


async def _delete(filters: Endpoint, tap: str, uuid: str) -> None:
    asked = p.NwfilterBindingLookupByPortDevArgs(tap)
    found = (await filters.call(p.NWFILTER_BINDING_LOOKUP_BY_PORT_DEV, asked)).nwfilter
    told = await filters.call(
        p.NWFILTER_BINDING_GET_XML_DESC, p.NwfilterBindingGetXMLDescArgs(found)
    )
    if parse_document(FilterBinding, told.xml).owner.uuid == uuid:
        await filters.call(p.NWFILTER_BINDING_DELETE, p.NwfilterBindingDeleteArgs(found))
