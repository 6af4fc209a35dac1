# SPDX-License-Identifier: Apache-2.0
"""What differs between a network card of a running guest and the document that is to change it."""

from __future__ import annotations

from collections.abc import Iterator

from virloom.drivers.qemu.hotplug.matching import includes
from virloom.drivers.qemu.validate.switch_ports import is_on_openvswitch
from virloom.drivers.runtime.traffic_rules import check_vlan
from virloom.enums.error import ErrorDomain
from virloom.errors import ConfigUnsupported, OperationDenied, OperationUnsupported
from virloom.model.domain import Interface
from virloom.xml.element import Element

#: What cannot change while the guest runs.
_FIXED = ("driver", "script", "target", "mtu", "boot", "tune")

#: What a network is asked for when it gives a port, beside the port's group.
_ASKED = ("vlan", "virtualport", "bandwidth", "port")


def check_switched(new: Interface) -> None:
    """Refuses what only a switch can do, of a card that is on none.

    Raises:
        XmlError: Its VLANs are none.
        ConfigUnsupported: It is asked for.
    """
    check_vlan(new.vlan)
    what = ""
    if new.type == "user" and new.vlan is not None:
        what = "a vlan"
    elif new.type == "user" and new.port.isolated:
        what = "an isolated port"
    if what:
        raise ConfigUnsupported(
            f"an interface of type '{new.type}' has not {what}", domain=ErrorDomain.DOMAIN
        )


def check_unchanged(card: Interface, new: Interface) -> None:
    """Refuses what cannot change, of that which is known before a network was asked.

    Raises:
        OperationDenied: The number that the guest's firmware tells is another one.
        OperationUnsupported: Something else is.
    """
    if new.acpi.index not in (None, card.acpi.index):
        raise OperationDenied(
            "changing device 'acpi index' is not allowed", domain=ErrorDomain.DOMAIN
        )
    for what in _differences(card, new):
        raise refuse(what)


def check_same_end(card: Interface, new: Interface) -> None:
    """Refuses another end of the card's wire, but for another bridge of the kernel's.

    Args:
        new: With the port that its network gave it.

    Raises:
        OperationUnsupported: It is of another kind, or of one whose source cannot change.
    """
    if _is_bridged(card) and _is_bridged(new):
        return
    if card.type != new.type:
        raise refuse("the type")
    if not same(card.virtualport, new.virtualport):
        raise refuse("<virtualport>")
    if card.type != "user" and not same(card.source, new.source):
        raise refuse("<source>")


def is_another_bridge(card: Interface, new: Interface) -> bool:
    """Whether the card's tap is to be on another bridge of the kernel's."""
    both = _is_bridged(card) and _is_bridged(new)
    return both and card.source.bridge != new.source.bridge


def asks_the_same(card: Interface, new: Interface) -> bool:
    """Whether a network would be asked for nothing that the card has not."""
    one, other = card.source, new.source
    if one.portid is None or (one.network, one.portgroup) != (other.network, other.portgroup):
        return False
    return all(same(getattr(card, name), getattr(new, name)) for name in _ASKED)


def refuse(what: str, domain: ErrorDomain = ErrorDomain.QEMU) -> OperationUnsupported:
    """The error that *what* of a card cannot be changed."""
    return OperationUnsupported(
        f"{what} of a network card cannot be changed while the guest runs", domain=domain
    )


def same(one: Element | None, other: Element | None) -> bool:
    """Whether two parts of documents say the same."""
    if one is None or other is None:
        return one is other
    return includes(one, other) and includes(other, one)


def _is_bridged(card: Interface) -> bool:
    return card.type in ("network", "bridge") and not is_on_openvswitch(card)


def _differences(card: Interface, new: Interface) -> Iterator[str]:
    if card.model.type != new.model.type:
        yield "the model"
    for name in _FIXED:
        if not same(getattr(card, name), getattr(new, name)):
            yield f"<{name}>"
    if (card.backend.type, card.backend.log_file) != (new.backend.type, new.backend.log_file):
        yield "<backend>"  # which devices made the tap does not matter any more
    if not same(card.address, new.address):
        yield "the address"
    if new.rom is not None and not same(card.rom, new.rom):
        yield "<rom>"
