# SPDX-License-Identifier: Apache-2.0
"""Hears of networks that start, for cards of running guests that have lost theirs.

There is one connection to the network driver while guests run whose cards have ports. When that
driver ends it is connected again, and what was missed is made up for.
"""

from __future__ import annotations

import asyncio
import logging
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


class NetworkWatch:
    """The watch of one driver.

    Args:
        driver: Whose guests' cards are meant.
    """

    def __init__(self, driver: QemuDriver) -> None:
        self._driver = driver
        self._endpoint: Endpoint | None = None
        self._retry: asyncio.TimerHandle | None = None
        self._beginning = False
        self._closed = False

    def begin(self, *, expected: bool = False) -> None:
        """Sees to it that networks are watched, if any guest's card has a port.

        Args:
            expected: One of a guest that does not run yet is about to have one.
        """
        if self._endpoint is not None or self._beginning or self._closed:
            return
        if not expected and not _wanted(self._driver):
            return
        self._beginning = True
        self._driver.background(self._begin(), "watch of networks")

    async def _begin(self) -> None:
        try:
            identity = Identity.of_this_process()
            endpoint = await self._driver.areas.connect("network", identity)
            endpoint.on_event, endpoint.on_close = self._heard, self._lost
            self._endpoint = endpoint
            if self._closed:
                await self._end()
                return
            asked = p.ConnectNetworkEventRegisterAnyArgs(int(NetworkEventID.LIFECYCLE), None)
            await endpoint.call(p.CONNECT_NETWORK_EVENT_REGISTER_ANY, asked)
            await self._rejoin(None)
        except VirloomError as exc:
            logger.debug("networks are not watched: %s", exc)
            await self._end()
            self._later()
        finally:
            self._beginning = False

    def _heard(self, procedure: Procedure[Any, Void], message: Record) -> None:
        if not isinstance(message, p.NetworkEventLifecycleMsg):
            return
        if message.event == NetworkEventLifecycleType.STARTED and not self._closed:
            self._driver.background(self._rejoin(message.net.name), "cards of a network")

    async def _rejoin(self, network: str | None) -> None:
        from virloom.drivers.qemu.nics.rejoining import rejoin

        await rejoin(self._driver, network)

    def _lost(self, reason: VirloomError | None) -> None:
        self._endpoint = None
        if reason is not None:
            self._later()

    def _later(self) -> None:
        if self._retry is None and not self._closed:
            self._retry = asyncio.get_running_loop().call_later(_PAUSE, self._again)

    def _again(self) -> None:
        self._retry = None
        self.begin()

    async def _end(self) -> None:
        endpoint, self._endpoint = self._endpoint, None
        if endpoint is not None:
            endpoint.on_close = None
            await endpoint.close()

    async def settle(self) -> None:
        """Ends the connection where no guest needs it any more."""
        if not self._beginning and not _wanted(self._driver):
            await self._end()

    async def close(self) -> None:
        """Ends it for good."""
        self._closed = True
        if self._retry is not None:
            self._retry.cancel()
        await self._end()


def _wanted(driver: QemuDriver) -> bool:
    return any(
        card.source.portid is not None
        for guest in driver.guests
        if guest.running is not None
        for card in guest.running.model.devices.interfaces
    )
