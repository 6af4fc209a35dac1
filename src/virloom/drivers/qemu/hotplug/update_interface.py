# SPDX-License-Identifier: Apache-2.0
"""A network card of a guest that runs is changed: its link, its bridge, its limits.

What the document leaves out of the host's end stays as it is.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from virloom.drivers.qemu.admission import emulator_of
from virloom.drivers.qemu.capabilities import BinaryCaps
from virloom.drivers.qemu.definition import prepare_definition
from virloom.drivers.qemu.devices.passed import is_function
from virloom.drivers.qemu.devices.props.net import TAPS
from virloom.drivers.qemu.hotplug.fragment import Fragment
from virloom.drivers.qemu.hotplug.matching import IN_GUEST, find, includes
from virloom.drivers.qemu.process.resources import alias_of
from virloom.drivers.qemu.process.running import RunningGuest
from virloom.drivers.qemu.validate.host_ends import check_host_end
from virloom.drivers.qemu.validate.switch_ports import is_on_openvswitch
from virloom.enums.error import ErrorDomain
from virloom.errors import ConfigUnsupported, OperationUnsupported
from virloom.model.domain import Interface
from virloom.xml.element import Element

if TYPE_CHECKING:
    from virloom.drivers.qemu.driver import QemuDriver

#: The model that a document means which names none, on x86.
_USUAL = "rtl8139"

#: What cannot change while the guest runs.
_FIXED = (
    "backend",
    "driver",
    "script",
    "target",
    "mtu",
    "boot",
    "tune",
    "virtualport",
    "port",
)


async def update_interface(driver: QemuDriver, running: RunningGuest, changed: Fragment) -> None:
    """Changes a card; a job that changes the domain is held.

    Raises:
        DeviceMissing: There is none.
        OperationUnsupported: This of it is not changed while the guest runs.
        VirloomError: What a definition with it would be refused for.
    """
    card = find(running.model, changed, IN_GUEST)
    if is_function(card):
        raise OperationUnsupported(
            "a network card that is a device of the host's cannot be changed while the guest runs",
            domain=ErrorDomain.QEMU,
        )
    new = changed.device
    if new.mac.address is None:  # libvirt makes one up, which is another one
        raise _refuse("the hardware address")
    new.address, new.alias = card.address, card.alias
    new.model.type = new.model.type or _USUAL

    def completed(caps: BinaryCaps) -> None:
        draft = running.model.copy()
        place = [item is card for item in running.model.devices.interfaces].index(True)
        draft.devices.interfaces[place] = new
        prepare_definition(draft, caps, config=driver.config, directories=driver.directories)

    _check_switched(new)
    _keep(card, new)
    await driver.capabilities.apply(emulator_of(running.model), completed)
    for what in _differences(card, new):
        raise _refuse(what)
    check_host_end(new)
    if new.bandwidth is not None and not _same(card.bandwidth, new.bandwidth):
        await _limit(driver, running, card, new)
    if card.type == "bridge" and card.source.bridge != new.source.bridge:
        _move(card, new)
    elif not _same(card.vlan, new.vlan):
        await _retag(card, new)
    if not _same(card.filterref, new.filterref):
        await _filter(driver, running, card, new)
    if (new.link.state or "up") != (card.link.state or "up"):
        up = (new.link.state or "up") == "up"
        await running.execute("set_link", {"name": alias_of(card), "up": up})
    among = changed.among(running.model)
    among[[item is card for item in among].index(True)] = new
    running.set_document()
    running.save()


def _check_switched(new: Interface) -> None:
    """Refuses what only a switch can do, of a card that is on none."""
    what = ""
    if new.type == "user" and new.vlan is not None:
        what = "a vlan"
    elif new.type == "user" and new.port.isolated:
        what = "an isolated port"
    if what:
        raise ConfigUnsupported(
            f"an interface of type '{new.type}' has not {what}", domain=ErrorDomain.DOMAIN
        )


def _keep(card: Interface, new: Interface) -> None:
    """What a client cannot know, or need not say."""
    if new.target.dev is None:
        new.target = card.target
    if new.type == "network" and _same_network(card, new):  # it may be shown as what it got
        new.type, new.source = card.type, card.source
        if new.port.isolated is None:
            new.port = card.port
        if new.vlan is None:
            new.vlan = card.vlan
        if new.virtualport is None:
            new.virtualport = card.virtualport


def _same_network(card: Interface, new: Interface) -> bool:
    one, other = card.source, new.source
    return one.network is not None and (one.network, one.portgroup) == (
        other.network,
        other.portgroup,
    )


async def _limit(
    driver: QemuDriver, running: RunningGuest, card: Interface, new: Interface
) -> None:
    if card.type not in TAPS:
        raise _refuse("<bandwidth>", ErrorDomain.NONE)
    from virloom.drivers.qemu.nics.limits import limit_card  # seldom needed

    await limit_card(driver, running.record, card, new.bandwidth)


async def _retag(card: Interface, new: Interface) -> None:
    """Puts the card's port into other VLANs."""
    from virloom.drivers.qemu.nics.openvswitch import change_vlan  # seldom needed
    from virloom.drivers.qemu.nics.taps import doing
    from virloom.drivers.qemu.nics.vlans import give_vlans

    if is_on_openvswitch(new):
        await change_vlan(card.target.dev or "", new.vlan)
    else:
        with doing(f"cannot set the VLANs of '{card.target.dev}'"):
            give_vlans(new, new.source.bridge or "", former=card.vlan)


async def _filter(
    driver: QemuDriver, running: RunningGuest, card: Interface, new: Interface
) -> None:
    from virloom.drivers.qemu.nics.filters import rebind  # seldom needed

    await rebind(driver, running.guest, card, new)


def _move(card: Interface, new: Interface) -> None:
    """Puts the card's tap on another bridge; on the former one again where it cannot be there."""
    from virloom.drivers.qemu.nics.taps import join, leave

    leave(card)
    try:
        join(new, new.source.bridge or "")
    except BaseException:
        join(card, card.source.bridge or "")
        raise


def _refuse(what: str, domain: ErrorDomain = ErrorDomain.QEMU) -> OperationUnsupported:
    return OperationUnsupported(
        f"{what} of a network card cannot be changed while the guest runs", domain=domain
    )


def _differences(card: Interface, new: Interface) -> Iterator[str]:
    """What of the card would be another one, of that which cannot change."""
    if card.model.type != new.model.type:
        yield "the model"
    if card.type != new.type:
        yield "the type"
    for name in _FIXED:
        if not _same(getattr(card, name), getattr(new, name)):
            yield f"<{name}>"
    if new.rom is not None and not _same(card.rom, new.rom):
        yield "<rom>"
    fixed = card.type not in ("user", "bridge") or is_on_openvswitch(card)
    if fixed and not _same(card.source, new.source):
        yield "<source>"


def _same(one: Element | None, other: Element | None) -> bool:
    if one is None or other is None:
        return one is other
    return includes(one, other) and includes(other, one)
