# SPDX-License-Identifier: Apache-2.0
"""Rules for packets in nftables, for kernels that track connections on bridges."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import pytest

from virloom.drivers.nwfilter.completion import parse_filter
from virloom.drivers.nwfilter.rules.loading import Loader
from virloom.drivers.nwfilter.rules.ruleset import removal, ruleset
from virloom.drivers.nwfilter.rules.tracking import can_have, tracked
from virloom.drivers.nwfilter.rules.transaction import Transaction
from virloom.errors import InternalError
from virloom.model.nwfilter import FilterReference

PORT = "vnet0"


def made(match: str, action: str = "drop", direction: str = "out") -> Transaction:
    text = f"<filter name='f'><rule action='{action}' direction='{direction}'>{match}</rule>"
    model = parse_filter(f"{text}</filter>")
    return ruleset(FilterReference(filter="f"), {"f": model}.get, PORT, {})


def shown(expression: dict[str, Any]) -> str:
    """A match as ``left op right``."""
    said = expression.get("match")
    if said is None:
        return next(iter(expression))
    return " ".join(map(_side, (said["left"], said["op"], said["right"])))


def _side(value: Any) -> str:
    match value:
        case {"payload": {"base": base, "offset": offset, "len": length}}:
            return f"{base}:{offset}:{length}"
        case {"tcp option": {"base": kind, "offset": 0, "len": 8}}:
            return f"option {kind}"
        case {"payload": {"field": name}}:
            return str(name)
        case {"&": [left, mask]}:
            return f"{_side(left)}&{mask}"
        case {"meta": {"key": key}} | {"ct": {"key": key}}:
            return str(key)
        case {"range": [first, last]}:
            return f"{first}-{last}"
        case {"prefix": {"addr": address, "len": length}}:
            return f"{address}/{length}"
        case list():
            return ",".join(value)
    return str(value)


def rules(family: str, transaction: Transaction) -> dict[str, list[str]]:
    """The rules of each chain."""
    found: dict[str, list[str]] = {}
    for command in tracked(PORT, family, transaction.packets[family][PORT] or []):
        rule = command["add"].get("rule")
        if rule is not None:
            found.setdefault(rule["chain"], []).append("; ".join(map(shown, rule["expr"])))
    return found


def test_directions_and_states() -> None:
    new = "state in new,established; direction == original"
    assert rules("ipv4", made("<tcp dstportstart='22'/>", "accept")) == {
        "FI-ipv4": [f"l4proto == 6; th:16:16 == 22; {new}; return"],
        "packets-ipv4-prerouting": ["iifname == vnet0; ll:96:16 == 2048; jump"],
        "FO-ipv4": [
            "l4proto == 6; th:0:16 == 22; state in established; direction == reply; accept"
        ],
        "packets-ipv4-forward": ["oifname == vnet0; ll:96:16 == 2048; jump"],
    }


@pytest.mark.parametrize(
    ("match", "family", "expected"),
    [
        ("<all srcipaddr='10.1.2.3' srcipmask='8'/>", "ipv4", "saddr == 10.0.0.0/8"),
        ("<all srcipfrom='10.0.0.1' srcipto='10.0.0.9'/>", "ipv4", "saddr == 10.0.0.1-10.0.0.9"),
        ("<all srcipfrom='10.0.0.1'/>", "ipv4", "saddr == 10.0.0.1"),
        ("<all-ipv6 dstipaddr='fe80::' dstipmask='10'/>", "ipv6", "daddr == fe80::/10"),
        ("<all-ipv6 dscp='5'/>", "ipv6", "nh:4:6 == 5"),
        ("<all dscp='5'/>", "ipv4", "nh:8:6 == 5"),
        ("<udp match='no' srcportstart='5' srcportend='9'/>", "ipv4",
         "l4proto == 17; th:0:16 != 5-9"),
        ("<tcp flags='SYN/SYN,ACK'/>", "ipv4", "l4proto == 6; th:104:8&2 == 18"),
        ("<tcp flags='ALL/NONE'/>", "ipv4", "l4proto == 6; th:104:8&63 == 0"),
        ("<tcp option='0x5'/>", "ipv4", "l4proto == 6; option 5 == True"),
        ("<tcp match='no' option='5'/>", "ipv4", "l4proto == 6; option 5 == False"),
        ("<icmp type='8' code='1'/>", "ipv4", "l4proto == 1; th:0:16 == 2049"),
        ("<icmp match='no' type='8'/>", "ipv4", "l4proto == 1; th:0:8 != 8"),
        ("<icmpv6 type='0x80'/>", "ipv6", "l4proto == 58; th:0:8 == 128"),
        ("<all srcmacaddr='52:54:00:00:00:01'/>", "ipv4", f"ll:48:48 == {0x525400000001}"),
        ("<all state='NEW,INVALID'/>", "ipv4", "state in new,invalid"),
    ],
)  # fmt: skip
def test_matches(match: str, family: str, expected: str) -> None:
    assert rules(family, made(match))[f"FI-{family}"] == [f"{expected}; drop"]


def test_comments_are_as_long_as_they_may_be() -> None:
    transaction = made(f"<all comment='{'ö' * 80}'/>")
    commands = tracked(PORT, "ipv4", transaction.packets["ipv4"][PORT] or [])
    added = [command["add"].get("rule", {}) for command in commands]
    assert {rule["comment"] for rule in added if "comment" in rule} == {"ö" * 63}


@pytest.mark.parametrize(
    "transaction",
    [
        made("<all ipset='x' ipsetflags='src'/>"),
        made("<tcp connlimit-above='2'/>", direction="in"),
        made("<tcp/>", "reject", "in"),
        made("<all state='NONE,NEW'/>"),
        made("<tcp srcportstart='9' srcportend='5'/>"),
        made("<all srcipfrom='10.0.0.9' srcipto='10.0.0.5'/>"),
    ],
)
def test_what_bridges_do_not_have(transaction: Transaction) -> None:
    assert not can_have(transaction.packets["ipv4"][PORT] or [])


@dataclass
class Done:
    """How a program ended."""

    returncode: int = 0
    stdout: bytes = b""
    stderr: bytes = b""


@dataclass
class Kernel:
    """Runs no program, but notes what it is asked; *dump* is what ``iptables-save`` prints."""

    tracks: bool
    dump: str = "*filter\n:FORWARD ACCEPT [0:0]\nCOMMIT\n"
    failing: str = ""
    asked: list[tuple[str, str]] = field(default_factory=list)

    async def run(self, argv: Sequence[str], text: bytes) -> Done:
        self.asked.append((argv[0], text.decode()))
        if "--check" in argv:
            return Done(0 if self.tracks else 1)
        if argv[0].endswith("save"):
            return Done(0, self.dump.encode())
        return Done(1 if argv[0] == self.failing else 0)

    def names(self) -> list[str]:
        return [name for name, _ in self.asked]


def load(kernel: Kernel, *transactions: Transaction) -> None:
    loader = Loader(kernel.run)
    for one in transactions:
        asyncio.run(loader.load(one))


def test_all_is_one_transaction_of_nft_where_the_kernel_can() -> None:
    kernel = Kernel(tracks=True)
    load(kernel, made("<tcp/>"), made("<udp/>"), removal(PORT))
    assert not [name for name in kernel.names() if name.endswith("restore")]
    tried, *loaded = [json.loads(text)["nftables"] for name, text in kernel.asked if name == "nft"]
    assert len(loaded) == 3
    assert tried[0]["add"]["table"]["name"] == "virloom-port-trial"
    chains = {one["add"]["chain"]["name"] for one in loaded[0] if "chain" in one.get("add", {})}
    assert chains >= {"FI-ipv4", "FO-ipv4", "out", "in"}


def test_what_iptables_has_goes_when_nft_has_taken_it() -> None:
    chains = ("libvirt-in", "FI-vnet0", "FO-vnet0", "HI-vnet0")
    dump = "*filter\n" + "".join(f":{name} - [0:0]\n" for name in chains)
    kernel = Kernel(tracks=True, dump=dump)
    load(kernel, made("<tcp/>"))
    names = kernel.names()
    assert names.index("iptables-restore") > max(n for n, name in enumerate(names) if name == "nft")
    kernel = Kernel(tracks=True, dump=dump, failing="iptables-restore")
    load(kernel, made("<tcp/>"))  # both have them, and the guest has what is asked for
    kernel = Kernel(tracks=False, dump=dump, failing="nft")
    with pytest.raises(InternalError):
        load(kernel, made("<tcp/>"))
    assert kernel.names().count("iptables-restore") == 2  # the former ones are back


def test_what_bridges_do_not_have_is_for_iptables() -> None:
    kernel = Kernel(tracks=True)
    load(kernel, made("<tcp connlimit-above='2'/>", direction="in"))
    assert "iptables-restore" in kernel.names()
