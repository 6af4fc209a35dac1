# SPDX-License-Identifier: Apache-2.0
"""The connection that the driver of guests has to that of networks.

By one connection ports are asked for and given back, and is heard of networks that start, for
cards of running guests that have lost theirs. It is there while guests run whose cards have ports,
and for some seconds after each use. When the network driver ends it is connected again, and what
was missed is made up for.
"""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING, Any

from virloom.drivers.qemu.nics.kept import LINGER, KeptConnection
from virloom.endpoint.endpoint import Endpoint
from virloom.enums.network import NetworkEventID, NetworkEventLifecycleType
from virloom.errors import VirloomError
from virloom.procedures import network as p
from virloom.procedures.record import Procedure, Record, Void

if TYPE_CHECKING:
    from virloom.drivers.qemu.driver import QemuDriver

logger = logging.getLogger(__name__)

#: Seconds until a network driver that went away is looked for again.
_PAUSE = 2.0


class NetworkWatch(KeptConnection):
    """The connection of one driver.

    Args:
        driver: Whose guests' cards are meant.
        linger: Seconds that it is kept after a use, where nobody needs it.
    """

    def __init__(self, driver: QemuDriver, linger: float = LINGER) -> None:
        super().__init__(driver, "network", linger)
        self._retry: asyncio.TimerHandle | None = None

    # -- what is heard -------------------------------------------------------------------------

    def begin(self) -> None:
        """Sees to it that networks are watched, if any guest's card has a port."""
        if self._endpoint is None and not self._closed and self._is_wanted():
            self._driver.background(self._begin(), "connection to networks")

    async def _begin(self) -> None:
        try:
            async with self.used():
                pass
        except VirloomError as exc:
            logger.debug("networks are not watched: %s", exc)
            self._later()

    def _opened(self, endpoint: Endpoint) -> None:
        endpoint.on_event = self._heard
        if not self._closed:
            self._driver.background(self._listen(endpoint), "watch of networks")

    async def _listen(self, endpoint: Endpoint) -> None:
        try:
            asked = p.ConnectNetworkEventRegisterAnyArgs(int(NetworkEventID.LIFECYCLE), None)
            await endpoint.call(p.CONNECT_NETWORK_EVENT_REGISTER_ANY, asked)
        except VirloomError as exc:  # if the connection is lost, another will be made
            logger.debug("networks are not watched: %s", exc)
            return
        await self._rejoin(None)

    def _heard(self, procedure: Procedure[Any, Void], message: Record) -> None:
        if not isinstance(message, p.NetworkEventLifecycleMsg):
            return
        if message.event == NetworkEventLifecycleType.STARTED and not self._closed:
            self._driver.background(self._rejoin(message.net.name), "cards of a network")

    async def _rejoin(self, network: str | None) -> None:
        from virloom.drivers.qemu.nics.rejoining import rejoin

        try:
            await rejoin(self._driver, network)
        except VirloomError as exc:
            logger.debug("cards have not all ports again: %s", exc)
            self._later()

    # -- its end -------------------------------------------------------------------------------

    def _is_wanted(self) -> bool:
        return any(
            card.source.portid is not None
            for guest in self._driver.guests
            if guest.running is not None
            for card in guest.running.model.devices.interfaces
        )

    def _lost(self, reason: VirloomError | None) -> None:
        super()._lost(reason)
        if reason is not None:
            self._later()

    def _later(self) -> None:
        if self._retry is None and not self._closed:
            self._retry = asyncio.get_running_loop().call_later(_PAUSE, self._again)

    def _again(self) -> None:
        self._retry = None
        if self._endpoint is None:
            self.begin()
        else:
            self._driver.background(self._rejoin(None), "cards of networks")

    async def close(self) -> None:
        if self._retry is not None:
            self._retry.cancel()
        await super().close()
