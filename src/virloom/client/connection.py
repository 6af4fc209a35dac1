# SPDX-License-Identifier: Apache-2.0
"""A connection to a driver, wherever it runs."""

from __future__ import annotations

from collections.abc import Callable, Generator
from typing import Any, Self

from virloom.client.address import is_in_process, is_served_by_daemon
from virloom.client.areas import Areas
from virloom.client.choice import choose
from virloom.client.domain.calls import DomainCalls
from virloom.client.host import HostCalls
from virloom.client.link import Link
from virloom.client.recorder import RecorderCalls
from virloom.client.subscription import EventHub
from virloom.endpoint.endpoint import Endpoint
from virloom.enums.host import ConnectFlags
from virloom.errors import NoSupport, VirloomError
from virloom.procedures import connect as p
from virloom.uri import ConnectURI


class Connection(DomainCalls, HostCalls, RecorderCalls, Areas):
    """An open connection; as a context manager it is closed at the block's end.

    It may be used from any event loop and thread while the loop that opened it runs. Every call on
    a closed one raises InvalidConn. A caller that is cancelled stops waiting, and whatever the
    driver has begun goes on.
    """

    def __init__(self, endpoint: Endpoint, uri: ConnectURI) -> None:
        link = Link(endpoint)
        super().__init__(link, EventHub(link))
        self._uri = uri
        self._on_close: list[Callable[[VirloomError | None], object]] = []
        endpoint.on_close = self._ended

    @property
    def uri(self) -> str:
        """The URI that it was opened with."""
        return str(self._uri)

    @property
    def closed(self) -> bool:
        """Whether it is closed, from this side or the other."""
        return self._link.closed

    def on_close(self, callback: Callable[[VirloomError | None], object]) -> None:
        """Calls *callback* once, with the reason, or None when it is closed from this side."""
        self._on_close.append(callback)

    async def close(self) -> None:
        """Ends the connection, with it event iterators and AUTODESTROY guests; idempotent."""
        self._link.closed = True
        self._hub.end(None)
        await self._link.endpoint.close()
        await self._hub.settle()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    def _ended(self, reason: VirloomError | None) -> None:
        self._link.closed = True
        self._link.reason = reason
        self._hub.end(reason)
        callbacks, self._on_close = self._on_close, []
        for callback in callbacks:
            callback(reason)


class Opening:
    """A connection to come: to be awaited, or entered and then closed at the block's end."""

    def __init__(self, uri: str | ConnectURI | None, *, readonly: bool = False) -> None:
        self._uri = uri
        self._readonly = readonly
        self._connection: Connection | None = None

    def __await__(self) -> Generator[Any, None, Connection]:
        return connect(self._uri, readonly=self._readonly).__await__()

    async def __aenter__(self) -> Connection:
        self._connection = await self
        return self._connection

    async def __aexit__(self, *_: object) -> None:
        if self._connection is not None:
            await self._connection.close()


async def connect(uri: str | ConnectURI | None, *, readonly: bool = False) -> Connection:
    """Opens a connection.

    Args:
        uri: What to open, a URI or an alias; None as
            :func:`~virloom.client.choice.choose` has it.
        readonly: Only calls that change nothing.

    Raises:
        InvalidArg: The URI is malformed, or there is none.
        NoSupport: Nothing here serves such a URI.
        VirloomError: What the driver answered.
    """
    uri = choose(uri)
    return Connection(await _endpoint(uri, readonly=readonly), uri)


async def _endpoint(uri: ConnectURI, *, readonly: bool) -> Endpoint:
    if is_in_process(uri):
        from virloom.drivers.homes import open_in_process

        endpoint = await open_in_process(uri, readonly=readonly)
        flags = ConnectFlags.RO if readonly else 0
        try:
            await endpoint.call(p.CONNECT_OPEN, p.ConnectOpenArgs(str(uri), flags))
        except BaseException:
            await endpoint.close()
            raise
        return endpoint
    if is_served_by_daemon(uri):
        from virloom.client.dial import dial

        return await dial(uri, readonly=readonly)
    raise NoSupport(
        f"the connection '{uri}'",
        remedy="give 'qemu:///embed?root=DIR', a daemon's such as 'qemu:///system', or a host",
    )
