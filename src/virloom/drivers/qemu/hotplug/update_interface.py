# SPDX-License-Identifier: Apache-2.0
"""A network card of a guest that runs is changed: its link, its network or bridge, its limits.

What the document leaves out of the host's end stays as it is. As in libvirt, the document takes the
place of the card's own only where something was changed, but for the link alone.
"""

from __future__ import annotations

from contextlib import nullcontext
from typing import TYPE_CHECKING

from virloom.drivers.qemu.admission import emulator_of
from virloom.drivers.qemu.capabilities import BinaryCaps
from virloom.drivers.qemu.definition import prepare_definition
from virloom.drivers.qemu.devices.passed import is_function
from virloom.drivers.qemu.devices.props.net import TAPS
from virloom.drivers.qemu.hotplug.card_changes import (
    asks_the_same,
    check_same_end,
    check_switched,
    check_unchanged,
    is_another_bridge,
    refuse,
    same,
)
from virloom.drivers.qemu.hotplug.cards import give_back_unused
from virloom.drivers.qemu.hotplug.fragment import Fragment
from virloom.drivers.qemu.hotplug.matching import IN_GUEST, find
from virloom.drivers.qemu.process.resources import alias_of
from virloom.drivers.qemu.process.running import RunningGuest
from virloom.drivers.qemu.validate.host_ends import check_host_end
from virloom.drivers.qemu.validate.switch_ports import is_on_openvswitch
from virloom.enums.error import ErrorDomain
from virloom.errors import OperationFailed, OperationUnsupported, VirloomError
from virloom.host import links
from virloom.model.domain import Interface

if TYPE_CHECKING:
    from virloom.drivers.qemu.driver import QemuDriver

#: The model that a document means which names none, on x86.
_USUAL = "rtl8139"


async def update_interface(driver: QemuDriver, running: RunningGuest, changed: Fragment) -> None:
    """Changes a card; a job that changes the domain is held.

    Raises:
        DeviceMissing: There is none.
        OperationUnsupported: This of it is not changed while the guest runs.
        VirloomError: What a definition with it would be refused for, or its network refuses it.
    """
    card = find(running.model, changed, IN_GUEST)
    if is_function(card):
        raise OperationUnsupported(
            "a network card that is a device of the host's cannot be changed while the guest runs",
            domain=ErrorDomain.QEMU,
        )
    new = changed.device
    if new.mac.address is None:  # libvirt makes one up, which is another one
        raise refuse("the hardware address")
    new.address, new.alias = new.address or card.address, card.alias
    new.model.type = new.model.type or _USUAL
    if new.target.dev is None:
        new.target = card.target

    def completed(caps: BinaryCaps) -> None:
        draft = running.model.copy()
        place = [item is card for item in running.model.devices.interfaces].index(True)
        draft.devices.interfaces[place] = new
        prepare_definition(draft, caps, config=driver.config, directories=driver.directories)

    check_switched(new)
    if same(card.address, new.address):  # another one would be refused as none first
        await driver.capabilities.apply(emulator_of(running.model), completed)
    check_unchanged(card, new)
    try:
        announced = await _connect(driver, running, card, new)
        check_same_end(card, new)
        check_host_end(new)
        if await _change(driver, running, card, new, announced=announced):
            among = changed.among(running.model)
            among[[item is card for item in among].index(True)] = new
        running.set_document()
        running.save()
    finally:
        await give_back_unused(driver, running)


async def _connect(
    driver: QemuDriver, running: RunningGuest, card: Interface, new: Interface
) -> bool:
    """Gets a port of the card's network for what it is to be, unless it has one like it.

    Returns:
        Whether the bridge is told of the guest's address, instead of learning it.
    """
    if new.type != "network":
        return False
    if asks_the_same(card, new):  # it may be shown as what it got
        new.type, new.source, new.port = card.type, card.source, card.port
        new.vlan, new.virtualport, new.bandwidth = card.vlan, card.virtualport, card.bandwidth
        return False
    from virloom.drivers.qemu.nics.ports import take_ports  # seldom needed

    guest = running.guest
    given = await take_ports(driver, guest.name, guest.uuid_text, [new])
    (port,) = given.values()
    return port.plug.mac_table_manager == "libvirt"


def _rewire(driver: QemuDriver, card: Interface, new: Interface, *, announced: bool) -> bool:
    """Changes the tap and its place on a bridge; whether that was asked for."""
    gathers = card.type in TAPS and not same(card.coalesce, new.coalesce)
    moves = is_another_bridge(card, new)
    is_port = new.type in ("network", "bridge")
    isolates = is_port and not moves and card.port.isolated != new.port.isolated
    if not (gathers or moves or isolates):
        return False  # a network namespace need not be made for it
    with driver.space.entered() if driver.space is not None else nullcontext():
        if gathers:
            _coalesce(new)
        if moves:
            _move(card, new, announced=announced)
        elif isolates:
            _isolate(new)
    return True


async def _change(
    driver: QemuDriver, running: RunningGuest, card: Interface, new: Interface, *, announced: bool
) -> bool:
    """Does what is asked for, and tells whether that was more than to change the link."""
    replaced = False
    if not same(card.bandwidth, new.bandwidth):
        await _limit(driver, running, card, new)
        replaced = True
    replaced = _rewire(driver, card, new, announced=announced) or replaced
    if not same(card.vlan, new.vlan):
        if not is_another_bridge(card, new):
            await _retag(driver, card, new)
        replaced = True
    if not same(card.filterref, new.filterref):
        await _filter(driver, running, card, new)
        replaced = True
    if (new.link.state or "up") != (card.link.state or "up"):
        up = (new.link.state or "up") == "up"
        await running.execute("set_link", {"name": alias_of(card), "up": up})
    card.link.state = new.link.state
    if (card.source.portid is None) != (new.source.portid is None):
        return True
    trusted = card.trust_guest_rx_filters, new.trust_guest_rx_filters
    return replaced or (card.type == "direct" and trusted[0] != trusted[1])


async def _limit(
    driver: QemuDriver, running: RunningGuest, card: Interface, new: Interface
) -> None:
    if card.type not in TAPS:
        raise refuse("<bandwidth>", ErrorDomain.NONE)
    from virloom.drivers.qemu.nics.limits import limit_card  # seldom needed

    await limit_card(driver, running.record, card, new.bandwidth)


async def _retag(driver: QemuDriver, card: Interface, new: Interface) -> None:
    """Puts the card's port into other VLANs."""
    from virloom.drivers.qemu.nics.openvswitch import change_vlan  # seldom needed
    from virloom.drivers.qemu.nics.taps import doing
    from virloom.drivers.qemu.nics.vlans import give_vlans

    if is_on_openvswitch(new):
        await change_vlan(card.target.dev or "", new.vlan)
        return
    with (
        driver.space.entered() if driver.space is not None else nullcontext(),
        doing(f"cannot set the VLANs of '{card.target.dev}'"),
    ):
        give_vlans(new, new.source.bridge or "", former=card.vlan)


async def _filter(
    driver: QemuDriver, running: RunningGuest, card: Interface, new: Interface
) -> None:
    from virloom.drivers.qemu.nics.filters import rebind  # seldom needed

    try:
        await rebind(driver, running.guest, card, new)
    except VirloomError as exc:
        raise OperationFailed(
            f"cannot filter '{card.target.dev}' otherwise, it is filtered as before: {exc.message}",
            domain=ErrorDomain.QEMU,
        ) from exc


def _coalesce(new: Interface) -> None:
    """Has the card's tap gather as many frames as the document says; none, if it says nothing."""
    from virloom.drivers.qemu.nics.taps import gather

    gather(new)


def _isolate(new: Interface) -> None:
    from virloom.drivers.qemu.nics.taps import doing

    tap = new.target.dev or ""
    with doing(f"Unable to set bridge {new.source.bridge} port {tap} isolated"):
        links.set_port_option(tap, "isolated", bool(new.port.isolated))


def _move(card: Interface, new: Interface, *, announced: bool) -> None:
    """Puts the card's tap on another bridge; on the former one again where it cannot be there."""
    from virloom.drivers.qemu.nics.taps import announce, join, leave

    bridge = new.source.bridge or ""
    if not links.exists(bridge):
        raise OperationFailed(f"bridge {bridge} doesn't exist", domain=ErrorDomain.QEMU)
    leave(card)
    try:
        join(new, bridge)
        if announced:
            announce(new)
    except BaseException:
        leave(new)
        join(card, card.source.bridge or "")
        raise
