# SPDX-License-Identifier: Apache-2.0
"""The admin program's service: a daemon's servers, clients, limits and logging, on its own socket.

Its clients are root, or the daemon's own user, by the mode of the socket and by who connects.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Protocol

from virloom.daemon.service import Service
from virloom.endpoint.dispatch import Dispatcher

if TYPE_CHECKING:
    from virloom.daemon.server import Server

#: ``0x06900690``, the admin program.
PROGRAM = 0x06900690


class Control(Protocol):
    """What a daemon lets be done to itself."""

    def shut_down(self) -> None:
        """Ends it, in order."""

    def set_timeout(self, seconds: int) -> None:
        """Ends it after this time without use; 0: never."""

    def renew_certificates(self, server: str) -> None:
        """Reads the certificates of TLS again.

        Raises:
            VirloomError: There are none, or they are wrong; those in use stay.
        """

    @property
    def log_outputs(self) -> str:
        """Where is logged to."""

    @property
    def log_filters(self) -> str:
        """What is logged of which part."""

    def set_logging(self, *, outputs: str | None = None, filters: str | None = None) -> None:
        """Changes that; an empty text is the default.

        Raises:
            VirloomError: It makes no sense, or an output cannot be opened; all stays as it was.
        """


class Administration(Service):
    """The service of the admin socket.

    Args:
        servers: All servers of the daemon by name; this one's own is added to it.
        control: The daemon.
    """

    programs = frozenset((PROGRAM,))
    handshake = False

    def __init__(self, servers: Mapping[str, Server], control: Control) -> None:
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
