# SPDX-License-Identifier: Apache-2.0
"""What qemu.conf promises of guests, and nothing here does: who relies on it is told.

A guest whose display an administrator wants encrypted must not come up with one that is not.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

from virloom.drivers.qemu.config import PROMISES, QemuConfig
from virloom.drivers.qemu.process.resources import chardevs, source_of
from virloom.enums.error import ErrorDomain
from virloom.errors import ConfigUnsupported
from virloom.model.domain import Domain

#: Kinds of cards that frames of another address could leave by.
_BRIDGED = ("network", "bridge")


def check_promises(config: QemuConfig, dom: Domain) -> None:
    """Refuses what a setting wants otherwise than it would be.

    Args:
        dom: A guest that is to start, or one with the device alone that is to be plugged in.

    Raises:
        ConfigUnsupported: Names the setting, and what it is about.
    """
    for key in PROMISES:
        value = getattr(config, key)
        if value in (False, "none"):
            continue
        for what, remedy in _LOOKS[key](dom):
            raise ConfigUnsupported(
                f"domain '{dom.name}': nothing here keeps {key} of qemu.conf for {what}",
                domain=ErrorDomain.QEMU,
                remedy=remedy,
            )


#: What is not as the setting wants it, and what could be done.
_Found = Iterator[tuple[str, str | None]]


def _displays(kind: str) -> Callable[[Domain], _Found]:
    def look(dom: Domain) -> _Found:
        for graphics in dom.devices.graphics:
            if graphics.type == kind:
                yield f"its {kind.upper()} display", None

    return look


def _ports(dom: Domain) -> _Found:
    for port in chardevs(dom):
        if port.type == "tcp" and source_of(port).tls is None:
            yield f"its TCP {port.tag}", "say tls='yes' or tls='no' in its <source>"


def _disks(dom: Domain) -> _Found:
    for disk in dom.devices.disks:
        source = disk.source
        if disk.type == "network" and source.protocol == "nbd" and source.tls is None:
            yield f"disk '{disk.target.dev}'", "say tls='yes' or tls='no' in its <source>"


def _cards(dom: Domain) -> _Found:
    for card in dom.devices.interfaces:
        if card.type in _BRIDGED and card.filterref is None:
            yield f"interface {card.mac.address}", "<filterref filter='no-mac-spoofing'/>"


def _cores(dom: Domain) -> _Found:
    yield "any guest", None


_LOOKS: dict[str, Callable[[Domain], _Found]] = {
    "vnc_tls": _displays("vnc"),
    "vnc_sasl": _displays("vnc"),
    "spice_sasl": _displays("spice"),
    "chardev_tls": _ports,
    "nbd_tls": _disks,
    "mac_filter": _cards,
    "sched_core": _cores,
}
