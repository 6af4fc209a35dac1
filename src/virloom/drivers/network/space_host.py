# SPDX-License-Identifier: Apache-2.0
"""The host of an embedded root's networks: a network namespace that nobody else has."""

from __future__ import annotations

import socket
from collections.abc import AsyncIterator, Sequence
from contextlib import AbstractContextManager, asynccontextmanager
from typing import TYPE_CHECKING

from virloom.drivers.network.host import NetworkHost, netlink
from virloom.host.netns import NetworkSpace
from virloom.host.openings import new_socket
from virloom.host.process import Completed
from virloom.host.programs import program_path

if TYPE_CHECKING:
    from pyroute2 import AsyncIPRoute


class SpaceHost(NetworkHost):
    """The network of a namespace.

    Args:
        space: The namespace, which is made when it is first needed.
    """

    def __init__(self, space: NetworkSpace) -> None:
        super().__init__()
        self._space = space

    def has_link(self, name: str) -> bool:
        return self._space.find() is not None and super().has_link(name)

    def virtual_functions(self, card: str) -> list[tuple[str, str | None]]:
        return []  # the cards that the kernel shows us are in the host's own namespace

    def has_system_bus(self) -> bool:
        return False  # the services on it are those of the host's own network

    @asynccontextmanager
    async def links(self) -> AsyncIterator[AsyncIPRoute]:
        if self._space.is_users:
            with self._space.entered():
                route = new_socket(socket.AF_NETLINK, socket.SOCK_DGRAM, socket.NETLINK_ROUTE)
            async with netlink(fd=route.detach()) as conversation:
                yield conversation
        else:
            async with netlink(self._space.path) as conversation:
                yield conversation

    @property
    def user_options(self) -> Sequence[str]:
        return ("--user=root", "--group=") if self._space.is_users else ()

    def parameter(self, name: str) -> str | None:
        with self._space.entered():
            return super().parameter(name)

    def set_parameter(self, name: str, value: str) -> None:
        with self._space.entered():
            super().set_parameter(name, value)

    async def run(self, argv: Sequence[str], input: bytes | None = None) -> Completed:
        program = program_path(argv[0]) or argv[0]
        return await super().run([*self._space.prefix(), program, *argv[1:]], input)

    def entered(self) -> AbstractContextManager[None]:
        return self._space.entered()
