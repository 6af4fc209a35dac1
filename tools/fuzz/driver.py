# SPDX-License-Identifier: Apache-2.0
"""A driver that answers at once, later, with a stream, with an error: one handler of each."""

from __future__ import annotations

import asyncio

from virloom.daemon.service import Service
from virloom.endpoint.dispatch import Call, Dispatcher, serves
from virloom.endpoint.stream import BytesStream
from virloom.errors import NoDomain
from virloom.procedures import connect, domain
from virloom.procedures.record import Void


class Handlers:
    """What a client may reach behind the frame."""

    @serves(connect.CONNECT_GET_LIB_VERSION)
    def version(self, call: Call, args: Void) -> connect.ConnectGetLibVersionRet:
        return connect.ConnectGetLibVersionRet(9_000_000)

    @serves(connect.CONNECT_GET_HOSTNAME)
    async def hostname(self, call: Call, args: Void) -> connect.ConnectGetHostnameRet:
        await asyncio.sleep(0)
        return connect.ConnectGetHostnameRet("fuzz")

    @serves(domain.DOMAIN_LOOKUP_BY_NAME)
    def by_name(
        self, call: Call, args: domain.DomainLookupByNameArgs
    ) -> domain.DomainLookupByNameRet:
        raise NoDomain(args.name)

    @serves(domain.DOMAIN_SCREENSHOT)
    def screenshot(
        self, call: Call, args: domain.DomainScreenshotArgs
    ) -> domain.DomainScreenshotRet:
        call.attach_stream(BytesStream(b"picture" * 10))
        return domain.DomainScreenshotRet("image/png")


class FuzzService(Service):
    """Serves them."""

    programs = frozenset((0x20008086, 0x20008087))

    def __init__(self) -> None:
        self._dispatcher = Dispatcher([Handlers()])

    @property
    def dispatcher(self) -> Dispatcher:
        return self._dispatcher

    def check_uri(self, uri: str) -> None:
        """Any."""

    def busy(self) -> bool:
        return False

    def reload(self) -> None:
        """Nothing to read."""

    async def close(self) -> None:
        """Nothing to let go of."""
