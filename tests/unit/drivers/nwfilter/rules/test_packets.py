# SPDX-License-Identifier: Apache-2.0
"""Rules for packets: the lines are those that libvirt 9.0.0 makes, as iptables-save shows them."""

from __future__ import annotations

import pytest

from virloom.drivers.nwfilter.completion import parse_filter
from virloom.drivers.nwfilter.rules.iptables import lines_of
from virloom.drivers.nwfilter.rules.ruleset import removal, ruleset
from virloom.errors import InternalError
from virloom.model.nwfilter import FilterReference

NEW = "-m conntrack --ctstate NEW,ESTABLISHED"
ORIGINAL = f"{NEW} -m conntrack --ctdir ORIGINAL"
REPLY = "-m conntrack --ctstate ESTABLISHED -m conntrack --ctdir REPLY"


def packets(text: str, **values: list[str]) -> dict[str, list[str] | None]:
    """The lines of each family, without ``-A`` and the port's name; HI leads to FI."""
    model = parse_filter(f"<filter name='f'>{text}</filter>")
    made = ruleset(FilterReference(filter="f"), {"f": model}.get, "vnet0", values)
    found: dict[str, list[str] | None] = {}
    for family, ports in made.packets.items():
        rules = ports["vnet0"]
        if rules is not None:
            lines = lines_of("vnet0", rules)
            shown = [line.removeprefix("-A ").replace("-vnet0", "", 1) for line in lines]
            assert shown.pop() == "HI -g FI-vnet0"
            found[family] = shown
    return found


def rule(match: str, action: str = "drop", direction: str = "out", more: str = "") -> str:
    return f"<rule action='{action}' direction='{direction}' {more}>{match}</rule>"


SSH = "<tcp dstportstart='22'/>"
MAC = "52:54:00:00:00:01"
LINES = {
    rule(SSH, "accept"): [
        f"FI -p tcp --dport 22 {ORIGINAL} -j RETURN", f"FO -p tcp --sport 22 {REPLY} -j ACCEPT",
    ],
    rule(SSH, "accept", "in"): [
        f"FI -p tcp --sport 22 {REPLY} -j RETURN", f"FO -p tcp --dport 22 {ORIGINAL} -j ACCEPT",
    ],
    rule(SSH, "accept", "inout"): [
        "FI -p tcp --sport 22 -j RETURN", "FO -p tcp --dport 22 -j ACCEPT",
    ],
    rule(SSH, "accept", "in", "statematch='false'"): [
        "FI -p tcp --sport 22 -j RETURN", "FO -p tcp --dport 22 -j ACCEPT",
    ],
    rule(SSH, "return", "in"): ["FI -p tcp --sport 22 -j RETURN", "FO -p tcp --dport 22 -j RETURN"],
    rule(SSH, "reject"): ["FI -p tcp --dport 22 -j REJECT", "FO -p tcp --sport 22 -j REJECT"],
    rule("<all state='NEW'/>", "accept", "in"): [
        "FO -m conntrack --ctstate NEW -j ACCEPT",
    ],
    rule("<all state='NONE' dscp='0x3'/>", "accept"): ["FI -m dscp --dscp 3 -j RETURN"],
    rule("<all state='NEW'/>", "drop", "inout"): [
        "FI -m conntrack --ctstate NEW -j DROP", "FO -m conntrack --ctstate NEW -j DROP",
    ],
    rule("<tcp connlimit-above='2'/>", "accept", "in"): [
        "FO -p tcp -m connlimit --connlimit-above 2 -j ACCEPT",
    ],
    rule("<tcp connlimit-above='2' state='NEW'/>", "drop", "inout"): [
        "FO -p tcp -m connlimit --connlimit-above 2 -m conntrack --ctstate NEW -j DROP",
    ],
    rule("<icmp type='8' code='0'/>", "accept"): [
        f"FI -p icmp --icmp-type 8/0 {NEW} -j RETURN",
    ],
    rule("<icmp type='8'/>", "drop", "inout"): [],
    rule("<icmp/>", "accept", "in"): [
        f"FI -p icmp {REPLY} -j RETURN", f"FO -p icmp {ORIGINAL} -j ACCEPT",
    ],
    rule(f"<all srcmacaddr='{MAC}' comment='c'/>", "accept", "in"): [
        f"FO -m mac --mac-source {MAC} -m comment --comment c {ORIGINAL} -j ACCEPT",
    ],
    rule(f"<all srcmacaddr='{MAC}' dscp='3'/>", direction="in"): [
        "FI -m dscp --dscp 3 -j DROP", f"FO -m mac --mac-source {MAC} -m dscp --dscp 3 -j DROP",
    ],
    rule("<all srcipfrom='10.0.0.1' dstipaddr='10.1.0.0' dstipmask='16'/>"): [
        "FI -m iprange --src-range 10.0.0.1-10.0.0.1 -d 10.1.0.0/16 -j DROP",
        "FO -s 10.1.0.0/16 -m iprange --dst-range 10.0.0.1-10.0.0.1 -j DROP",
    ],
    rule("<all srcipto='10.0.0.1' dstipmask='8'/>"): ["FI -j DROP", "FO -j DROP"],
    rule("<tcp match='no' srcipaddr='10.0.0.1' flags='SYN/ALL'"
         " srcportstart='5' srcportend='9'/>"): [
        "FI -p tcp ! -s 10.0.0.1 ! --sport 5:9 ! --tcp-flags SYN ALL -j DROP",
        "FO -p tcp ! -d 10.0.0.1 ! --dport 5:9 ! --tcp-flags SYN ALL -j DROP",
    ],
    rule("<tcp match='no' option='0x5' dstportstart='9'/>"): [
        "FI -p tcp ! --dport 9 ! --tcp-option 5 -j DROP",
        "FO -p tcp ! --sport 9 ! --tcp-option 5 -j DROP",
    ],
    rule("<all ipset='a b' ipsetflags='src,dst'/>"): [
        'FI -m set --match-set "a b" src,dst -j DROP',
        'FO -m set --match-set "a b" dst,src -j DROP',
    ],
    rule(r"""<all comment="it's `a` $(x) &quot;b&quot; \&#10;-A"/>""", direction="inout"): [
        r'''FI -m comment --comment "it's `a` $(x) \"b\" \\ -A" -j DROP''',
        r'''FO -m comment --comment "it's `a` $(x) \"b\" \\ -A" -j DROP''',
    ],
}  # fmt: skip


def test_lines_of_rules() -> None:
    for text, expected in LINES.items():
        assert packets(text) == {"ipv4": expected}, text


def test_protocols_and_families() -> None:
    for name in ("udp", "udplite", "esp", "ah", "sctp", "igmp"):
        expected = [f"FI -p {name} -j DROP", f"FO -p {name} -j DROP"]
        assert packets(rule(f"<{name}/>")) == {"ipv4": expected}
        if name != "igmp":
            assert packets(rule(f"<{name}-ipv6/>")) == {"ipv6": expected}
    text = rule("<icmpv6 type='128'/>") + rule("<all-ipv6 srcipaddr='fe80::' srcipmask='10'/>")
    assert packets(text) == {
        "ipv6": [
            "FI -p icmpv6 --icmpv6-type 128 -j DROP", "FI -s fe80::/10 -j DROP",
            "FO -d fe80::/10 -j DROP",
        ]
    }  # fmt: skip
    assert packets(rule("<mac/>")) == {}


def test_rules_of_root_come_first_then_by_priority() -> None:
    filters = {
        "sub": "<filter name='sub' chain='ipv4-a' priority='-999'>{}{}</filter>".format(
            rule("<all dscp='1'/>", more="priority='400'"),
            rule("<all dscp='2'/>", more="priority='-300'"),
        ),
        "f": "<filter name='f'><filterref filter='sub'/>{}{}</filter>".format(
            rule("<all dscp='3'/>"), rule("<all dscp='4'/>", more="priority='-1'")
        ),
    }
    known = {name: parse_filter(text) for name, text in filters.items()}
    made = ruleset(FilterReference(filter="f"), known.get, "vnet0", {})
    found = made.packets["ipv4"]["vnet0"] or []
    assert [one.said["dscp"] for one in found if one.chain == "FI"] == list("4321")


def test_each_combination_of_values_is_a_rule() -> None:
    found = packets(rule("<tcp srcipaddr='$A' dstportstart='$P'/>"), A=["1.1.1.1", "2.2.2.2"],
                    P=["5", "6"])["ipv4"]  # fmt: skip
    assert sorted(found or []) == [
        "FI -p tcp -s 1.1.1.1 --dport 5 -j DROP", "FI -p tcp -s 2.2.2.2 --dport 6 -j DROP",
        "FO -p tcp -d 1.1.1.1 --sport 5 -j DROP", "FO -p tcp -d 2.2.2.2 --sport 6 -j DROP",
    ]  # fmt: skip


def test_what_iptables_does_not_have_is_refused() -> None:
    with pytest.raises(InternalError, match="'continue'"):
        packets(rule(SSH, "continue"))


def test_removal_takes_both_families() -> None:
    assert removal("vnet0").packets == {"ipv4": {"vnet0": None}, "ipv6": {"vnet0": None}}
