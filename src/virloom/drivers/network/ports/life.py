# SPDX-License-Identifier: Apache-2.0
"""Ports come, change and go: in the network's record, on its bridge, and for the host's scripts.

The record comes first. A daemon that is killed in between leaves a bridge whose shares are not
those of the record, and the next one gives it those that are.
"""

from __future__ import annotations

import logging
from collections.abc import Callable

from virloom.drivers.network.activation import Activation
from virloom.drivers.network.hooks import NetworkHooks
from virloom.drivers.network.network import VirtualNetwork
from virloom.drivers.network.ports import holding
from virloom.drivers.network.record import NetworkRecord
from virloom.enums.error import ErrorDomain
from virloom.errors import OperationInvalid, VirloomError
from virloom.model.network import Network
from virloom.model.network.port import NetworkPort

logger = logging.getLogger(__name__)


class PortLife:
    """What is done when a port comes or goes; callers hold the network's ``changing``.

    Args:
        activation: What networks are on this host.
        hooks: The host's scripts.
    """

    def __init__(self, activation: Activation, hooks: NetworkHooks) -> None:
        self._activation = activation
        self._hooks = hooks

    async def take(
        self,
        network: VirtualNetwork,
        record: NetworkRecord | None,
        port: NetworkPort,
        *,
        reclaim: bool,
    ) -> None:
        """Gives a guest's interface a port.

        Raises:
            VirloomError: As :func:`~virloom.drivers.network.ports.holding.take`, or the kernel or
                a script would not; there is none then.
        """
        live = network.live
        if live is None or record is None:
            raise OperationInvalid(
                f"network '{network.name}' is not active", domain=ErrorDomain.NETWORK
            )
        holding.take(network, record, port, reclaim=reclaim)
        try:
            await self._activation.reserve(live, port, _others(network, port))
            await self._hooks.tell("port-created", live, port)
        except BaseException:
            await self._drop(network, live, record, port)
            raise

    async def change(
        self,
        network: VirtualNetwork,
        record: NetworkRecord,
        former: NetworkPort,
        change: Callable[[NetworkPort], None],
    ) -> None:
        """Gives a port another document.

        Raises:
            VirloomError: The network has not what it asks for, or the kernel would not; it has
                the former one then.
        """
        live, others = network.live, _others(network, former)
        port = holding.rewrite(network, record, former, change)
        if live is None or former.bandwidth == port.bandwidth:
            return
        await self._give_up(live, former, others)
        try:
            await self._activation.reserve(live, port, others)
        except BaseException:
            holding.restore(network, record, former)
            await self._activation.reserve(live, former, others)
            raise

    async def give_back(
        self, network: VirtualNetwork, record: NetworkRecord, port: NetworkPort
    ) -> None:
        """Takes a port from its guest.

        Raises:
            SystemFailure: That cannot be written; the port is still there then.
        """
        live = network.live
        if live is not None:
            await self._drop(network, live, record, port)
            await self._hooks.tell("port-deleted", live, port)

    async def _drop(
        self, network: VirtualNetwork, live: Network, record: NetworkRecord, port: NetworkPort
    ) -> None:
        holding.give_back(network, record, port)
        await self._give_up(live, port, list(network.ports.values()))

    async def _give_up(self, live: Network, port: NetworkPort, others: list[NetworkPort]) -> None:
        try:
            await self._activation.give_up(live, port, others)
        except VirloomError as exc:
            logger.error("network '%s' keeps the share of a port: %s", live.name, exc)


def _others(network: VirtualNetwork, port: NetworkPort) -> list[NetworkPort]:
    return [other for other in network.ports.values() if other.uuid != port.uuid]
