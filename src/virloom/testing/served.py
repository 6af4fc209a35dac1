# SPDX-License-Identifier: Apache-2.0
"""A libvirt of one's own for tests: the test driver, served over the real wire."""

from __future__ import annotations

import asyncio
import socket as sockets
import tempfile
import threading
from pathlib import Path
from typing import Self

from virloom.daemon.limits import Limits
from virloom.daemon.server import Server
from virloom.daemon.service import Service
from virloom.drivers.test.handlers import dispatcher
from virloom.drivers.test.opening import open_driver
from virloom.endpoint.dispatch import Dispatcher
from virloom.endpoint.session import Session
from virloom.testing.faults import Faults, FaultyDispatcher
from virloom.uri import ConnectURI

#: Seconds that the start, or the end, may take.
_PATIENCE = 10.0
_REMOTE = 0x20008086


class _TestService(Service):
    """The test driver, whatever the URI of a client names."""

    programs = frozenset({_REMOTE})

    def __init__(self, served: Dispatcher) -> None:
        self._dispatcher = served

    @property
    def dispatcher(self) -> Dispatcher:
        return self._dispatcher

    def check_uri(self, uri: str) -> None:
        """Programs that are tested may have a URI of their own in mind."""

    def busy(self) -> bool:
        return False

    def reload(self) -> None:
        """Nothing is on disk."""

    async def close(self) -> None:
        """Nothing is held."""


class ServedLibvirt:
    """A libvirt that listens on a UNIX socket, in a thread of the test's process.

    As a context manager it ends with the block::

        with ServedLibvirt() as host:
            conn = libvirt.open(host.uri)
            host.faults.fail("virDomainCreate", libvirt.VIR_ERR_NO_MEMORY)

    Its host is libvirt's ``test:///default``, or one that a file describes; what is done to it
    lasts as long as it is served, over all connections.

    Args:
        description: The file; None for the built-in host.

    Attributes:
        faults: What it is to do wrong.
        directory: Where its sockets are.
    """

    def __init__(self, description: Path | None = None) -> None:
        self.faults = Faults()
        self._described = ConnectURI(
            "test", path="/default" if description is None else str(description.resolve())
        )
        self._temporary = tempfile.TemporaryDirectory(prefix="libvirt-")
        self.directory = Path(self._temporary.name)
        self._loop: asyncio.AbstractEventLoop | None = None
        self._stop = asyncio.Event()
        self._ready = threading.Event()
        self._error: BaseException | None = None
        self._server: Server | None = None
        self._thread = threading.Thread(target=self._run, name="served libvirt", daemon=True)

    # -- where it is ---------------------------------------------------------------------------

    def socket(self, *, readonly: bool = False) -> Path:
        """The socket that clients connect to."""
        return self.directory / f"libvirt-sock{'-ro' if readonly else ''}"

    @property
    def uri(self) -> str:
        """What a client opens."""
        return f"test+unix:///default?socket={self.socket()}"

    @property
    def readonly_uri(self) -> str:
        """What a client opens that may change nothing."""
        return f"test+unix:///default?socket={self.socket(readonly=True)}"

    @property
    def clients(self) -> int:
        """How many clients are connected."""
        return self._server.clients if self._server is not None else 0

    # -- its life ------------------------------------------------------------------------------

    def start(self) -> None:
        """Returns once clients can connect.

        Raises:
            VirloomError: The description is none.
        """
        self._thread.start()
        if not self._ready.wait(_PATIENCE):
            raise TimeoutError("the test driver does not get ready")
        if self._error is not None:
            self._thread.join()
            self._temporary.cleanup()
            raise self._error

    def stop(self) -> None:
        """Ends all connections, and the thread."""
        self.faults.clear()
        if self._loop is not None and not self._loop.is_closed():
            self._loop.call_soon_threadsafe(self._stop.set)
        self._thread.join(_PATIENCE)
        self._temporary.cleanup()

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def disconnect(self) -> None:
        """Cuts all connections; clients may come again."""

        def cut() -> None:
            for client in self._server.all() if self._server is not None else ():
                client.close()

        assert self._loop is not None, "it is not served"
        self._loop.call_soon_threadsafe(cut)

    # -- in its thread -------------------------------------------------------------------------

    def _run(self) -> None:
        try:
            asyncio.run(self._serve())
        except BaseException as exc:
            self._error = exc
        finally:
            self._ready.set()

    async def _serve(self) -> None:
        self._loop = asyncio.get_running_loop()
        served = dispatcher(open_driver(self._described))
        service = _TestService(FaultyDispatcher(served, self.faults, self._cut))
        server = self._server = Server(service, Limits(keepalive_interval=-1))
        listening = []
        try:
            for readonly in (False, True):
                listening.append(self._listen(server, readonly=readonly))
            self._ready.set()
            await self._stop.wait()
        finally:
            await server.close()
            for one in listening:
                one.close()

    def _listen(self, server: Server, *, readonly: bool) -> sockets.socket:
        listening = sockets.socket(sockets.AF_UNIX)
        listening.bind(str(self.socket(readonly=readonly)))
        listening.listen()
        listening.setblocking(False)
        server.listen(listening, readonly=readonly)
        return listening

    def _cut(self, session: Session) -> None:
        for client in self._server.all() if self._server is not None else ():
            if client.session is session:
                client.close()
