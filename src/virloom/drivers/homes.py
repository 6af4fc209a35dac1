# SPDX-License-Identifier: Apache-2.0
"""Drivers in the application's own process: which one a URI means, and its connections.

A driver of one root lives once in a process, on the event loop of whoever opened it first, for as
long as somebody has it open. Openers on other loops of the process share it.
"""

from __future__ import annotations

import asyncio
import os
import threading
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

from virloom.endpoint.dispatch import Dispatcher
from virloom.endpoint.endpoint import Endpoint
from virloom.endpoint.identity import Identity
from virloom.endpoint.local import LocalEndpoint
from virloom.enums.error import ErrorDomain
from virloom.errors import InvalidArg, NoSupport
from virloom.uri import ConnectURI

#: Opens drivers, which end with the stack, and gives what they serve.
Opener = Callable[[AsyncExitStack], Awaitable[Dispatcher]]


class _Home:
    """Drivers that are open together, and how many connections they have."""

    def __init__(self, key: str, loop: asyncio.AbstractEventLoop) -> None:
        self.key = key
        self.loop = loop
        self.users = 0
        self.lock = asyncio.Lock()
        self.dispatcher: Dispatcher | None = None
        self._open = AsyncExitStack()

    async def enter(self, opener: Opener) -> Dispatcher:
        """Counts a connection in; the first one opens the drivers. Runs on their loop."""
        async with self.lock:
            if self.dispatcher is None:
                async with AsyncExitStack() as stack:
                    self.dispatcher = await opener(stack)
                    self._open = stack.pop_all()
            self.users += 1
            return self.dispatcher

    async def leave(self) -> None:
        """Counts a connection out; the last one closes the drivers."""
        async with self.lock:
            self.users -= 1
            if self.users or self.dispatcher is None:
                return
            self.dispatcher = None
            _forget(self)
            await self._open.aclose()


async def _open_test(uri: ConnectURI) -> Dispatcher:
    """The test driver, which has nothing to let go of."""
    from virloom.drivers.test.handlers import dispatcher
    from virloom.drivers.test.opening import is_shared, open_driver

    if is_shared(uri):
        return dispatcher(open_driver(uri))
    return dispatcher(await asyncio.to_thread(open_driver, uri))  # it reads files


_homes: dict[str, _Home] = {}
_homes_lock = threading.Lock()
_homes_pid = os.getpid()


def _home_of(key: str, loop: asyncio.AbstractEventLoop) -> _Home:
    """The home of a root; one whose loop has ended, or that a fork left behind, is replaced."""
    global _homes_pid
    with _homes_lock:
        if _homes_pid != os.getpid():
            _homes.clear()
            _homes_pid = os.getpid()
        home = _homes.get(key)
        if home is None or home.loop.is_closed():
            home = _homes[key] = _Home(key, loop)
        return home


def _forget(home: _Home) -> None:
    with _homes_lock:
        if _homes.get(home.key) is home:
            del _homes[home.key]


async def open_in_process(uri: ConnectURI, *, readonly: bool = False) -> Endpoint:
    """Opens the driver that *uri* names in this process, or joins those who have it open.

    Raises:
        InvalidArg: The URI has no root, or a relative one.
        NoSupport: There is no driver of this kind to embed.
        VirloomError: As :meth:`QemuDriver.open`.
    """
    loop = asyncio.get_running_loop()
    home, opener = _wanted(uri, loop)
    entered: Any = home.enter(opener)
    if home.loop is loop:
        handlers = await entered
    else:
        handlers = await asyncio.wrap_future(asyncio.run_coroutine_threadsafe(entered, home.loop))
    identity = Identity.of_this_process(readonly=readonly)
    return LocalEndpoint(handlers, home.loop, identity, home.leave)


async def join_test_driver(
    uri: ConnectURI,
) -> tuple[Dispatcher, Callable[[], Awaitable[None]]]:
    """Opens the test driver on this event loop, or joins those who have it open there.

    Returns:
        Its handlers, and what is to be awaited when its user has gone.

    Raises:
        InvalidArg: The URI names no host.
        XmlError: As :func:`~virloom.drivers.test.opening.open_driver`.
    """
    loop = asyncio.get_running_loop()
    home = _test_home(uri, loop)
    return await home.enter(lambda _: _open_test(uri)), home.leave


def _test_home(uri: ConnectURI, loop: asyncio.AbstractEventLoop) -> _Home:
    from virloom.drivers.test.opening import is_shared

    return _home_of("test", loop) if is_shared(uri) else _Home("", loop)


def _wanted(uri: ConnectURI, loop: asyncio.AbstractEventLoop) -> tuple[_Home, Opener]:
    """The home that *uri* means, and what opens its drivers."""
    if uri.scheme == "test":
        return _test_home(uri, loop), lambda _: _open_test(uri)
    if uri.scheme != "qemu" or uri.path != "/embed":
        raise NoSupport(f"'{uri}' is no driver that can run in this process")
    from virloom.drivers.embedded import open_embedded  # the test driver does without

    root = _root_of(uri)
    return _home_of(str(root), loop), lambda stack: open_embedded(stack, root, uri)


def _root_of(uri: ConnectURI) -> Path:
    root = uri.params.get("root")
    if not root:
        raise InvalidArg(
            f"'{uri}' names no root directory",
            domain=ErrorDomain.QEMU,
            remedy="qemu:///embed?root=/absolute/directory",
        )
    if not os.path.isabs(root):
        raise InvalidArg(
            f"'{uri}': the root must be an absolute path, not '{root}'", domain=ErrorDomain.QEMU
        )
    return Path(os.path.realpath(root))
