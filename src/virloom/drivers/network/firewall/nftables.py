# SPDX-License-Identifier: Apache-2.0
"""Rules by nft: all of a network's in one transaction, or none."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from virloom.drivers.network.firewall.rules import FAMILY, ruleset, table_of
from virloom.drivers.network.host import NetworkHost
from virloom.enums.error import ErrorDomain
from virloom.errors import InternalError
from virloom.model.network import Network

_PROGRAM = "nft"


class Nftables:
    """A table of each network's own.

    Args:
        host: Where the rules are.
    """

    def __init__(self, host: NetworkHost) -> None:
        self._host = host

    def is_there(self) -> bool:
        """Whether the host has nft."""
        return self._host.is_on_path(_PROGRAM)

    def tables(self, bridge: str) -> frozenset[str]:
        """The table that has the rules."""
        return frozenset((table_of(bridge),))

    async def apply(self, model: Network) -> None:
        """Gives the network its rules, in place of those that it has.

        Raises:
            InternalError: The kernel took none of them, with its words.
        """
        objects = ruleset(model)
        if not objects:
            await self.remove(model.bridge.name or "")
            return
        table = {"family": FAMILY, "name": table_of(model.bridge.name or "")}
        await self._transaction([*_without(table), {"add": {"table": table}}, *_added(objects)])

    async def remove(self, bridge: str) -> None:
        """Takes the rules of the network with that bridge away, if it has any.

        Raises:
            InternalError: The kernel would not.
        """
        await self._transaction(_without({"family": FAMILY, "name": table_of(bridge)}))

    async def holds(self, model: Network) -> bool:
        """Whether the kernel has all rules of the network: somebody may have flushed them."""
        wanted = [kind for entry in ruleset(model) for kind in entry]
        if not wanted:
            return True
        name = table_of(model.bridge.name or "")
        done = await self._host.run([_PROGRAM, "-j", "list", "table", FAMILY, name])
        if done.returncode != 0:
            return False
        entries = json.loads(done.stdout)["nftables"]
        found = [kind for entry in entries for kind in entry if kind in ("chain", "rule")]
        return sorted(found) == sorted(wanted)

    async def _transaction(self, commands: Sequence[dict[str, Any]]) -> None:
        text = json.dumps({"nftables": list(commands)})
        done = await self._host.run([_PROGRAM, "-j", "-f", "-"], text.encode())
        if done.returncode != 0:
            words = done.stderr.decode(errors="replace").strip()
            raise InternalError(
                f"nft did not take the rules of a network: {words}", domain=ErrorDomain.FIREWALL
            )


def _without(table: dict[str, str]) -> list[dict[str, Any]]:
    """Commands after which there is no such table; deleting one that is not there is an error."""
    return [{"add": {"table": table}}, {"delete": {"table": table}}]


def _added(objects: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    return [{"add": entry} for entry in objects]
