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
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

from virloom.endpoint.endpoint import Endpoint
from virloom.endpoint.identity import Identity
from virloom.enums.network import NetworkEventID, NetworkEventLifecycleType
from virloom.errors import VirloomError
from virloom.procedures import network as p
from virloom.procedures.record import Procedure, Record, Void

if TYPE_CHECKING:
    from virloom.drivers.qemu.driver import QemuDriver

logger = logging.getLogger(__name__)

#: Seconds until a network driver that went away is looked for again.
_PAUSE = 2.0
#: Seconds that the connection is kept for the next guest: to open one costs more than its calls.
_LINGER = 10.0


class NetworkWatch:
    """The connection of one driver.

    Args:
        driver: Whose guests' cards are meant.
        linger: Seconds that it is kept after a use, where nobody needs it.
    """

    def __init__(self, driver: QemuDriver, linger: float = _LINGER) -> None:
        self._driver = driver
        self._linger = linger
        self._endpoint: Endpoint | None = None
        self._opening = asyncio.Lock()
        self._users = 0
        self._retry: asyncio.TimerHandle | None = None
        self._settling: asyncio.TimerHandle | None = None
        self._closed = False

    @asynccontextmanager
    async def used(self) -> AsyncIterator[Endpoint]:
        """The connection, which stays at least as long as the block lasts, unless it breaks.

        Raises:
            NoSupport: There is no network driver.
            VirloomError: It cannot be reached.
        """
        self._users += 1
        try:
            yield await self._connected()
        finally:
            self._users -= 1
            if self._closed and not self._users:
                await self._end()
            self.settle()

    async def _connected(self) -> Endpoint:
        async with self._opening:
            if self._endpoint is None:
                identity = Identity.of_this_process()
                endpoint = await self._driver.areas.connect("network", identity)
                endpoint.on_event, endpoint.on_close = self._heard, self._lost
                self._endpoint = endpoint
                if not self._closed:
                    self._driver.background(self._listen(endpoint), "watch of networks")
            return self._endpoint

    # -- what is heard -------------------------------------------------------------------------

    def begin(self) -> None:
        """Sees to it that networks are watched, if any guest's card has a port."""
        if self._endpoint is None and not self._closed and _wanted(self._driver):
            self._driver.background(self._begin(), "connection to networks")

    async def _begin(self) -> None:
        try:
            async with self.used():
                pass
        except VirloomError as exc:
            logger.debug("networks are not watched: %s", exc)
            self._later()

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

    def _lost(self, reason: VirloomError | None) -> None:
        self._endpoint = None
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

    async def _end(self) -> None:
        endpoint, self._endpoint = self._endpoint, None
        if endpoint is not None:
            endpoint.on_close = None
            await endpoint.close()

    def settle(self) -> None:
        """Has the connection end soon where nobody needs it any more."""
        if self._settling is None and not self._closed and self._endpoint is not None:
            loop = asyncio.get_running_loop()
            self._settling = loop.call_later(self._linger, self._settle)

    def _settle(self) -> None:
        self._settling = None
        if not self._users and not _wanted(self._driver):
            self._driver.background(self._end(), "end of a connection to networks")

    async def close(self) -> None:
        """Ends it for good; whoever uses it now still can."""
        self._closed = True
        for timer in (self._retry, self._settling):
            if timer is not None:
                timer.cancel()
        if not self._users:
            await self._end()


def _wanted(driver: QemuDriver) -> bool:
    return any(
        card.source.portid is not None
        for guest in driver.guests
        if guest.running is not None
        for card in guest.running.model.devices.interfaces
    )
