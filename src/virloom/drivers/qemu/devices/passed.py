# SPDX-License-Identifier: Apache-2.0
"""Devices of the host that a guest gets as they are: ``<hostdev>``, and cards of that type.

An ``<interface type='hostdev'>`` is a virtual function of one of the host's cards, named by its
document or given by a network. For QEMU it is a device of the host like any other.
"""

from __future__ import annotations

from virloom.model.domain import Domain, Hostdev, Interface, SourceAddress
from virloom.model.domain.devices.hostdev import HostdevDriver, HostdevSource, Teaming


def is_function(card: Interface) -> bool:
    """Whether a network card is a device of the host's."""
    return card.type == "hostdev"


def becomes_function(card: Interface) -> bool:
    """Whether it is one, or will be when its network gives it one."""
    return is_function(card) or card.of_functions


def functions(dom: Domain) -> list[Interface]:
    """The network cards that are devices of the host's."""
    return [card for card in dom.devices.interfaces if is_function(card)]


def as_hostdev(card: Interface) -> Hostdev:
    """The device that a network card is; name, place and so on are the card's own."""
    place = card.source.host_address
    hostdev = Hostdev(mode="subsystem", type="pci", managed=bool(card.managed))
    hostdev.source = HostdevSource()
    if place is not None:
        hostdev.type = place.type if place.type in ("pci", "usb") else "pci"
        hostdev.source.address = SourceAddress(
            domain=place.domain, bus=place.bus, slot=place.slot, function=place.function
        )
        hostdev.source.address.kind = hostdev.type
    hostdev.driver = HostdevDriver(name=card.driver.name)
    hostdev.alias, hostdev.address = card.alias, card.address
    hostdev.boot, hostdev.rom = card.boot, card.rom
    if card.teaming is not None:
        teaming = card.teaming
        hostdev.teaming = Teaming(type=teaming.type, persistent=teaming.persistent)
    return hostdev


def passed_on(dom: Domain) -> list[Hostdev]:
    """All devices of the host that a guest gets, in the order in which QEMU is told of them."""
    given = functions(dom)
    own = [as_hostdev(card) for card in given if card.source.portid is None]
    # What a network gave is known last, as with libvirt.
    of_networks = [as_hostdev(card) for card in given if card.source.portid is not None]
    return [*own, *dom.devices.hostdevs, *of_networks]
