# SPDX-License-Identifier: Apache-2.0
"""Rules for packets as lines for ``iptables-restore``.

Options are those of ``iptables-extensions(8)``. A bridge's frames meet them where ``br_netfilter``
hands these to iptables; which port a frame came from its extension ``physdev`` tells.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from functools import lru_cache

from virloom.drivers.nwfilter.rules.packets import FROM_GUEST, Connection, PacketRule

#: The chain for what a guest sends to the host.
TO_HOST = "HI"
_PLAIN = re.compile(r"[A-Za-z0-9_.,:/!@%+=\-]+")


def lines_of(port: str, rules: Iterable[PacketRule]) -> list[str]:
    """The rules of a port as lines, by the names that its chains have.

    What goes to the host meets the same rules as what the guest sends on; libvirt has them twice.
    """
    made = [
        " ".join([f"-A {rule.chain}-{port}", *(_quoted(word) for word in _words(rule))])
        for rule in rules
    ]
    return [*made, f"-A {TO_HOST}-{port} -g {FROM_GUEST}-{port}"]


def _words(rule: PacketRule) -> list[str]:
    said, no = rule.said, ("!",) if rule.negated else ()
    name = rule.protocol.removesuffix("_ipv6")
    made = [] if name == "all" else ["-p", name]
    if "srcmacaddr" in said:
        made += ["-m", "mac", *no, "--mac-source", said["srcmacaddr"]]
    for side in ("src", "dst"):
        made += _addresses(said, side, no)
    if "dscp" in said:
        made += ["-m", "dscp", *no, "--dscp", _decimal(said["dscp"])]
    made += _ports(said, no)
    if "option" in said:
        made += [*no, "--tcp-option", _decimal(said["option"])]
    if "flags" in said:
        made += [*no, "--tcp-flags", *said["flags"].split("/")]
    if "type" in said:
        kind = "/".join(_decimal(said[part]) for part in ("type", "code") if part in said)
        made += [*no, "--icmpv6-type" if name == "icmpv6" else "--icmp-type", kind]
    if "connlimit_above" in said:
        made += ["-m", "connlimit", *no, "--connlimit-above", said["connlimit_above"]]
    if "ipset" in said:
        made += ["-m", "set", *no, "--match-set", said["ipset"], said["ipsetflags"]]
    if "comment" in said:
        made += ["-m", "comment", "--comment", said["comment"]]
    return [*made, *_connection(rule.connection), "-j", rule.verdict.upper()]


def _connection(asked: Connection) -> list[str]:
    made = []
    if asked.states:
        made += ["-m", "conntrack", "--ctstate", ",".join(asked.states)]
    if asked.direction is not None:
        made += ["-m", "conntrack", "--ctdir", asked.direction]
    return made


def _addresses(said: Mapping[str, str], side: str, no: tuple[str, ...]) -> list[str]:
    """One address, a network or a range; a mask or an end by itself says nothing."""
    made: list[str] = []
    address, first = said.get(f"{side}ipaddr"), said.get(f"{side}ipfrom")
    if address is not None:
        mask = said.get(f"{side}ipmask")
        made += [*no, f"-{side[0]}", address if mask is None else f"{address}/{mask}"]
    elif first is not None:
        last = said.get(f"{side}ipto", first)
        made += ["-m", "iprange", *no, f"--{side}-range", f"{first}-{last}"]
    return made


def _ports(said: Mapping[str, str], no: tuple[str, ...]) -> list[str]:
    made: list[str] = []
    for side, option in (("src", "--sport"), ("dst", "--dport")):
        first = said.get(f"{side}portstart")
        if first is not None:
            last = said.get(f"{side}portend")
            text = _decimal(first) if last is None else f"{_decimal(first)}:{_decimal(last)}"
            made += [*no, option, text]
    return made


def _decimal(number: str) -> str:
    return str(int(number, 0))


@lru_cache(1024)  # most words of a filter are those of its other rules
def _quoted(word: str) -> str:
    """A word as ``iptables-restore`` reads it; what it cannot have in one becomes a blank."""
    if _PLAIN.fullmatch(word):
        return word
    plain = re.sub(r"[\x00-\x1f\x7f]", " ", word)
    return '"' + plain.replace("\\", "\\\\").replace('"', '\\"') + '"'
