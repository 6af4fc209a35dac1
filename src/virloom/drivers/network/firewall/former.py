# SPDX-License-Identifier: Apache-2.0
"""Takes away the rules that libvirt made for a network: chains ``LIBVIRT_*`` of iptables.

They may be of either kernel interface that iptables has (``nft`` and ``legacy``), whichever of them
``iptables`` meant at that time. Chains without a rule go with the network's.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Sequence
from itertools import pairwise

from virloom.drivers.network.host import NetworkHost
from virloom.drivers.network.links.bridge import addresses_of
from virloom.enums.error import ErrorDomain
from virloom.errors import InternalError
from virloom.model.network import Network

#: The programs of both interfaces; where a host has no such names, there is one only.
_VARIANTS = ("-nft", "-legacy")
_PROGRAMS = ("iptables", "ip6tables")
_RULE = re.compile(r"-A (LIBVIRT_\w+) (.*)")
_CHAIN = re.compile(r":(LIBVIRT_\w+) ")
_JUMP = re.compile(r"-A (\S+ (?:.* )?-j (LIBVIRT_\w+))")
#: What has no link in its rules, but the network's addresses: translation.
_TRANSLATION = "LIBVIRT_PRT"


class FormerRules:
    """Libvirt's rules on this host.

    Args:
        host: Where they are.
    """

    def __init__(self, host: NetworkHost) -> None:
        self._host = host

    async def remove(self, model: Network) -> None:
        """Takes those of the network away, wherever there are any.

        Raises:
            InternalError: A program would not, with its words.
        """
        subnets = {str(address.network) for address in addresses_of(model)}
        for program in self._programs():
            done = await self._host.run([f"{program}-save"])
            if done.returncode != 0:
                continue  # the kernel has not that interface, and so nobody has rules there
            saved = done.stdout.decode(errors="replace")
            text = removal(saved, model.bridge.name or "", subnets)
            if text:
                await self._restore(program, text)

    def _programs(self) -> Iterator[str]:
        for name in _PROGRAMS:
            found = [f"{name}{kind}" for kind in _VARIANTS if self._has(f"{name}{kind}")]
            yield from found or ([name] if self._has(name) else [])

    def _has(self, program: str) -> bool:
        return all(self._host.is_on_path(f"{program}-{verb}") for verb in ("save", "restore"))

    async def _restore(self, program: str, text: str) -> None:
        argv = [f"{program}-restore", "--noflush", "--wait", "5"]
        done = await self._host.run(argv, text.encode())
        if done.returncode != 0:
            words = done.stderr.decode(errors="replace").strip()
            raise InternalError(
                f"{program} did not remove libvirt's rules: {words}", domain=ErrorDomain.FIREWALL
            )


def removal(saved: str, bridge: str, subnets: Collection[str]) -> str:
    """What removes libvirt's rules of a network.

    Args:
        saved: What ``iptables-save`` says.
        bridge: The network's.
        subnets: Its networks, as ``ADDRESS/LENGTH``.

    Returns:
        For ``iptables-restore --noflush``; empty where there are none.
    """
    made = []
    for table in re.findall(r"^\*(\w+)$(.*?)^COMMIT$", saved, re.MULTILINE | re.DOTALL):
        name, lines = table[0], table[1].splitlines()
        commands = list(_commands(lines, bridge, subnets))
        if commands:
            made.append("".join(f"{line}\n" for line in (f"*{name}", *commands, "COMMIT")))
    return "".join(made)


def _commands(lines: Sequence[str], bridge: str, subnets: Collection[str]) -> Iterator[str]:
    rules = [found for line in lines if (found := _RULE.fullmatch(line)) is not None]
    ours = [rule for rule in rules if _is_of(rule[1], rule[2].split(), bridge, subnets)]
    yield from (f"-D {rule[1]} {rule[2]}" for rule in ours)
    kept = {rule[1] for rule in rules if rule not in ours}
    for chain in (found[1] for line in lines if (found := _CHAIN.match(line)) is not None):
        if chain not in kept:
            jumps = [_JUMP.fullmatch(line) for line in lines]
            yield from (f"-D {jump[1]}" for jump in jumps if jump is not None and jump[2] == chain)
            yield f"-X {chain}"


def _is_of(chain: str, words: list[str], bridge: str, subnets: Collection[str]) -> bool:
    pairs = set(pairwise(words))
    if {("-i", bridge), ("-o", bridge)} & pairs:
        return True
    return chain == _TRANSLATION and any(("-s", subnet) in pairs for subnet in subnets)
