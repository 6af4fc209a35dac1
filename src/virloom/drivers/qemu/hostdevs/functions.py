# SPDX-License-Identifier: Apache-2.0
"""Network cards that are virtual functions of the host's: taken, addressed, and given back.

Address and VLAN of a function are kept by the card that it is part of. They are set when VFIO has
the function, and go back to what they were before the host's driver gets it again: the guest's
record lists what they were before they are changed.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from virloom.drivers.qemu.devices.passed import as_hostdev
from virloom.drivers.qemu.devices.props.hostdev import pci_text
from virloom.drivers.qemu.hostdevs import pci as devices_of_pci
from virloom.drivers.qemu.hostdevs.taking import take_devices
from virloom.drivers.qemu.nics.names import PREFIX
from virloom.drivers.qemu.process.record import GuestRecord
from virloom.drivers.qemu.process.resources import alias_of
from virloom.drivers.qemu.process.steps import reached
from virloom.enums.error import ErrorDomain
from virloom.errors import ConfigUnsupported, InternalError, system_failure
from virloom.host import virtual_functions
from virloom.model.domain import Interface

if TYPE_CHECKING:
    from virloom.drivers.qemu.driver import QemuDriver
    from virloom.host.virtual_functions import Cards


class Function(NamedTuple):
    """A virtual function that a guest's card is.

    Attributes:
        link: Of the physical card.
        number: Which of its functions.
        vlan: What it is to be in; 0: none.
        own: The address that the host's link of it has; empty without one.
    """

    card: Interface
    link: str
    number: int
    vlan: int
    own: str


async def take_functions(
    driver: QemuDriver, record: GuestRecord, cards: Sequence[Interface]
) -> None:
    """Gives a guest the functions that its cards are, with their addresses and VLANs.

    Args:
        record: Of the guest; it is saved with what is taken and changed, before that is done.

    Raises:
        VirloomError: One cannot be had. What has been taken is for the caller to release by the
            record, and what was claimed by ``driver.claims``.
    """
    if not cards:
        return
    devices_of_pci.check_vfio()
    found = [find_function(card) for card in cards]
    await take_devices(driver, record, [as_hostdev(card) for card in cards])
    for card in cards:
        card.driver.name = "vfio"
        if (card.target.dev or "").startswith(PREFIX):
            card.target.dev = None  # a tap's name, made up for an earlier life of the guest
    set_up(record, found)


def find_function(card: Interface, root: Path = devices_of_pci.HOST) -> Function:
    """The function that a card's document means.

    Raises:
        ConfigUnsupported: The device is no such function, or the card's VLANs or virtual port are
            nothing that one can have.
        InternalError: The link of the physical card is down.
    """
    vlan = _vlan_of(card)
    device = devices_of_pci.path_of(pci_text(as_hostdev(card).source.address), root)
    found = virtual_functions.find(device)  # nor is one that is not there
    if found is None:
        raise ConfigUnsupported(
            f"interface {card.mac.address}: PCI device {os.path.basename(device)} is no virtual "
            "function of a network card (SR-IOV), which an interface of type 'hostdev' is",
            domain=ErrorDomain.NONE,
            remedy="<hostdev> passes other devices on",
        )
    link, number = found
    if not virtual_functions.is_up(device, link):
        raise InternalError(
            f"the link '{link}' is down: what its virtual function {number} is told is lost",
            domain=ErrorDomain.NONE,
            remedy=f"ip link set {link} up",
        )
    return Function(card, link, number, vlan, virtual_functions.own_address(device))


def put_into_vlan(
    record: GuestRecord,
    card: Interface,
    kernel: Cards = virtual_functions.KERNEL,
    links: str = virtual_functions.LINKS,
) -> None:
    """Has a physical card put a function into a VLAN which the host keeps, below a macvtap.

    One that is in a VLAN, and whose guest has none, leaves it, as with libvirt 9.

    Raises:
        ConfigUnsupported: The VLANs are nothing that one can have.
        SystemFailure: The physical card would not.
    """
    found = virtual_functions.find_link(card.source.dev or "", links)
    if found is None:
        return  # which has been refused if it is to be in one
    link, number = found
    vlan = _vlan_of(card)
    try:
        former = virtual_functions.tagged(link, number, alias_of(card), kernel)
        if former["vlan"] == vlan:
            return
        record.resources.append(former)
        record.save()
        reached("function-noted")
        kernel.write(link, number, None, vlan)
    except OSError as exc:
        raise system_failure(
            f"cannot put virtual function {number} of '{link}' into VLAN {vlan}",
            exc,
            domain=ErrorDomain.NONE,
        ) from exc
    reached("function-set")


def _vlan_of(card: Interface) -> int:
    port, vlan = card.virtualport, card.vlan
    if port is not None and port.type is not None:
        raise ConfigUnsupported(
            f"interface {card.mac.address}: nothing here registers virtual ports of type "
            f"'{port.type}' with a switch for a virtual function",
            domain=ErrorDomain.NONE,
        )
    if vlan is None or not vlan.tags:
        return 0
    if len(vlan.tags) > 1 or vlan.trunk:
        raise ConfigUnsupported(
            f"interface {card.mac.address}: a virtual function is in one VLAN, and no trunk",
            domain=ErrorDomain.NONE,
        )
    return vlan.tags[0].id or 0


def set_up(
    record: GuestRecord,
    functions: Sequence[Function],
    kernel: Cards = virtual_functions.KERNEL,
) -> None:
    """Gives functions the addresses and VLANs of the cards that they are.

    Raises:
        SystemFailure: The physical card would not.
    """
    for card, link, number, vlan, own in functions:
        try:
            former = virtual_functions.changed(link, number, alias_of(card), kernel, own)
            record.resources.append(former)
            record.save()
            reached("function-noted")
            kernel.write(link, number, card.mac.address or "", vlan)
        except OSError as exc:
            raise system_failure(
                f"cannot give virtual function {number} of '{link}' the address "
                f"{card.mac.address} in VLAN {vlan}",
                exc,
                domain=ErrorDomain.NONE,
            ) from exc
        reached("function-set")
