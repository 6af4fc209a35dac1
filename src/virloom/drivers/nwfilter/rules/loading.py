# SPDX-License-Identifier: Apache-2.0
"""How the kernel is given the rules of ports: all of a transaction, or nothing."""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable, Mapping, Sequence
from functools import partial
from typing import Protocol

from virloom.drivers.nwfilter.rules.restore import is_used, restore_text, undo_text
from virloom.drivers.nwfilter.rules.transaction import Transaction
from virloom.enums.error import ErrorDomain
from virloom.errors import InternalError


class Ran(Protocol):
    """How a program ended, and what it said."""

    @property
    def returncode(self) -> int | None: ...
    @property
    def stdout(self) -> bytes: ...
    @property
    def stderr(self) -> bytes: ...


#: Runs a program, by its name, with its arguments and what it reads; raises FileNotFoundError
#: where it is not installed.
Run = Callable[[Sequence[str], bytes], Awaitable[Ran]]

#: What begins the names of programs for packets of each family.
_PROGRAMS = {"ipv4": "iptables", "ipv6": "ip6tables"}


class Loader:
    """Gives one network of the kernel rules.

    It remembers that iptables has nothing of ours, so that ports without rules for packets cost
    no look at it.

    Args:
        run: What runs programs there.
    """

    def __init__(self, run: Run) -> None:
        self._run = run
        self._unused: set[str] = set()

    async def load(self, transaction: Transaction) -> None:
        """Gives the kernel the rules.

        Those of packets are first, those of frames last: where a program does not take its part,
        those before it are brought back to what they were.

        Raises:
            InternalError: A program does not take its part, or is not installed; all is as before.
        """
        done: list[tuple[str, str]] = []
        try:
            for family, ports in transaction.packets.items():
                former = await self._load_packets(family, ports)
                if former is not None:
                    done.append((family, former))
            if transaction.commands:
                text = json.dumps({"nftables": transaction.commands})
                await self._must(["nft", "-j", "-f", "-"], text)
        except BaseException:
            for family, former in done:
                ports = transaction.packets[family]
                await self._restore(family, partial(undo_text, former, ports=ports))
            raise

    async def _load_packets(
        self, family: str, ports: Mapping[str, Sequence[str] | None]
    ) -> str | None:
        """Returns what the tables were, where they may be changed."""
        wanted = any(lines is not None for lines in ports.values())
        if not ports or (family in self._unused and not wanted):
            return None
        try:
            return await self._restore(family, lambda dump: restore_text(dump, ports))
        except FileNotFoundError as exc:
            if not wanted:
                return None  # it has never given a port anything
            raise InternalError(
                f"filters with rules for {family} packets need {_PROGRAMS[family]}, which is not"
                " installed",
                domain=ErrorDomain.FIREWALL,
                remedy="install iptables",
            ) from exc

    async def _restore(self, family: str, make: Callable[[str], str | None]) -> str:
        program = _PROGRAMS[family]
        dump = await self._must([f"{program}-save", "-t", "filter"], "")
        text = make(dump)
        self._unused.discard(family)
        if text is not None:
            await self._must([f"{program}-restore", "--noflush", "--wait"], text)
        elif not is_used(dump):
            self._unused.add(family)
        return dump

    async def _must(self, argv: Sequence[str], text: str) -> str:
        done = await self._run(argv, text.encode())
        if done.returncode != 0:
            said = done.stderr.decode(errors="replace").strip()
            raise InternalError(
                f"Failed to apply firewall rules {' '.join(argv)}: {said[:2000]}",
                domain=ErrorDomain.FIREWALL,
            )
        return done.stdout.decode(errors="replace")
