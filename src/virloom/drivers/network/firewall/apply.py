# SPDX-License-Identifier: Apache-2.0
"""The rules of networks, given to the kernel: by nft, or by iptables where there is none."""

from __future__ import annotations

from typing import Protocol

from virloom.drivers.network.firewall.iptables import Iptables
from virloom.drivers.network.firewall.nftables import Nftables
from virloom.drivers.network.host import NetworkHost
from virloom.enums.error import ErrorDomain
from virloom.errors import ConfigUnsupported
from virloom.model.network import Network


class Backend(Protocol):
    """One of the kernel's packet filters."""

    def is_there(self) -> bool:
        """Whether the host has its programs."""

    def tables(self, bridge: str) -> frozenset[str]:
        """The tables of nft that have the rules of the network with that bridge."""

    async def apply(self, model: Network) -> None:
        """Gives the network its rules, in place of those that it has: all or none."""

    async def remove(self, bridge: str) -> None:
        """Takes the rules of the network with that bridge away, if it has any."""

    async def holds(self, model: Network) -> bool:
        """Whether the kernel has all rules of the network."""


class Firewall:
    """The host's packet filter, as networks use it.

    Args:
        host: Where the rules are.
    """

    def __init__(self, host: NetworkHost) -> None:
        self._backends: tuple[Backend, ...] = (Nftables(host), Iptables(host))

    def tables(self, bridge: str) -> frozenset[str]:
        """The tables of nft that have the rules of the network with that bridge."""
        backend = self._first()
        return backend.tables(bridge) if backend is not None else frozenset()

    async def apply(self, model: Network) -> None:
        """Gives the network its rules, in place of those that it has.

        Raises:
            ConfigUnsupported: The host has neither nft nor iptables.
            InternalError: The kernel took none of them, with its words.
        """
        await self._backend().apply(model)

    async def remove(self, bridge: str) -> None:
        """Takes the rules of the network with that bridge away, if it has any.

        Raises:
            InternalError: The kernel would not.
        """
        backend = self._first()
        if backend is not None:
            await backend.remove(bridge)

    async def holds(self, model: Network) -> bool:
        """Whether the kernel has all rules of the network: somebody may have flushed them.

        Raises:
            ConfigUnsupported: The host has neither nft nor iptables.
        """
        return await self._backend().holds(model)

    def _first(self) -> Backend | None:
        """The one that is used here."""
        return next((backend for backend in self._backends if backend.is_there()), None)

    def _backend(self) -> Backend:
        backend = self._first()
        if backend is None:
            raise ConfigUnsupported(
                "the rules of virtual networks need nft, or iptables",
                domain=ErrorDomain.NETWORK,
                remedy="install the package nftables",
            )
        return backend
