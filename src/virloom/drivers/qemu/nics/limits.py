# SPDX-License-Identifier: Apache-2.0
"""How much traffic the cards of a guest may have, at the host's ends of them.

What goes in to the guest its tap sends; what comes out the tap receives. A macvtap is the other
way round: what it sends goes out on the wire.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING

from virloom.drivers.qemu.nics import openvswitch
from virloom.drivers.qemu.process.record import GuestRecord
from virloom.drivers.qemu.validate.switch_ports import is_on_openvswitch
from virloom.host.process import Completed, run
from virloom.host.programs import program_path
from virloom.host.traffic import Limit, companion, limit, release
from virloom.model.domain import Interface
from virloom.model.network.port import NetworkPort
from virloom.model.network.traffic import Bandwidth
from virloom.model.traffic import Rate

if TYPE_CHECKING:
    from virloom.drivers.qemu.driver import QemuDriver
    from virloom.model.domain.devices.interface_parts import Bandwidth as CardBandwidth


async def limit_cards(
    driver: QemuDriver,
    record: GuestRecord,
    cards: Iterable[Interface],
    given: Mapping[str, NetworkPort],
) -> None:
    """Limits the taps of cards for which somebody wants that.

    Args:
        driver: Of the guest.
        record: Of the guest; what outlives a tap is listed there before it is made.
        given: Ports of networks, which may have limits, by the card's hardware address.

    Raises:
        InternalError: The kernel would not.
    """
    for card in cards:
        wanted = wanted_limits(card, given)
        if wanted is not None:
            await limit_card(driver, record, card, wanted)


def wanted_limits(
    card: Interface, given: Mapping[str, NetworkPort]
) -> Bandwidth | CardBandwidth | None:
    """The limits of a card: those that its port of a network has, or its own.

    Args:
        given: Ports of networks, by the card's hardware address.
    """
    port = given.get(card.mac.address or "")
    return port.bandwidth if port is not None else card.bandwidth


async def limit_card(
    driver: QemuDriver,
    record: GuestRecord,
    card: Interface,
    wanted: Bandwidth | CardBandwidth | None,
) -> None:
    """Limits one card, in place of what limited it before; None takes the limits away.

    Raises:
        InternalError: The kernel would not.
    """
    tap = card.target.dev or ""
    if is_on_openvswitch(card):
        await openvswitch.limit(tap, record.uuid, wanted)
        return
    prefix = driver.space.prefix() if driver.space is not None else []

    async def tc(argv: Sequence[str], input: bytes) -> Completed:
        program = program_path(argv[0]) or argv[0]
        return await run([*prefix, program, *argv[1:]], input=input)

    if wanted is None:
        await release(tc, tap)
        return
    sent, received = _limit(wanted.inbound), _limit(wanted.outbound)
    if card.type == "direct":
        sent, received = received, sent
    note: dict[str, object] = {"kind": "link", "path": companion(tap)}
    if driver.space is not None:  # nobody else's link of that name is meant
        note["space"] = driver.space.make().to_json()
    if received is not None and note not in record.resources:
        record.resources.append(note)
        record.save()
    await limit(tc, tap, sent, received)


def _limit(rate: Rate | None) -> Limit | None:
    """None where nothing but a floor is asked for, which is the network's to keep."""
    if rate is None or not rate.average:
        return None
    return Limit(rate.average, rate.peak or None, rate.burst or None)
