# SPDX-License-Identifier: Apache-2.0
"""What of the host's firewall stands in the way of guests: who drops what is forwarded."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import NamedTuple

from virloom.cli.findings.filters import filters, tracking
from virloom.cli.findings.finding import Finding
from virloom.cli.findings.guests import locate
from virloom.cli.findings.host import Host
from virloom.errors import VirloomError
from virloom.host.process import run

_AREA = "firewall"
_SECONDS = 10


class Forwarding(NamedTuple):
    """A chain that what is forwarded goes through.

    Attributes:
        chain: Its table and name.
        drops: Whether it drops what no rule accepts.
        docker: Whether Docker's chains are beside it.
    """

    chain: str
    drops: bool
    docker: bool


async def find_firewall(host: Host) -> list[Finding]:
    """Clashes of the host's firewall with virtual networks."""
    tracks, why = await tracking()
    needed = tracks is False  # filters of guests have nothing else then
    return [
        await _forward(),
        _routing(host),
        *_bridges(host, needed=needed),
        filters(host, tracks, why),
    ]


async def _forward() -> Finding:
    programs = {"nft": ["-j", "list", "ruleset"], "iptables": ["-S"]}
    for name, words in programs.items():
        path = locate(name)
        if path is None:
            continue
        try:
            done = await run([path, *words], timeout=_SECONDS)
        except VirloomError as error:
            return _unseen(f"'{name}' cannot be asked: {error.message}")
        text = done.stdout.decode(errors="replace")
        if done.returncode == 0 and text.strip():
            chains = of_nft(text) if name == "nft" else of_iptables(text)
            return judge(chains, name)
        if done.returncode != 0:
            said = done.stderr.decode(errors="replace").strip().splitlines()[-1:]
            return _unseen(f"'{name}' refuses to tell: {' '.join(said)}")
    return _unseen("neither 'nft' nor 'iptables' is installed")


def of_nft(text: str) -> list[Forwarding]:
    """The chains of ``nft -j list ruleset``."""
    objects = json.loads(text).get("nftables", [])
    chains = [item["chain"] for item in objects if "chain" in item]
    docker = {(one["family"], one["table"]) for one in chains if one["name"] == "DOCKER-USER"}
    return [
        Forwarding(
            f"{one['family']} {one['table']} {one['name']}",
            one.get("policy") == "drop",
            (one["family"], one["table"]) in docker,
        )
        for one in chains
        if one.get("hook") == "forward"
    ]


def of_iptables(text: str) -> list[Forwarding]:
    """The chain of ``iptables -S``."""
    policy = re.search(r"^-P FORWARD (\w+)", text, re.MULTILINE)
    docker = bool(re.search(r"^-N DOCKER-USER\b", text, re.MULTILINE))
    return [Forwarding("iptables FORWARD", bool(policy and policy[1] == "DROP"), docker)]


def judge(chains: list[Forwarding], program: str) -> Finding:
    """Whether guests on virtual networks get out; one chain that drops is enough."""
    dropping = next((one for one in chains if one.drops), None)
    if dropping is None:
        return Finding(_AREA, "forwarding", True, f"no chain drops by default (by {program})")
    if dropping.docker:
        detail = f"Docker has '{dropping.chain}' drop what no rule accepts, guests' traffic too"
        rule = "iptables -I DOCKER-USER -{} virbr0 -j ACCEPT"
        remedy = f"{rule.format('i')}; {rule.format('o')}"
        return Finding(_AREA, "forwarding", False, detail, remedy)
    detail = f"'{dropping.chain}' drops what no rule accepts, guests' traffic too"
    return Finding(_AREA, "forwarding", False, detail, "let it accept what bridges of guests send")


def _unseen(why: str) -> Finding:
    return Finding(_AREA, "forwarding", False, f"not seen: {why}", "ask as root, with nftables")


def _routing(host: Host) -> Finding:
    name = "/proc/sys/net/ipv4/ip_forward"
    on = _is_on(host.path(name))
    detail = "IPv4 is routed" if on else "IPv4 is not routed: networks with NAT or routes need it"
    return Finding(_AREA, "routing", on, detail, "sysctl -w net.ipv4.ip_forward=1")


def _bridges(host: Host, *, needed: bool) -> list[Finding]:
    """Whether frames on bridges meet iptables too, which filters of guests may need."""
    path = host.path("/proc/sys/net/bridge/bridge-nf-call-iptables")
    if not path.exists():
        return []
    filtered = _is_on(path)
    detail = "frames on bridges are not filtered by iptables"
    if filtered:
        detail = "iptables filters frames on bridges too: what it drops, bridged guests lose"
    if filtered and needed:
        return [Finding(_AREA, "bridges", True, f"{detail}; guests' filters need it here")]
    remedy = "sysctl -w net.bridge.bridge-nf-call-iptables=0"
    return [Finding(_AREA, "bridges", not filtered, detail, remedy)]


def _is_on(path: Path) -> bool:
    try:
        return path.read_text().strip() != "0"
    except OSError:
        return False
