# SPDX-License-Identifier: Apache-2.0
"""What a daemon needs of the driver that it serves."""

from __future__ import annotations

import os
from abc import ABC, abstractmethod
from collections.abc import Awaitable, Callable, Mapping
from typing import TYPE_CHECKING, Any, NamedTuple

from virloom.daemon.relay.routes import Route
from virloom.endpoint.dispatch import Dispatcher
from virloom.procedures.record import Procedure

if TYPE_CHECKING:
    from virloom.daemon.config import DaemonConfig
    from virloom.daemon.token import SystemToken


class Another(NamedTuple):
    """A driver that some clients of a daemon have in the place of the usual one.

    Attributes:
        dispatcher: Its handlers.
        leave: Awaited when the client's session has ended.
    """

    dispatcher: Dispatcher
    leave: Callable[[], Awaitable[None]]


class Service(ABC):
    """An open driver and its handlers."""

    #: The programs that clients may call (``virloom.procedures.numbers``).
    programs: frozenset[int] = frozenset()
    #: What other daemons of ours state, where it gives them more than others get.
    token: SystemToken | None = None
    #: Whether clients authenticate and open the driver first; else they are let in by who they are.
    handshake = True

    @property
    @abstractmethod
    def dispatcher(self) -> Dispatcher:
        """The handlers."""

    def route(self, procedure: Procedure[Any, Any]) -> Route | None:
        """Where a call goes that another daemon serves; None for what is served here or nowhere."""
        return None

    def primary(self, uri: str) -> Route | None:
        """The daemon that opens *uri* in the place of this one; None where this one does.

        Raises:
            VirloomError: No daemon opens it.
        """
        return None

    def another(self, uri: str) -> Awaitable[Another] | None:
        """The driver that a client of *uri* gets instead; None where it gets this one."""
        return None

    @abstractmethod
    def check_uri(self, uri: str) -> None:
        """Accepts the URI of a client that opens the driver.

        Raises:
            VirloomError: It names another driver.
        """

    @abstractmethod
    def busy(self) -> bool:
        """Whether something runs that the daemon is there for, such as a guest."""

    def configure(self, config: DaemonConfig) -> None:  # noqa: B027 # most have a file of their own
        """Told once, before the first client, what the daemon's configuration says."""

    def adopt(self, descriptors: Mapping[str, int]) -> None:
        """Takes over what an earlier process of this daemon held, by the names it gave.

        Called once, before the first client; nobody else closes them.
        """
        for fd in descriptors.values():
            os.close(fd)

    def held(self) -> Mapping[str, int]:
        """What the next process of this daemon is to have; still ours."""
        return {}

    def ending(self) -> None:  # noqa: B027 # most do not mind
        """Told before the daemon itself sends clients away, for good or for its next process.

        Long work is given up here: clients wait for it.
        """

    def warm_up(self) -> None:  # noqa: B027 # most have nothing to load
        """Called a moment after the first clients could connect: loads what was left for later."""

    @abstractmethod
    def reload(self) -> None:
        """Reads documents that came to the disk meanwhile."""

    @abstractmethod
    async def close(self) -> None:
        """Lets go of everything; what runs goes on."""
