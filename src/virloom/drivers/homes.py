# SPDX-License-Identifier: Apache-2.0
"""Drivers in the application's own process: which one a URI means, and its connections.

A driver of one root lives once in a process, on the event loop of whoever opened it first, for as
long as somebody has it open. Openers on other loops of the process share it.
"""

from __future__ import annotations

import asyncio
import os
import threading
from pathlib import Path
from typing import Any

from virloom.drivers.qemu import later
from virloom.drivers.qemu.directories import Directories
from virloom.drivers.qemu.driver import QemuDriver
from virloom.drivers.qemu.handlers import dispatcher
from virloom.drivers.secret.driver import SecretDirectories, SecretDriver
from virloom.drivers.secret.handlers import Secrets
from virloom.endpoint.dispatch import Dispatcher
from virloom.endpoint.endpoint import Endpoint
from virloom.endpoint.identity import Identity
from virloom.endpoint.local import LocalEndpoint
from virloom.enums.error import ErrorDomain
from virloom.errors import InvalidArg, NoSupport
from virloom.uri import ConnectURI


class _Home:
    """A driver that is open, and how many connections it has."""

    def __init__(self, key: str, loop: asyncio.AbstractEventLoop) -> None:
        self.key = key
        self.loop = loop
        self.users = 0
        self.lock = asyncio.Lock()
        self.driver: QemuDriver | None = None
        self.secrets: SecretDriver | None = None
        self.dispatcher: Dispatcher | None = None

    async def enter(self, root: Path, uri: str) -> Dispatcher:
        """Counts a connection in; the first one opens the driver. Runs on the driver's loop."""
        async with self.lock:
            if self.dispatcher is None:
                later.load_all()
                self.driver = await QemuDriver.open(Directories.embedded(root), uri)
                try:
                    self.secrets = SecretDriver(_secrets_of(root), uri)
                except BaseException:
                    await self.driver.close()
                    raise
                self.dispatcher = dispatcher(self.driver, [Secrets(self.secrets)])
            self.users += 1
            return self.dispatcher

    async def leave(self) -> None:
        """Counts a connection out; the last one closes the driver."""
        async with self.lock:
            self.users -= 1
            if self.users or self.driver is None:
                return
            driver, self.driver, self.dispatcher = self.driver, None, None
            secrets, self.secrets = self.secrets, None
            _forget(self)
            if secrets is not None:
                await secrets.close()
            await driver.close()


def _secrets_of(root: Path) -> SecretDirectories:
    """Where libvirt's embedded driver has them."""
    return SecretDirectories(root / "etc" / "secrets", root / "run" / "secrets")


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
    if uri.scheme != "qemu" or uri.path != "/embed":
        raise NoSupport(f"'{uri}' is no driver that can run in this process")
    root = _root_of(uri)
    loop = asyncio.get_running_loop()
    home = _home_of(str(root), loop)
    entered: Any = home.enter(root, str(uri))
    if home.loop is loop:
        handlers = await entered
    else:
        handlers = await asyncio.wrap_future(asyncio.run_coroutine_threadsafe(entered, home.loop))
    identity = Identity.of_this_process(readonly=readonly)
    return LocalEndpoint(handlers, home.loop, identity, home.leave)


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
