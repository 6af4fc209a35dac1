# SPDX-License-Identifier: Apache-2.0
"""The rules of networks, given to the kernel: by nft, or by iptables where there is none."""

from __future__ import annotations

from collections.abc import Callable, Mapping
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


#: By libvirt's names for them; the first that the host has is used where nobody chooses.
BACKENDS: Mapping[str, Callable[[NetworkHost], Backend]] = {
    "nftables": Nftables,
    "iptables": Iptables,
}
_PROGRAMS = {"nftables": "nft", "iptables": "iptables"}


class Firewall:
    """The host's packet filter, as networks use it.

    Args:
        host: Where the rules are.
        chosen: The back end that is to be used, whatever else there is.
    """

    def __init__(self, host: NetworkHost, chosen: str | None = None) -> None:
        self._backends = {name: kind(host) for name, kind in BACKENDS.items()}
        self._chosen = chosen

    @property
    def name(self) -> str | None:
        """The back end that is used here; None where the host has none."""
        names = [self._chosen] if self._chosen is not None else list(self._backends)
        return next((name for name in names if self._backends[name].is_there()), None)

    def check(self) -> None:
        """Refuses a choice that the host has not.

        Raises:
            ConfigUnsupported: It has not.
        """
        if self._chosen is not None:
            self._backend()

    def tables(self, bridge: str) -> frozenset[str]:
        """The tables of nft that have the rules of the network with that bridge."""
        name = self.name
        return self._backends[name].tables(bridge) if name is not None else frozenset()

    async def apply(self, model: Network) -> None:
        """Gives the network its rules, in place of those that it has.

        Raises:
            ConfigUnsupported: The host has neither nft nor iptables.
            InternalError: The kernel took none of them, with its words.
        """
        await self._backend().apply(model)

    async def remove(self, bridge: str, name: str | None = None) -> None:
        """Takes the rules of the network with that bridge away, if it has any.

        Args:
            name: The back end that gave them; None is the one that is used here.

        Raises:
            InternalError: The kernel would not.
        """
        name = self.name if name is None else name
        backend = self._backends.get(name) if name is not None else None
        if backend is not None and backend.is_there():
            await backend.remove(bridge)

    async def holds(self, model: Network) -> bool:
        """Whether the kernel has all rules of the network: somebody may have flushed them.

        Raises:
            ConfigUnsupported: The host has neither nft nor iptables.
        """
        return await self._backend().holds(model)

    def _backend(self) -> Backend:
        name = self.name
        if name is not None:
            return self._backends[name]
        program = _PROGRAMS[self._chosen or "nftables"]
        others = "" if self._chosen else ", or iptables"
        raise ConfigUnsupported(
            f"the rules of virtual networks need {program}{others}",
            domain=ErrorDomain.NETWORK,
            remedy=f"install the package {'nftables' if program == 'nft' else program}",
        )
