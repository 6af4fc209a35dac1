# SPDX-License-Identifier: Apache-2.0
"""The connections that a driver has to the other areas: networks, storage, secrets.

A driver never knows its home. Whoever gives it one hands in how each other area is reached: in
process when embedded, over the area's socket when not.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager

from virloom.endpoint.endpoint import Endpoint
from virloom.endpoint.identity import Identity
from virloom.errors import NoSupport
from virloom.procedures.record import Area

#: Opens a connection to an area on behalf of a caller.
AreaOpener = Callable[[Identity], Awaitable[Endpoint]]


class Areas:
    """How the other areas are reached; without any, each of them is not installed."""

    def __init__(self, openers: Mapping[Area, AreaOpener] | None = None) -> None:
        self._openers = dict(openers or {})

    async def connect(self, area: Area, identity: Identity) -> Endpoint:
        """A connection to *area* for *identity*; the caller closes it.

        Raises:
            NoSupport: The area is not installed here. Installers take any other code for one that
                is there and fails.
            VirloomError: It is installed, and cannot be reached.
        """
        opener = self._openers.get(area)
        if opener is None:
            raise NoSupport(f"the {area} driver is not installed here")
        return await opener(identity)

    @asynccontextmanager
    async def opened(self, area: Area, *, trusted: bool = False) -> AsyncIterator[Endpoint]:
        """A connection to *area* for this process itself, for as long as the block lasts.

        Args:
            trusted: It may have what is kept from clients, as values of private secrets.

        Raises:
            VirloomError: As :meth:`connect`.
        """
        endpoint = await self.connect(area, Identity.of_this_process(trusted=trusted))
        try:
            yield endpoint
        finally:
            await endpoint.close()
