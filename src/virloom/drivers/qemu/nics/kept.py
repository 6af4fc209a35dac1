# SPDX-License-Identifier: Apache-2.0
"""A connection of the driver of guests to that of another area, kept from one guest to the next.

To open one takes longer than the calls that a guest's card needs.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

from virloom.endpoint.endpoint import Endpoint
from virloom.endpoint.identity import Identity
from virloom.errors import VirloomError
from virloom.procedures.record import Area

if TYPE_CHECKING:
    from virloom.drivers.qemu.driver import QemuDriver

#: Seconds that the connection is kept for the next guest.
LINGER = 10.0


class KeptConnection:
    """The connection; one that breaks is made again when it is next used.

    Args:
        driver: Whose guests need it.
        area: What it leads to.
        linger: Seconds that it is kept after a use, where nobody needs it.
    """

    def __init__(self, driver: QemuDriver, area: Area, linger: float = LINGER) -> None:
        self._driver = driver
        self._area: Area = area
        self._linger = linger
        self._endpoint: Endpoint | None = None
        self._opening = asyncio.Lock()
        self._users = 0
        self._settling: asyncio.TimerHandle | None = None
        self._closed = False

    @asynccontextmanager
    async def used(self) -> AsyncIterator[Endpoint]:
        """The connection, which stays at least as long as the block lasts, unless it breaks.

        Raises:
            NoSupport: The area is not installed.
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
                endpoint = await self._driver.areas.connect(self._area, identity)
                endpoint.on_close = self._lost
                self._endpoint = endpoint
                self._opened(endpoint)
            return self._endpoint

    def _opened(self, endpoint: Endpoint) -> None:
        """Told of each connection that is made."""

    def _lost(self, reason: VirloomError | None) -> None:
        self._endpoint = None

    def _is_wanted(self) -> bool:
        """Whether somebody needs it who does not use it right now."""
        return False

    def settle(self) -> None:
        """Has the connection end soon where nobody needs it any more."""
        if self._settling is None and not self._closed and self._endpoint is not None:
            loop = asyncio.get_running_loop()
            self._settling = loop.call_later(self._linger, self._settle)

    def _settle(self) -> None:
        self._settling = None
        if not self._users and not self._is_wanted():
            self._driver.background(self._end(), f"end of a connection to {self._area}")

    async def _end(self) -> None:
        endpoint, self._endpoint = self._endpoint, None
        if endpoint is not None:
            endpoint.on_close = None
            await endpoint.close()

    async def close(self) -> None:
        """Ends it for good; whoever uses it now still can."""
        self._closed = True
        if self._settling is not None:
            self._settling.cancel()
        if not self._users:
            await self._end()
