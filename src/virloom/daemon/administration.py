# SPDX-License-Identifier: Apache-2.0
"""The admin program's service: a daemon's servers, clients, limits and logging, on its own socket.

Its clients are root, or the daemon's own user, by the mode of the socket and by who connects.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from virloom.daemon.service import Service
from virloom.endpoint.dispatch import Dispatcher

if TYPE_CHECKING:
    from virloom.daemon.control import DaemonControl
    from virloom.daemon.server import Server

#: ``0x06900690``, the admin program.
PROGRAM = 0x06900690


class Administration(Service):
    """The service of the admin socket.

    Args:
        servers: All servers of the daemon by name; this one's own is added to it.
        control: The daemon.
    """

    programs = frozenset((PROGRAM,))
    handshake = False

    def __init__(self, servers: Mapping[str, Server], control: DaemonControl) -> None:
        self._servers = servers
        self._control = control
        self._dispatcher: Dispatcher | None = None

    @property
    def dispatcher(self) -> Dispatcher:
        if self._dispatcher is None:
            # Few daemons are ever asked.
            from virloom.daemon.admin_handlers import AdminHandlers

            self._dispatcher = Dispatcher([AdminHandlers(self._servers, self._control)])
        return self._dispatcher

    def check_uri(self, uri: str) -> None:
        """Nothing is opened by a URI here."""

    def busy(self) -> bool:
        return False

    def reload(self) -> None:
        """There is nothing to read again."""

    async def close(self) -> None:
        """Nothing is held."""
