# SPDX-License-Identifier: Apache-2.0
"""The filters that are compared, and the values of their variables."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import NamedTuple

from virloom.drivers.nwfilter.stock import stock_filters


class Case(NamedTuple):
    """A filter to be compared.

    Attributes:
        name: What it is called here.
        text: Its document.
        values: Those of its variables, besides the address of the card.
        is_better: Other frames may pass than with libvirt 9, on purpose.
    """

    name: str
    text: str
    values: Mapping[str, list[str]]
    is_better: bool = False


#: Filters that others refer to.
KNOWN = dict(stock_filters()) | {
    "below": "<filter name='below' chain='ipv4-a' priority='-650'>"
    "<rule action='accept' direction='out' priority='-400'><udp dstportstart='53'/></rule>"
    "<rule action='return' direction='out' priority='100'><ip protocol='icmp'/></rule>"
    "<rule action='drop' direction='out' priority='200'><ip protocol='tcp'/></rule></filter>",
    "arps": "<filter name='arps' chain='arp-b' priority='-480'>"
    "<rule action='drop' direction='inout'><arp opcode='Request'/></rule></filter>",
}  # fmt: skip

_VALUES = {"IP": ["10.0.0.1"], "PORT": ["22", "53"], "NET": ["10.0.0.9", "10.1.2.3"]}


def _rule(match: str, action: str = "drop", direction: str = "out", more: str = "") -> str:
    return f"<rule action='{action}' direction='{direction}' {more}>{match}</rule>"


#: Everything of the third layer that is not let through before is dropped.
_REST = _rule("<all/>", "drop", "inout", "priority='900'")
_REST6 = _rule("<all-ipv6/>", "drop", "inout", "priority='900'")

_RULES = (
    *(
        _rule(match, action, direction) + _REST + _REST6
        for match in ("<tcp dstportstart='22'/>", "<udp dstportstart='$PORT'/>", "<icmp/>")
        for action in ("accept", "return")
        for direction in ("in", "out", "inout")
    ),
    _rule("<tcp dstportstart='22'/>", "drop", "in"),
    _rule("<tcp dstportstart='22'/>", "drop", "inout"),
    _rule("<tcp dstportstart='22'/>", "reject", "out"),
    _rule("<udp srcportstart='1000' srcportend='2000' dstportstart='22'/>", "reject", "inout"),
    _rule("<tcp flags='SYN/SYN'/>"),
    _rule("<tcp flags='SYN,ACK/SYN'/>", "drop", "inout"),
    _rule("<tcp flags='ALL/NONE' match='no'/>"),
    _rule("<all state='NEW'/>", "drop", "in"),
    _rule("<all state='NEW,ESTABLISHED'/>", "accept", "inout") + _REST,
    _rule("<all state='ESTABLISHED'/>", "accept", "in") + _rule("<all/>", "drop", "in"),
    _rule("<all state='INVALID'/>", "drop", "inout"),
    _rule("<all state='NONE'/>", "accept", "out") + _REST,
    _rule("<tcp dstportstart='22'/>", "accept", "in", "statematch='false'") + _REST,
    _rule("<tcp connlimit-above='2' dstportstart='80'/>"),
    _rule("<tcp connlimit-above='1' dstportstart='80'/>", "accept") + _REST,
    _rule("<icmp type='8'/>"),
    _rule("<icmp type='8' code='1'/>", "drop", "in"),
    _rule("<icmp type='8'/>", "accept", "inout") + _REST,
    _rule("<icmp type='8'/>", "accept", "out") + _REST,
    _rule("<icmp match='no' type='8'/>"),
    _rule("<icmpv6 type='128'/>", "accept", "in") + _REST6,
    _rule("<icmpv6/>", "accept", "out") + _REST6,
    _rule("<tcp-ipv6 dstportstart='22'/>", "accept", "out") + _REST6,
    _rule("<udp-ipv6/>", "drop", "inout"),
    _rule("<esp-ipv6 srcipaddr='fe80::' srcipmask='10'/>"),
    *(_rule(f"<{name}/>") for name in ("esp", "ah", "udplite", "sctp", "igmp", "all", "all-ipv6")),
    _rule("<sctp dstportstart='22'/>", "drop", "in"),
    _rule("<all dscp='5'/>"),
    _rule("<all match='no' dscp='5'/>"),
    _rule("<all srcipaddr='10.0.0.0' srcipmask='24'/>"),
    _rule("<all match='no' srcipaddr='10.0.0.0' srcipmask='24'/>"),
    _rule("<all srcipfrom='10.0.0.2' srcipto='10.2.0.0'/>"),
    _rule("<all dstipfrom='10.0.0.5' dstipto='10.0.0.20'/>", "drop", "inout"),
    _rule("<all srcmacaddr='52:54:00:00:00:03'/>"),
    _rule("<udp srcmacaddr='$MAC' dstportstart='22'/>", "drop", "inout"),
    _rule("<udp srcipaddr='$NET[@1]' dstportstart='$PORT[@2]' comment='a b'/>", "drop", "in"),
    _rule("<udp srcipaddr='$NET[1]'/>"),
    _rule("<tcp dstportstart='22'/>", "accept", "in", "priority='10'")
    + _rule("<tcp/>", "drop", "in", "priority='5'"),
    "<filterref filter='below'/><filterref filter='arps'/>" + _REST,
    "<filterref filter='clean-traffic'/>" + _rule("<tcp dstportstart='22'/>", "accept", "in")
    + _REST,
    _rule("<mac protocolid='arp'/>"),
    _rule("<mac match='no' srcmacaddr='$MAC'/>", "reject"),
    _rule("<mac srcmacaddr='52:54:00:00:00:00' srcmacmask='ff:ff:ff:ff:ff:fe'/>", "drop", "inout"),
    _rule("<mac protocolid='0x88cc'/>", "drop", "in"),
    _rule("<vlan/>"),
    _rule("<vlan vlanid='5'/>", "drop", "inout"),
    _rule("<vlan match='no' vlanid='5'/>"),
    _rule("<vlan srcmacaddr='$MAC'/>", "drop", "inout"),
    _rule("<stp/>"),
    _rule("<arp gratuitous='true'/>", "drop", "inout"),
    _rule("<arp match='no' gratuitous='true'/>"),
    _rule("<arp gratuitous='true' opcode='Request'/>", "accept") + _rule("<arp/>"),
    _rule("<arp opcode='Reply' arpsrcipaddr='10.0.0.3'/>", "drop", "inout"),
    _rule("<arp match='no' arpsrcmacaddr='$MAC'/>"),
    _rule("<arp arpdstipaddr='10.0.0.0' arpdstipmask='24' hwtype='1' protocoltype='0x800'/>"),
    _rule("<rarp opcode='Request_Reverse'/>", "drop", "inout"),
    _rule("<ip protocol='udp' dstportstart='22' dstportend='60'/>", "drop", "inout"),
    _rule("<ip match='no' srcipaddr='$IP'/>"),
    _rule("<ip srcipmask='8' protocol='udp'/>"),
    _rule("<ipv6 protocol='icmpv6' type='128' typeend='129'/>", "drop", "inout"),
    _rule("<ipv6 protocol='tcp' dstportstart='22'/>"),
    _rule("<ipv6 srcipaddr='fe80::' srcipmask='10'/>", "drop", "in"),
    _rule("", "drop", "in"),
    _rule("<mac protocolid='ipv4'/>", "accept", "inout", "priority='-1'") + _rule("<mac/>")
    + _rule("<udp dstportstart='53'/>"),
    _rule("<tcp/>", "continue"),
)  # fmt: skip

#: ebtables takes what bridges say to start one octet earlier than it does, so that it finds each
#: message to be of type 0; DSCP is given to it as TOS, and protocols in digits of another base.
_BETTER = (
    _rule("<stp type='0'/>", "drop", "inout"),
    _rule("<stp type='128'/>"),
    _rule("<stp type='0' root-cost='0x11223344' root-cost-hi='0x11223345'/>"),
    _rule("<stp type='0' sender-priority='0x1234' sender-address='6:5:4:3:2:1' port='123'/>"),
    _rule("<stp type='0' age='256' max-age='5120' hello-time='512' forward-delay='3840'/>"),
    _rule("<stp type='0' root-priority='1'/>"),
    _rule("<stp type='0' flags='1' root-address='6:5:4:3:2:1'/>"),
    _rule("<stp type='0' match='no' root-cost='5'/>"),
    _rule("<ip dscp='5'/>"),
    _rule("<vlan encap-protocol='arp'/>"),
    _rule("<ipv6 type='128'/>"),
)  # fmt: skip

_IN_CHAINS = (
    ("vlan-a", _rule("<mac/>")),
    ("stp-a", _rule("<mac/>", "drop", "inout")),
    ("mac-a", _rule("<mac protocolid='arp'/>")),
    ("arp", _rule("", "drop", "in")),
    ("rarp-x", _rule("<rarp/>")),
    ("ipv4-x", _rule("<ip dstipaddr='10.0.0.9'/>") + _rule("<tcp/>", "accept", "in")),
    ("ipv6", _rule("", "drop", "out") + _rule("<udp-ipv6/>", "drop", "in")),
)


def cases() -> Iterator[Case]:
    """All of them."""
    for name, _ in stock_filters():
        text = f"<filter name='case'><filterref filter='{name}'/></filter>"
        yield Case(name, text, {**_VALUES, "DHCPSERVER": ["10.0.0.9"], "GATEWAY_MAC": [_PEER]})
    for rules in _RULES:
        yield Case(rules, f"<filter name='case'>{rules}</filter>", _VALUES)
    for rules in _BETTER:
        yield Case(rules, f"<filter name='case'>{rules}</filter>", _VALUES, is_better=True)
    for chain, rules in _IN_CHAINS:
        text = f"<filter name='case' chain='{chain}'>{rules}</filter>"
        yield Case(f"{chain}: {rules}", text, _VALUES)


_PEER = "52:54:00:00:00:02"
