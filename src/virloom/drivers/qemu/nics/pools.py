# SPDX-License-Identifier: Apache-2.0
"""Cards whose networks give virtual functions of the host's are known before they have one.

Such a card has no model, is placed like a device of the host's and is called ``hostdevN``. Only its
network says so; what a network that nobody can ask is, is not known.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable
from typing import TYPE_CHECKING

from virloom.endpoint.endpoint import Endpoint
from virloom.errors import NoNetwork, VirloomError
from virloom.model.domain import Interface
from virloom.model.network import Network
from virloom.procedures import network as p
from virloom.xml import parse_document

if TYPE_CHECKING:
    from virloom.drivers.qemu.driver import QemuDriver

logger = logging.getLogger(__name__)


async def mark_functions(driver: QemuDriver, cards: Iterable[Interface]) -> None:
    """Notes in each card of a network whether it gives virtual functions.

    Args:
        cards: Those that matter.
    """
    wanted = [card for card in cards if card.type == "network" and card.source.network]
    if not wanted:
        return
    known: dict[str, bool] = {}
    try:
        async with driver.networks.used() as networks:
            for card in wanted:
                name = card.source.network or ""
                if name not in known:
                    known[name] = await _gives_functions(networks, name)
                card.of_functions = known[name]
    except VirloomError as exc:  # a start asks again, and says so
        logger.info("it is not known what networks give: %s", exc)


async def _gives_functions(networks: Endpoint, name: str) -> bool:
    try:
        found = await networks.call(p.NETWORK_LOOKUP_BY_NAME, p.NetworkLookupByNameArgs(name))
    except NoNetwork:
        return False
    told = await networks.call(p.NETWORK_GET_XML_DESC, p.NetworkGetXMLDescArgs(found.net, 0))
    forward = parse_document(Network, told.xml).forward
    return forward is not None and forward.mode == "hostdev"
