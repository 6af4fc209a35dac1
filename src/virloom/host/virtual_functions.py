# SPDX-License-Identifier: Apache-2.0
"""Virtual functions of network cards (SR-IOV): whose they are, and what the card does for them.

A function that a guest has is a device of the guest's. Its hardware address and its VLAN are the
card's to keep, told through the link of the physical function (``IFLA_VFINFO_LIST`` of
linux/if_link.h), so that the guest cannot change them. The tree of devices is that of
Documentation/ABI/testing/sysfs-bus-pci: ``physfn``, ``virtfnN``.

Standard library only, and little of it: the guardian process loads this module too.
"""

from __future__ import annotations

import errno
import os
import struct

from virloom.host.rtnetlink import ANY, NAME, SET_LINK, ask, attribute, attributes, link, text

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from typing import Any, Protocol

    class Cards(Protocol):
        """What network cards keep of their functions; another one than the kernel's in tests."""

        def read(self, card: str, number: int) -> tuple[str, int]:
            """Hardware address and VLAN (0: none) of a function.

            Raises:
                OSError: There is no such link, or it has no such function.
            """

        def write(self, card: str, number: int, address: str | None, vlan: int) -> None:
            """Sets both; without an address the VLAN only.

            Raises:
                OSError: The card would not.
            """


#: Where the links of the host are.
LINKS = "/sys/class/net"
#: ``IFLA_VFINFO_LIST``, ``IFLA_VF_INFO``, ``IFLA_VF_MAC``, ``IFLA_VF_VLAN``, ``IFLA_EXT_MASK``.
_LIST, _INFO, _ADDRESS, _VLAN, _MASK = 22, 1, 1, 2, 29
#: ``RTEXT_FILTER_VF`` with ``RTEXT_FILTER_SKIP_STATS``.
_WITH_FUNCTIONS = 0x1 | 0x8
#: ``struct ifla_vf_mac``: number, and 32 bytes of which an Ethernet address is the first six;
#: ``struct ifla_vf_vlan``: number, VLAN, priority.
_ADDRESS_OF, _VLAN_OF = struct.Struct("=I32s"), struct.Struct("=III")
#: ``IFF_UP`` (linux/if.h), of a link's ``flags`` in the kernel's tree.
_UP = 0x1
#: What a function has that nobody gave an address to, and what drivers take that refuse that.
_NO_ADDRESS, _ANY_ADDRESS = "00:00:00:00:00:00", "02:00:00:00:00:00"


class KernelCards:
    """The cards of this host."""

    def read(self, card: str, number: int) -> tuple[str, int]:
        """As :class:`Cards`."""
        mask = attribute(_MASK, struct.pack("=I", _WITH_FUNCTIONS))
        found = parse(link(card, mask), number)
        if found is None:
            raise OSError(errno.ENODEV, f"it has no virtual function {number}")
        return found

    def write(self, card: str, number: int, address: str | None, vlan: int) -> None:
        """As :class:`Cards`: in two messages, since some drivers look at the first part only."""
        parts = [attribute(_VLAN, _VLAN_OF.pack(number, vlan, 0))]
        if address is not None:
            hardware = bytes.fromhex(address.replace(":", ""))
            parts.append(attribute(_ADDRESS, _ADDRESS_OF.pack(number, hardware)))
        for part in parts:
            message = attribute(_LIST, attribute(_INFO, part))
            ask(SET_LINK, 0, ANY + attribute(NAME, text(card)) + message)


KERNEL = KernelCards()


def parse(told: Iterable[tuple[int, bytes]], number: int) -> tuple[str, int] | None:
    """Hardware address and VLAN of a function, from the attributes of its card's link."""
    for kind, infos in told:
        if kind != _LIST:
            continue
        for _, info in attributes(infos):
            parts = dict(attributes(info))
            which, hardware = _ADDRESS_OF.unpack_from(parts[_ADDRESS])
            if which == number:
                vlan = _VLAN_OF.unpack_from(parts[_VLAN])[1] if _VLAN in parts else 0
                return hardware[:6].hex(":"), vlan
    return None


def find(device: str) -> tuple[str, int] | None:
    """The link of the card that a function is part of, and its number.

    Args:
        device: The directory of a PCI device.

    Returns:
        None where it is no virtual function, or none of a network card.
    """
    card = os.path.join(device, "physfn")
    try:
        names = sorted(os.listdir(os.path.join(card, "net")))
        entries = os.listdir(card)
    except OSError:
        return None
    own = os.path.realpath(device)
    for entry in entries:
        number = entry.removeprefix("virtfn")
        if number != entry and os.path.realpath(os.path.join(card, entry)) == own and names:
            return names[0], int(number)
    return None


def find_link(name: str, links: str = LINKS) -> tuple[str, int] | None:
    """The same of a function that the host has, by the name of its link."""
    return find(f"{links}/{name}/device") if name else None


def is_up(device: str, card: str) -> bool:
    """Whether the link of a function's card is up: what is told to another one may be lost.

    Args:
        device: The directory of the function.
    """
    with open(os.path.join(device, "physfn", "net", card, "flags"), encoding="ascii") as file:
        return bool(int(file.read(), 16) & _UP)


def own_address(device: str) -> str:
    """The hardware address that the host's link of a function has; empty where it has no link.

    Args:
        device: The directory of the function.
    """
    links = os.path.join(device, "net")
    try:
        for name in sorted(os.listdir(links)):
            with open(os.path.join(links, name, "address"), encoding="ascii") as file:
                return file.read().strip()
    except FileNotFoundError:
        return ""
    return ""


def changed(
    card: str, number: int, alias: str, cards: Cards = KERNEL, own: str = ""
) -> dict[str, Any]:
    """The resource of a guest's record that stands for a function that is about to be changed.

    Args:
        alias: The guest's name of it.
        own: What :func:`own_address` was. A card that kept no address keeps that one afterwards,
            or the function's driver would make up another.

    Raises:
        OSError: The card does not tell what it keeps now.
    """
    address, vlan = cards.read(card, number)
    if address == _NO_ADDRESS and own:
        address = own
    return {
        "kind": "function",
        "path": card,
        "number": number,
        "alias": alias,
        "address": address,
        "vlan": vlan,
    }


def tagged(card: str, number: int, alias: str, cards: Cards = KERNEL) -> dict[str, Any]:
    """The same for a function whose VLAN is about to be changed, and nothing else.

    Raises:
        OSError: As :func:`changed`.
    """
    return changed(card, number, alias, cards) | {"address": None}


def restore(resource: Mapping[str, Any], cards: Cards = KERNEL) -> None:
    """Has the card keep again what :func:`changed` noted; may be repeated.

    Raises:
        OSError: The card would not.
    """
    card, number = resource["path"], int(resource["number"])
    address, vlan = resource["address"], int(resource["vlan"])
    try:
        cards.write(card, number, address, vlan)
    except OSError as error:
        if error.errno == errno.ENODEV:
            return  # the card has been pulled out, and all of it with it
        if error.errno != errno.EINVAL or address != _NO_ADDRESS:
            raise
        cards.write(card, number, _ANY_ADDRESS, vlan)
