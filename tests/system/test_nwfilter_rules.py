# SPDX-License-Identifier: Apache-2.0
"""Filters at work: frames pass a bridge in a network of the test's own, or do not.

The frames are made by hand and sent by a raw socket at the guest's end of a pair of links; whether
they arrive is seen at the end of another pair, on the same bridge.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from ipaddress import IPv4Address, IPv6Address

import pytest

from virloom.drivers.nwfilter.completion import parse_filter
from virloom.drivers.nwfilter.rules.ruleset import removal, ruleset
from virloom.drivers.nwfilter.stock import stock_filters
from virloom.errors import InternalError
from virloom.model.nwfilter import Filter, FilterReference
from virloom.model.nwfilter.reference import FilterParameter

pytestmark = pytest.mark.skipif(
    shutil.which("nft", path="/usr/sbin:/usr/bin") is None or os.geteuid() != 0,
    reason="nft is not installed, or this is not root, who can make links",
)

MAC, OTHER, ALL = "52:54:00:00:00:01", "52:54:00:00:00:02", "ff:ff:ff:ff:ff:ff"

#: Run in the namespace: gives the port the rules of each round, and tells which frames arrive.
PROBE = """
import json, socket, subprocess, sys
def sh(*words, **more):
    return subprocess.run(words, check=True, capture_output=True, **more)
sh("ip", "link", "add", "br0", "type", "bridge", "forward_delay", "0", "mcast_snooping", "0")
for near, far in (("vnet0", "guest"), ("vnet1", "peer")):
    sh("ip", "link", "add", near, "type", "veth", "peer", "name", far)
    sh("ip", "link", "set", near, "master", "br0")
    for name in (near, far):
        open(f"/proc/sys/net/ipv6/conf/{name}/disable_ipv6", "w").write("1")
        sh("ip", "link", "set", name, "up")
open("/proc/sys/net/ipv6/conf/br0/disable_ipv6", "w").write("1")
sh("ip", "link", "set", "br0", "up")
ends = {}
for name in ("guest", "peer"):
    ends[name] = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(3))
    ends[name].bind((name, 0))
def arrives(frame, sender, receiver, patience=0.15):
    ends[sender].send(frame)
    ends[receiver].settimeout(patience)
    try:
        while ends[receiver].recv(2000)[:len(frame)] != frame:
            pass
    except TimeoutError:
        return False
    return True
number = 0
while not arrives(bytes([255] * 6 + [2, 0, 0, 0, 0, 1, 8, 6]) + bytes(46), "guest", "peer"):
    number += 1  # the kernel takes a moment to see that the links are up
    assert number < 50
for line in sys.stdin:
    commands, frames = json.loads(line)
    done = subprocess.run(["nft", "-j", "-f", "-"], input=json.dumps({"nftables": commands}),
                          text=True, capture_output=True)
    left = sh("nft", "list", "tables", text=True).stdout.count("virloom-port-vnet0")
    print(json.dumps([done.returncode, done.stderr, left, {
        name: arrives(bytes.fromhex(frame), *(
            ("guest", "peer") if way == "out" else ("peer", "guest")))
        for name, (way, frame) in frames.items()}]), flush=True)
"""


def mac(text: str) -> bytes:
    return bytes.fromhex(text.replace(":", ""))


def ethernet(kind: int, payload: bytes, source: str = MAC, target: str = ALL) -> bytes:
    return (mac(target) + mac(source) + kind.to_bytes(2, "big") + payload).ljust(60, b"\0")


def arp(source_mac: str, address: str, **more: str) -> bytes:
    head = bytes.fromhex("0001080006040001")
    body = mac(source_mac) + IPv4Address(address).packed + bytes(6) + IPv4Address("10.0.0.9").packed
    return ethernet(0x806, head + body, **more)


def udp(address: str, sport: int, dport: int, **more: str) -> bytes:
    ports = sport.to_bytes(2, "big") + dport.to_bytes(2, "big") + b"\0\x1a\0\0" + bytes(18)
    head = bytes.fromhex("4500002e0000400040110000") + IPv4Address(address).packed
    head += IPv4Address("10.0.0.9").packed
    total = sum(int.from_bytes(head[n : n + 2], "big") for n in range(0, 20, 2))
    checksum = ~(total + total // 0x10000) & 0xFFFF  # one that is wrong may be dropped on the way
    head = head[:10] + checksum.to_bytes(2, "big") + head[12:]
    return ethernet(0x800, head + ports, **more)


def udp6(address: str, dport: int) -> bytes:
    ports = b"\x02\x22" + dport.to_bytes(2, "big") + b"\0\x08\0\0"
    target = IPv6Address("ff02::1:2").packed
    head = bytes.fromhex("6000000000081140")
    return ethernet(0x86DD, head + IPv6Address(address).packed + target + ports)


def probe(rounds: list[tuple[list[dict[str, object]], dict[str, tuple[str, bytes]]]]) -> list[list]:
    lines = [
        json.dumps([commands, {name: [way, frame.hex()] for name, (way, frame) in frames.items()}])
        for commands, frames in rounds
    ]
    done = subprocess.run(
        ["unshare", "--net", sys.executable, "-c", PROBE],
        input="\n".join(lines), capture_output=True, text=True, timeout=50, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return [json.loads(line) for line in done.stdout.splitlines()]


def known() -> dict[str, Filter]:
    return {name: parse_filter(text) for name, text in stock_filters()}


def rules(name: str, filters: dict[str, Filter], **values: list[str]) -> list[dict[str, object]]:
    reference = FilterReference(filter=name)
    return ruleset(reference, filters.get, "vnet0", {"MAC": [MAC], **values}).commands


def own(text: str) -> list[dict[str, object]]:
    """The rules of a filter of the test's."""
    return rules("own", {"own": parse_filter(f"<filter name='own'>{text}</filter>")})


def rule(match: str, action: str = "drop", direction: str = "out") -> str:
    return f"<rule action='{action}' direction='{direction}'>{match}</rule>"


def test_spoofed_frames_do_not_pass() -> None:
    frames = {
        "ip": ("out", udp("10.0.0.1", 1000, 2000)),
        "second ip": ("out", udp("10.0.0.2", 1000, 2000)),
        "other ip": ("out", udp("10.0.0.3", 1000, 2000)),
        "other mac": ("out", udp("10.0.0.1", 1000, 2000, source=OTHER)),
        "dhcp": ("out", udp("0.0.0.0", 68, 67)),
        "arp": ("out", arp(MAC, "10.0.0.1")),
        "arp of other ip": ("out", arp(MAC, "10.0.0.3")),
        "arp of other mac": ("out", arp(OTHER, "10.0.0.1")),
        "ipv6": ("out", udp6("fe80::1", 547)),
        "ip to it": ("in", udp("10.0.0.9", 1000, 2000, source=OTHER)),
        "arp to it": ("in", arp(OTHER, "10.0.0.9", source=OTHER)),
        "ipv6 to it": ("in", udp6("fe80::9", 547)),
    }
    clean = rules("clean-traffic", known(), IP=["10.0.0.1", "10.0.0.2"])
    broken = [*clean, {"add": {"rule": {"family": "bridge", "table": "none", "chain": "none"}}}]
    before, filtered, failed, after = probe(
        [([], frames), (clean, frames), (broken, {}), (removal("vnet0").commands, frames)]
    )
    assert before == [0, "", 0, dict.fromkeys(frames, True)]
    passing = {"ip", "second ip", "dhcp", "arp", "ip to it", "arp to it"}
    assert filtered == [0, "", 1, {name: name in passing for name in frames}]
    # All or nothing: the former ones are still there.
    assert failed[0] != 0
    assert failed[2] == 1
    assert after == [0, "", 0, dict.fromkeys(frames, True)]


#: A rule for what the guest sends, and for each of the frames whether it passes.
MATCHES = {
    rule("<ip protocol='udp' dstportstart='50' dstportend='60'/>"): "no yes yes yes",
    rule("<ip srcipaddr='10.1.0.0' srcipmask='16'/>"): "yes no yes yes",
    rule("<ip match='no' srcipaddr='10.1.0.0' srcipmask='16'/>"): "no yes yes yes",
    rule("<ipv6 srcipaddr='fe80::' srcipmask='10' protocol='udp' dstportstart='547'/>"):
        "yes yes no yes",
    rule("<mac protocolid='arp'/>"): "yes yes yes no",
    rule("<arp opcode='Request' arpdstipaddr='10.0.0.9'/>"): "yes yes yes no",
    rule("<arp opcode='Reply'/>"): "yes yes yes yes",
    rule("<mac srcmacaddr='52:54:00:ff:ff:ff' srcmacmask='ff:ff:ff:00:00:00'/>"): "no no no no",
    rule("<ip dscp='10'/>"): "yes yes yes yes",
    rule("<ip dscp='0' protocol='17'/>"): "no no yes yes",
    rule("<ipv6 type='1' typeend='3' code='0'/>"): "yes yes yes yes",
    rule("<rarp hwtype='1' opcode='3'/>"): "yes yes yes yes",
    rule("<mac/>", direction="in"): "yes yes yes yes",
    rule("<ip dstportstart='55' protocol='udp'/>", direction="inout"): "yes yes yes yes",
    rule("<ip srcportstart='55' protocol='udp'/>", direction="inout"): "no yes yes yes",
    rule("", "accept") + rule("<mac/>"): "yes yes yes yes",
    rule("", "continue") + rule("<mac/>", "reject"): "no no no no",
}  # fmt: skip


def test_each_match_is_for_its_frames() -> None:
    frames = {
        "udp": ("out", udp("10.0.0.1", 1000, 55)),
        "other network": ("out", udp("10.1.2.3", 1000, 2000)),
        "ipv6": ("out", udp6("fe80::1", 547)),
        "arp": ("out", arp(MAC, "10.0.0.1")),
    }
    answers = probe([(own(text), frames) for text in MATCHES])
    for (text, expected), answer in zip(MATCHES.items(), answers, strict=True):
        passed = ["yes" if arrived else "no" for arrived in answer[3].values()]
        assert answer[:3] == [0, "", 1], text
        assert " ".join(passed) == expected, text


def test_500_rules_are_one_transaction() -> None:
    text = "".join(rule(f"<ip srcipaddr='10.2.{n // 250}.{n % 250}'/>") for n in range(500))
    (answer,) = probe([(own(text), {"last": ("out", udp("10.2.1.249", 1, 2))})])
    assert answer == [0, "", 1, {"last": False}]


@pytest.mark.parametrize(
    "text",
    [
        "<ipv6 protocol='tcp' type='1'/>",
        "<ip protocol='udp' srcportstart='9' srcportend='5'/>",
    ],
)
def test_what_bridges_do_not_have_is_refused(text: str) -> None:
    with pytest.raises(InternalError):
        own(rule(text))


def test_what_is_not_known_is_refused() -> None:
    with pytest.raises(InternalError, match="'IP' has no value"):
        rules("clean-traffic", known())
    with pytest.raises(InternalError, match="'no-mac-spoofing' is missing"):
        rules("clean-traffic", {"clean-traffic": known()["clean-traffic"]})
    with pytest.raises(InternalError, match="an IPv4 address"):
        rules("clean-traffic", known(), IP=["x"])


def test_values_of_references_are_taken_from_outside_first() -> None:
    model = parse_filter(
        "<filter name='f'><rule action='drop' direction='out'>"
        "<ip srcipaddr='$A' dstipaddr='$B[@1]'/></rule></filter>"
    )
    parameters = [
        FilterParameter(name=name, value=value)
        for name, value in (("A", "10.0.0.1"), ("B", "10.0.0.1"), ("B", "10.0.0.2"))
    ]
    reference = FilterReference(filter="f", parameters=parameters)
    made = ruleset(reference, {"f": model}.get, "vnet0", {"A": ["10.0.0.8", "10.0.0.9"]}).commands
    drops = [one for one in made if "rule" in one["add" if "add" in one else "delete"]]
    assert len([one for one in drops if {"drop": None} in one["add"]["rule"]["expr"]]) == 4
