# SPDX-License-Identifier: Apache-2.0
"""Rules by iptables, where the host has no nft."""

from __future__ import annotations

import asyncio

from virloom.drivers.network.firewall.restoration import (
    Version,
    chain_rules,
    is_held,
    restoration,
)
from virloom.drivers.network.host import NetworkHost
from virloom.enums.error import ErrorDomain
from virloom.errors import InternalError
from virloom.model.network import Network

_PROGRAMS: dict[Version, str] = {4: "iptables", 6: "ip6tables"}


class Iptables:
    """Chains of each network's own, in the tables of all.

    Args:
        host: Where the rules are.
    """

    def __init__(self, host: NetworkHost) -> None:
        self._host = host
        # What is to be changed depends on what is there.
        self._changing = asyncio.Lock()

    def is_there(self) -> bool:
        """Whether the host has iptables, for both versions of IP."""
        names = [f"{name}-{verb}" for name in _PROGRAMS.values() for verb in ("save", "restore")]
        return all(self._host.is_on_path(name) for name in names)

    def tables(self, bridge: str) -> frozenset[str]:
        """The tables of nft that have the rules, if iptables is the one that writes into them."""
        return frozenset(("filter", "nat"))

    async def apply(self, model: Network) -> None:
        """Gives the network its rules, in place of those that it has.

        Raises:
            InternalError: The kernel took none of them, with its words.
        """
        await self._change(
            model.bridge.name or "", {version: chain_rules(model, version) for version in _PROGRAMS}
        )

    async def remove(self, bridge: str) -> None:
        """Takes the rules of the network with that bridge away, if it has any.

        Raises:
            InternalError: The kernel would not.
        """
        await self._change(bridge, {version: {} for version in _PROGRAMS})

    async def holds(self, model: Network) -> bool:
        """Whether the kernel has all rules of the network: somebody may have flushed them."""
        for version in _PROGRAMS:
            saved = await self._saved(version)
            if not is_held(saved, model.bridge.name or "", chain_rules(model, version)):
                return False
        return True

    async def _change(self, bridge: str, chains: dict[Version, dict[str, list[str]]]) -> None:
        async with self._changing:
            texts = {
                version: restoration(await self._saved(version), bridge, chains[version])
                for version in _PROGRAMS
            }
            # No transaction is over both versions: what either would refuse is found out before.
            for options in (["--test"], []):
                for version, text in texts.items():
                    if text:
                        await self._restore(version, text, options)

    async def _saved(self, version: Version) -> str:
        done = await self._host.run([f"{_PROGRAMS[version]}-save"])
        if done.returncode != 0:
            raise _refused(version, done.stderr)
        return done.stdout.decode(errors="replace")

    async def _restore(self, version: Version, text: str, options: list[str]) -> None:
        # Others that change rules of iptables hold its lock for a moment: 5 seconds of patience.
        argv = [f"{_PROGRAMS[version]}-restore", "--noflush", "--wait", "5", *options]
        done = await self._host.run(argv, text.encode())
        if done.returncode != 0:
            raise _refused(version, done.stderr)


def _refused(version: Version, told: bytes) -> InternalError:
    words = told.decode(errors="replace").strip()
    return InternalError(
        f"{_PROGRAMS[version]} did not take the rules of a network: {words}",
        domain=ErrorDomain.FIREWALL,
    )
