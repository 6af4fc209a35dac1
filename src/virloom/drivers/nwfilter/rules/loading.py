# SPDX-License-Identifier: Apache-2.0
"""How the kernel is given the rules of ports: all of a transaction, or nothing.

Frames are for nft. Packets are too where the kernel tracks connections on bridges and a bridge has
a match for all that a port's rules say; else iptables has them, and knows ports by ``physdev``.
"""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import Awaitable, Callable, Mapping, Sequence
from functools import partial
from typing import Protocol

from virloom.drivers.nwfilter.rules.commands import Command
from virloom.drivers.nwfilter.rules.iptables import lines_of
from virloom.drivers.nwfilter.rules.packets import PacketRule
from virloom.drivers.nwfilter.rules.restore import is_used, restore_text, undo_text
from virloom.drivers.nwfilter.rules.tracking import can_have, tracked, trial
from virloom.drivers.nwfilter.rules.transaction import Transaction
from virloom.enums.error import ErrorDomain
from virloom.errors import InternalError, VirloomError

logger = logging.getLogger(__name__)


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
#: By port, its lines for iptables; None takes all away.
Lines = Mapping[str, Sequence[str] | None]

#: What begins the names of programs for packets of each family.
_PROGRAMS = {"ipv4": "iptables", "ipv6": "ip6tables"}
_NFT = ("nft", "-j", "-f", "-")


async def tracks_on_bridges(run: Run) -> bool:
    """Whether the kernel tracks connections on bridges: nft has it check rules that say so.

    Raises:
        FileNotFoundError: nft is not installed.
    """
    tried = await run([*_NFT, "--check"], _text(trial()))
    return tried.returncode == 0


class Loader:
    """Gives one network of the kernel rules.

    It remembers what the kernel can do, and that iptables has nothing of ours, so that ports
    without rules for packets cost no look at it.

    Args:
        run: What runs programs there.
    """

    def __init__(self, run: Run) -> None:
        self._run = run
        self._unused: set[str] = set()
        self._tracks: bool | None = None

    async def load(self, transaction: Transaction) -> None:
        """Gives the kernel the rules.

        Those that iptables has are first, those of nft last: where a program does not take its
        part, those before it are brought back to what they were. What iptables has of packets
        that nft is given now goes when nft has taken them.

        Raises:
            InternalError: A program does not take its part, or is not installed; all is as before.
        """
        commands, first, then = await self._shared_out(transaction)
        former: dict[str, str] = {}
        try:
            await self._load_packets(first, former)
            if commands:
                await self._must(_NFT, _text(commands))
        except BaseException:
            for family, dump in former.items():
                await self._restore(family, partial(undo_text, dump, ports=first[family]))
            raise
        try:
            await self._load_packets(then, {})
        except VirloomError as exc:  # they are in force twice, which lets less pass
            logger.error("rules of iptables are left that nft has by now: %s", exc)

    async def _shared_out(
        self, transaction: Transaction
    ) -> tuple[list[Command], dict[str, Lines], dict[str, Lines]]:
        """What nft is given, what iptables is before that, and what after."""
        commands = list(transaction.commands)
        first: dict[str, Lines] = {}
        then: dict[str, Lines] = {}
        for family, ports in transaction.packets.items():
            given = {port for port, rules in ports.items() if rules and await self._track(rules)}
            for port in given:
                commands += tracked(port, family, ports[port] or [])
            then[family] = dict.fromkeys(given)
            first[family] = {
                port: None if rules is None else lines_of(port, rules)
                for port, rules in ports.items()
                if port not in given
            }
        return commands, first, then

    async def _track(self, rules: Sequence[PacketRule]) -> bool:
        """Whether nft can have them."""
        if self._tracks is None:
            self._tracks = await tracks_on_bridges(self._run)
        return self._tracks and can_have(rules)

    async def _load_packets(self, families: Mapping[str, Lines], former: dict[str, str]) -> None:
        """Gives iptables and ip6tables theirs at once; *former* gets what each had."""
        loads = [self._load_family(family, ports, former) for family, ports in families.items()]
        for failed in await asyncio.gather(*loads, return_exceptions=True):
            if failed is not None:
                raise failed

    async def _load_family(self, family: str, ports: Lines, former: dict[str, str]) -> None:
        wanted = any(lines is not None for lines in ports.values())
        if not ports or (family in self._unused and not wanted):
            return
        try:
            await self._restore(family, lambda dump: restore_text(dump, ports), former)
        except FileNotFoundError as exc:
            if not wanted:
                return  # it has never given a port anything
            raise InternalError(
                f"filters with rules for {family} packets need {_PROGRAMS[family]}, which is not"
                " installed",
                domain=ErrorDomain.FIREWALL,
                remedy="install iptables",
            ) from exc

    async def _restore(
        self,
        family: str,
        make: Callable[[str], str | None],
        former: dict[str, str] | None = None,
    ) -> None:
        program = _PROGRAMS[family]
        dump = await self._must([f"{program}-save", "-t", "filter"], b"")
        text = make(dump)
        self._unused.discard(family)
        if text is not None:
            if former is not None:
                former[family] = dump
            await self._must([f"{program}-restore", "--noflush", "--wait"], text.encode())
        elif not is_used(dump):
            self._unused.add(family)

    async def _must(self, argv: Sequence[str], text: bytes) -> str:
        done = await self._run(argv, text)
        if done.returncode != 0:
            said = done.stderr.decode(errors="replace").strip()
            raise InternalError(
                f"Failed to apply firewall rules {' '.join(argv)}: {said[:2000]}",
                domain=ErrorDomain.FIREWALL,
            )
        return done.stdout.decode(errors="replace")


def _text(commands: list[Command]) -> bytes:
    return json.dumps({"nftables": commands}).encode()
