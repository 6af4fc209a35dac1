# SPDX-License-Identifier: Apache-2.0
"""A card whose network gives virtual functions is known by that when its guest is defined."""

from __future__ import annotations

from pathlib import Path

import virloom
from tests.system.conftest import embedded

POOL = "<network><name>pool</name><forward mode='hostdev'><pf dev='none'/></forward></network>"
CARD = "<interface type='network'><source network='{}'/>{}</interface>"
GUEST = """<domain type='qemu'><name>g</name><memory unit='MiB'>32</memory>
<os><type arch='x86_64' machine='q35'>hvm</type></os><devices>{}</devices></domain>"""


async def test_a_card_is_placed_by_what_its_network_gives(root: Path) -> None:
    """Like a device of the host's, on a bus of PCI Express; those of others are not."""
    model = "<model type='e1000'/>"
    cards = [CARD.format("nobody", ""), CARD.format("pool", ""), CARD.format("pool", model)]
    async with virloom.open(embedded(root)) as conn:
        await conn.networks.define_xml(POOL)
        guest = await conn.define_xml(GUEST.format("".join(cards)))
        found = (await guest.model()).devices.interfaces
    assert [card.model.type for card in found] == ["rtl8139", None, "e1000"]
    places = [card.address for card in found if card.address is not None]
    assert [place.slot for place in places] == [1, 0, 0]  # a bus has many slots, or one
