# SPDX-License-Identifier: Apache-2.0
"""The cards of a guest are connected, at its start or when they are plugged in."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import ExitStack, nullcontext
from typing import TYPE_CHECKING

from virloom.drivers.qemu.command.net import passt_key
from virloom.drivers.qemu.devices.passed import is_function
from virloom.drivers.qemu.devices.props.address import alias_of
from virloom.drivers.qemu.devices.props.net import TAPS, uses_passt
from virloom.drivers.qemu.domain import Guest
from virloom.drivers.qemu.hostdevs.functions import take_functions
from virloom.drivers.qemu.nics.bridge_helper import is_helped, open_helped
from virloom.drivers.qemu.nics.direct import open_direct
from virloom.drivers.qemu.nics.filters import bind_filters
from virloom.drivers.qemu.nics.limits import limit_cards, wanted_limits
from virloom.drivers.qemu.nics.partings import introduce
from virloom.drivers.qemu.nics.ports import take_ports
from virloom.drivers.qemu.nics.taps import open_taps
from virloom.drivers.qemu.nics.vhost import open_accelerators
from virloom.drivers.qemu.process.record import GuestRecord
from virloom.drivers.qemu.process.steps import reached
from virloom.drivers.qemu.validate.host_ends import check_host_end
from virloom.enums.error import ErrorDomain
from virloom.errors import ConfigUnsupported
from virloom.host.guardian import MARKER
from virloom.model.domain import Interface

if TYPE_CHECKING:
    from virloom.drivers.qemu.driver import QemuDriver


async def connect(
    driver: QemuDriver,
    guest: Guest,
    record: GuestRecord,
    cards: Sequence[Interface],
    opened: ExitStack,
    *,
    kvm: bool = False,
) -> dict[str, int]:
    """Gets ports of networks, makes taps and macvtaps, limits and filters their traffic.

    Cards that are virtual functions of the host's are taken from the host.

    Cards of ``passt`` get their processes.

    What was done before a failure the caller undoes: ports and filters are on the guest's lists,
    and all else in its record.

    Args:
        opened: Closes our copies of the descriptors.
        kvm: The guest's processors are the host's: the kernel may carry its packets too.

    Returns:
        The descriptors, by the keys of the command line.

    Raises:
        VirloomError: There is no port, or the host would not.
    """
    files = await _start_passt(record, cards, opened)
    if all(card.type not in TAPS and not is_function(card) for card in cards):
        return files
    given = await take_ports(driver, guest.name, guest.uuid_text, cards)
    reached("ports-taken")
    for card in cards:
        check_host_end(card)
    _check_space(driver, cards)
    await take_functions(driver, record, [card for card in cards if is_function(card)])
    managed = [mac for mac, port in given.items() if port.plug.mac_table_manager == "libvirt"]
    for card in cards:
        if is_helped(driver, card):
            limited = wanted_limits(card, given) is not None
            files |= await open_helped(driver, card, opened, limited=limited)
    own = [card for card in cards if not is_helped(driver, card)]
    with driver.space.entered() if driver.space is not None else nullcontext():
        files |= open_taps(driver.tap_names, own, opened, managed)
    files |= open_direct(driver, record, cards, opened)
    files |= open_accelerators(cards, opened, kvm=kvm)
    reached("links-made")
    for card in cards:
        await introduce(driver, guest, card)
    reached("taps-told")
    await limit_cards(driver, record, cards, given)
    reached("taps-made")
    await bind_filters(driver, guest, cards)
    reached("filters-bound")
    return files


def _check_space(driver: QemuDriver, cards: Sequence[Interface]) -> None:
    """Refuses links of an embedded root that has none: its namespace comes with its networks."""
    if driver.space is None or driver.space.find() is not None:
        return
    for card in cards:
        if card.type in TAPS:
            raise ConfigUnsupported(
                f"an interface of type '{card.type}' of an embedded root needs an active network "
                "of that root",
                domain=ErrorDomain.QEMU,
                remedy="network=host in the URI reaches the host's own links",
            )


async def _start_passt(
    record: GuestRecord, cards: Sequence[Interface], opened: ExitStack
) -> dict[str, int]:
    """Those that do not start end the others, whose connections are closed."""
    files: dict[str, int] = {}
    for card in filter(uses_passt, cards):
        from virloom.drivers.qemu.nics.passt import start_passt

        key = passt_key(alias_of(card, "network interface"))
        files[key] = await start_passt(card, {MARKER: record.marker}, opened)
    return files
