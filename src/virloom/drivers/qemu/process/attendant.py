# SPDX-License-Identifier: Apache-2.0
"""A daemon that serves other daemons, as one guest uses it: virtlogd, virtlockd."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Any

from virloom.endpoint.endpoint import Endpoint
from virloom.endpoint.identity import Identity
from virloom.enums.error import ErrorDomain
from virloom.errors import InvalidConn, OperationTimeout, SystemFailure, VirloomError
from virloom.host.fdpass import OwnedFds
from virloom.procedures.record import Area, Procedure, Record

if TYPE_CHECKING:
    from virloom.drivers.qemu.driver import QemuDriver

#: Seconds for an answer; a daemon that is started again meanwhile answers within them.
_PATIENCE = 10.0
#: Connections that are tried for one call.
_ATTEMPTS = 3


class Attendant:
    """The daemon; connected while it is needed.

    Args:
        driver: Knows the way to it.
    """

    #: What it serves, and its name.
    area: Area
    name: str

    def __init__(self, driver: QemuDriver) -> None:
        self._driver = driver
        self._endpoint: Endpoint | None = None

    async def connect(self) -> None:
        """Makes sure that it is there.

        Raises:
            NoSupport: It is not installed.
            VirloomError: It is away.
        """
        if self._endpoint is None:
            identity = Identity.of_this_process()
            endpoint = await self._driver.areas.connect(self.area, identity)
            try:
                await self.greet(endpoint)
            except BaseException:
                await endpoint.close()
                raise
            self._endpoint = endpoint

    async def greet(self, endpoint: Endpoint) -> None:
        """The first calls of each connection.

        Raises:
            VirloomError: It does not let us in.
        """

    async def close(self) -> None:
        """Ends the connection; the next call makes another."""
        endpoint, self._endpoint = self._endpoint, None
        if endpoint is not None:
            await endpoint.close()

    async def ask(
        self,
        procedure: Procedure[Any, Any],
        args: Record,
        again: Callable[[], Awaitable[None]] | None = None,
    ) -> tuple[Any, OwnedFds]:
        """Asks once more where the daemon goes away meanwhile: it is started again at once.

        Args:
            again: Awaited before that: nobody knows whether the call was done.

        Raises:
            OperationTimeout: It does not answer.
            VirloomError: It refuses, or is away.
        """
        for attempt in range(_ATTEMPTS):
            try:
                async with asyncio.timeout(_PATIENCE):
                    await self.connect()
                    if attempt and again is not None:
                        await again()
                    assert self._endpoint is not None
                    return await self._endpoint.call_with_fds(procedure, args)
            except TimeoutError as exc:
                await self.close()
                raise OperationTimeout(
                    f"{self.name} does not answer within {_PATIENCE:g} s", domain=ErrorDomain.QEMU
                ) from exc
            except (InvalidConn, SystemFailure) as exc:
                if not _is_lost(exc) or attempt == _ATTEMPTS - 1:
                    raise
                await self.close()
        raise AssertionError("the last attempt returns or raises")


def _is_lost(error: VirloomError) -> bool:
    """Whether the connection has gone, rather than that the daemon refuses."""
    return isinstance(error, InvalidConn) or error.domain == ErrorDomain.RPC
