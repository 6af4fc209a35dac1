# SPDX-License-Identifier: Apache-2.0
"""A session about network filters, by libvirt's binding: ``/usr/bin/python3 nwfilters.py URI``.

Each step prints a line of JSON: its name, and its value or the code and domain of its error.
What is not here differs on purpose, see ``docs/reference/virtnwfilterd.rst``.
"""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import libvirt

FIRST = "11111111-2222-3333-4444-555555555555"
SECOND = "99999999-2222-3333-4444-555555555555"
STOCK = Path(__file__).parents[3] / "src/virloom/drivers/nwfilter/stock"

#: Matches, each in a rule of its own.
MATCHES = (
    "<mac/>",
    "<mac srcmacaddr='52:54:0:A:b:C' srcmacmask='FF:ff:ff:0:0:0' protocolid='arp'/>",
    "<mac match='yes' dstmacaddr='$MAC' protocolid='0x806'/>",
    "<mac match='no' protocolid='2054' comment='a &amp; b'/>",
    "<mac protocolid='0x88cc'/>",
    "<mac protocolid='35020'/>",
    "<mac protocolid='5'/>",
    "<mac protocolid='ipx'/>",
    "<mac srcmacaddr='zz'/>",
    "<mac srcmacmask='ff:00:ff:00:00:00'/>",
    "<vlan srcmacaddr='52:54:00:00:00:01' vlanid='0x10' encap-protocol='ipv4'/>",
    "<vlan vlanid='4095'/>",
    "<vlan vlanid='4096'/>",
    "<vlan vlanid='$VLAN'/>",
    "<stp srcmacaddr='52:54:00:00:00:01' srcmacmask='ff:ff:ff:ff:ff:ff' type='0x12' flags='0x44'"
    " root-priority='0x1234' root-priority-hi='0x2345' root-address='6:5:4:3:2:1'"
    " root-address-mask='ff:ff:ff:ff:ff:ff' root-cost='0x11223344' root-cost-hi='0x22334455'/>",
    "<stp sender-priority='0x1234' sender-address='6:5:4:3:2:1' port='123' port-hi='234' age='5544'"
    " age-hi='5555' max-age='7777' hello-time='12345' forward-delay='54321'/>",
    "<stp type='256'/>",
    "<stp root-cost='4294967296'/>",
    "<arp hwtype='12' protocoltype='34' opcode='Request' arpsrcmacaddr='1:2:3:4:5:6'/>",
    "<arp hwtype='0x12'/>",
    "<arp opcode='1' arpsrcipaddr='$IP' arpdstipaddr='10.0.0.0' arpdstipmask='255.0.0.0'/>",
    "<arp opcode='255' gratuitous='yes'/>",
    "<arp opcode='Ask'/>",
    "<arp gratuitous='true'/>",
    "<arp gratuitous='false'/>",
    "<arp gratuitous='maybe'/>",
    "<arp opcode='65536'/>",
    "<rarp opcode='Request_Reverse' arpsrcmacaddr='$MAC' arpdstipaddr='0.0.0.0'/>",
    "<ip srcipaddr='10.1.2.3' srcipmask='255.255.255.0' dstipaddr='10.1.2.3' dstipmask='24'"
    " protocol='udp' srcportstart='20' srcportend='21' dstportstart='0x10' dscp='0x3f'/>",
    "<ip protocol='17'/>",
    "<ip protocol='0x11'/>",
    "<ip protocol='255'/>",
    "<ip protocol='256'/>",
    "<ip protocol='gre'/>",
    "<ip dscp='64'/>",
    "<ip dscp='63'/>",
    "<ip srcipaddr='10.1.2'/>",
    "<ip srcipaddr='fe80::1'/>",
    "<ip srcipaddr='$IP[1]' dstipaddr='$A[@2]'/>",
    "<ip srcipaddr='$IP[@0]'/>",
    "<ip srcipaddr='$IP[ 3 ]'/>",
    "<ip srcipaddr='$IP[x]'/>",
    "<ip srcipaddr='$A-B'/>",
    "<ip srcipmask='33'/>",
    "<ip srcipmask='255.0.255.0'/>",
    "<ip srcportstart='65536'/>",
    "<ip srcportstart='-1'/>",
    "<ip srcportstart='http'/>",
    "<ip srcportend='20'/>",
    "<ipv6 srcipaddr='FE80::' srcipmask='10' dstipaddr='ff02:0::1:2' protocol='icmpv6' type='1'"
    " typeend='10' code='1' codeend='0x10'/>",
    "<ipv6 srcipmask='ffff:ffff::'/>",
    "<ipv6 srcipmask='129'/>",
    "<ipv6 srcipaddr='::ffff:10.1.2.3'/>",
    "<ipv6 srcipaddr='::10.1.2.3'/>",
    "<ipv6 srcipaddr='1:0:0:2:0:0:0:3'/>",
    "<ipv6 srcipaddr='10.1.2.3'/>",
    "<tcp srcmacaddr='1:2:3:4:5:6' dstipaddr='10.1.2.3' dstipmask='32' dscp='2' state='NEW'/>",
    "<tcp srcportstart='100' srcportend='1111' dstportstart='20' comment='x'/>",
    "<tcp flags='SYN/SYN'/>",
    "<tcp flags='SYN,ACK/ALL'/>",
    "<tcp flags='RST,FIN,SYN/NONE'/>",
    "<tcp flags='SYN'/>",
    "<tcp flags='syn/ack'/>",
    "<tcp state='ESTABLISHED,NEW'/>",
    "<tcp state='NONE'/>",
    "<tcp state='ALL'/>",
    "<tcp connlimit-above='1'/>",
    "<tcp connlimit-above='0x10' state='NEW,RELATED,INVALID'/>",
    "<tcp srcipfrom='10.1.2.3' srcipto='10.1.2.9' dstipfrom='10.1.2.3' dstipto='10.1.2.9'/>",
    "<udp ipset='tck_test'/>",
    "<udp ipset='a%b' ipsetflags='src'/>",
    "<udp ipset='a' ipsetflags='both'/>",
    "<udp ipset='a' ipsetflags='src,src,src,src,src,src,src'/>",
    "<sctp srcportstart='1' dstportend='9'/>",
    "<icmp type='12' code='11' dscp='2'/>",
    "<icmp type='0x100'/>",
    "<igmp srcipaddr='10.1.2.3'/>",
    "<all srcipaddr='10.1.2.3' srcipmask='8'/>",
    "<esp dstipaddr='10.1.2.3'/>",
    "<ah dstipaddr='10.1.2.3'/>",
    "<udplite dstipaddr='10.1.2.3'/>",
    "<tcp-ipv6 srcipaddr='A:B:C::D' srcipmask='128' srcportstart='1'/>",
    "<udp-ipv6 srcipfrom='::1' srcipto='::9'/>",
    "<sctp-ipv6 dstportstart='65535'/>",
    "<icmpv6 type='1' code='2' state='NEW'/>",
    "<all-ipv6 srcmacaddr='1:2:3:4:5:6'/>",
    "<esp-ipv6/>",
    "<ah-ipv6 srcipaddr='a::b'/>",
    "<udplite-ipv6 comment=''/>",
    "<ip srcipaddr='1.1.1.1'/><ip dstipaddr='2.2.2.2'/>",
    "<ip srcipaddr='1.1.1.1'/><ip srcipaddr='2.2.2.2' match='no'/>",
    "<bogus/>",
    "<ip bogus='1'/>",
    "<ip match='maybe'/>",
    "<ip srcportstart='1'/>",
    "<ip protocol='icmp' srcportstart='1'/>",
    "<ip protocol='tcp' srcportend='9'/>",
    "<ip protocol='$P' srcportstart='1'/>",
    "<ip protocol='sctp' dstportstart='9'/>",
    "<ip protocol='udplite' dstportstart='9'/>",
    "<ip protocol='33' dstportstart='9'/>",
    "<ipv6 srcportstart='1'/>",
    "<ipv6 protocol='tcp' srcportstart='1'/>",
    "<ipv6 type='1'/>",
    "<ipv6 code='1'/>",
    "<ipv6 protocol='tcp' type='1'/>",
    "<ipv6 protocol='icmpv6' srcportstart='1'/>",
    "<tcp state='NEW,RELATED,INVALID'/>",
    "<tcp state='new'/>",
    "<tcp state='$STATE'/>",
    "<tcp connlimit-above='0x10'/>",
    "<tcp connlimit-above='65536'/>",
    "<tcp connlimit-above='65535'/>",
    "<tcp flags='FIN,SYN,RST,PSH,ACK,URG/SYN'/>",
    "<tcp flags='all/none'/>",
    "<tcp flags='$F'/>",
    "<stp port-hi='9'/>",
    "<udp srcportend='9'/>",
    "<tcp-ipv6 srcportend='9'/>",
    "<tcp srcipfrom='10.1.2.3'/>",
    "<tcp srcipto='10.1.2.3'/>",
    "<tcp srcipaddr='10.1.2.3' srcipfrom='10.1.2.3'/>",
    "<ip srcipmask='8'/>",
    "<mac srcmacmask='ff:ff:00:00:00:00'/>",
    "<ip protocol='0x21' dstportstart='9'/>",
    "<ip protocol='17' dstportstart='9'/>",
    "<ip protocol=''/>",
    "<ip srcipaddr=''/>",
    "<all match='no'/>",
    "<tcp match='no' comment='" + "\u00e9" * 200 + "'/>",
)

#: Rules without a match, and what else stands in a filter.
BODIES = (
    "",
    "<rule action='drop' direction='in'/>",
    "<rule action='accept' direction='out' priority='-1000'/>",
    "<rule action='reject' direction='inout' priority='1000'/>",
    "<rule action='return' direction='inout' priority='0'/>",
    "<rule action='continue' direction='inout' priority='1001'/>",
    "<rule action='continue' direction='inout' priority='x'/>",
    "<rule action='drop' direction='in' priority='-1001'/>",
    "<rule action='drop' direction='in' statematch='false'/>",
    "<rule action='drop' direction='in' statematch='0'/>",
    "<rule action='drop' direction='in' statematch='true'/>",
    "<rule action='drop' direction='in' statematch='FALSE'/>",
    "<rule action='drop' direction='in' statematch='no'/>",
    "<rule action='drop' direction='in' statematch='x'/>",
    "<rule action='drop'/>",
    "<rule direction='in'/>",
    "<rule action='log' direction='in'/>",
    "<rule action='DROP' direction='in'/>",
    "<rule action='drop' direction='both'/>",
    "<rule/>",
    "<filterref/>",
    "<filterref filter='zz'/>",
    "<filterref filter='zz'><parameter name='IP' value='10.0.0.1'/></filterref>",
    "<filterref filter='zz'><parameter name='IP' value='10.0.0.2'/>"
    "<parameter name='A' value='1'/><parameter name='IP' value='10.0.0.1'/></filterref>",
    "<filterref filter='zz'><parameter name='A-B' value='1'/></filterref>",
    "<filterref filter='zz'><parameter name='A' value='a b'/></filterref>",
    "<filterref filter='zz'><parameter name='A' value='a-b'/></filterref>",
    "<filterref filter='zz'><parameter name='A' value=''/></filterref>",
    "<filterref filter='zz'><parameter name='A'/></filterref>",
    "<filterref filter='zz'><parameter value='A'/></filterref>",
    "<filterref filter='zz'><parameter name='MAC' value='52:54:00:00:00:01'/></filterref>",
    "<filterref filter='a'/><rule action='drop' direction='in'/><filterref filter='b'/>",
    "<bogus/>",
)

#: Attributes of the filter.
HEADS = (
    "",
    "priority='5'",
    "priority='5000'",
    "chain='root'",
    "chain='root' priority='5'",
    "chain='root' priority='0'",
    *(f"chain='{name}'" for name in ("mac", "vlan", "stp", "arp", "rarp", "ipv4", "ipv6")),
    "chain='arp' priority='-500'",
    "chain='arp' priority='0'",
    "chain='arp-x'",
    "chain='arpx' priority='1000'",
    "chain='arp-x.y:z_'",
    "chain='arp' priority='1001'",
    "chain='arp' priority='-1001'",
    "chain='arp' priority='x'",
    "chain='arp' priority=''",
    "chain=''",
    "chain='ip'",
    "chain='Arp'",
    "chain='mac-234567890'",
    "chain='mac-23456789'",
    "chain='mac-2345678'",
    "chain='ipv4-345678'",
    "chain='ipv4-3456789'",
    "chain='mac a'",
    "chain='mac/a'",
)


def document(body: str, *, head: str = "", name: str = "t-1", uuid: str | None = FIRST) -> str:
    """A filter's document."""
    named = f"<uuid>{uuid}</uuid>" if uuid else ""
    return f"<filter name='{name}' {head}>{named}{body}</filter>"


def plain(text: str) -> str:
    """A document without what is drawn by lot."""
    return re.sub(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", "…", text)


def step(name: str, action: Callable[[], Any]) -> Any:
    """Takes a step and tells what came of it."""
    value: Any = None
    try:
        value = made = action()
    except libvirt.libvirtError as error:
        value = made = {"error": [error.get_error_code(), error.get_error_domain()]}
    if isinstance(value, libvirt.virNWFilter):
        value = ["filter", value.name()]
    elif isinstance(value, str):
        value = plain(value)
    print(json.dumps([name, value]))
    return made


def definition(conn: libvirt.virConnect, text: str, label: str) -> None:
    """One document, defined, read and undefined, and then the same with the schema."""
    found = step(f"define {label}", lambda: conn.nwfilterDefineXML(text))
    if isinstance(found, libvirt.virNWFilter):
        step(f"xml {label}", found.XMLDesc)
        step(f"undefine {label}", found.undefine)


def definitions(conn: libvirt.virConnect) -> None:
    """Every document."""
    for match in MATCHES:
        rule = f"<rule action='accept' direction='inout' priority='7'>{match}</rule>"
        definition(conn, document(rule), match)
    for body in BODIES:
        definition(conn, document(body), body)
    for head in HEADS:
        definition(conn, document("", head=head), head)
    for path in sorted(STOCK.glob("*.xml")):
        text = path.read_text().replace(f"name='{path.stem}'", f"name='t-{path.stem}'")
        definition(conn, text, path.stem)


def names(conn: libvirt.virConnect) -> None:
    """Who may have which name and UUID."""
    define = conn.nwfilterDefineXML
    first = step("first", lambda: define(document("")))
    step("again", lambda: define(document(BODIES[1])))
    step("xml again", first.XMLDesc)
    step("other name", lambda: define(document("", name="t-2")))
    step("other uuid", lambda: define(document("", uuid=SECOND)))
    step("no uuid", lambda: define(document("", uuid=None)))
    step("no name", lambda: define("<filter/>"))
    step("empty name", lambda: define(document("", name="", uuid=None)))
    for bad in ("t a", "-t", "t\nb"):
        named = step(f"name {bad!r}", lambda bad=bad: define(document("", name=bad, uuid=None)))
        if isinstance(named, libvirt.virNWFilter):
            step(f"gone {bad!r}", named.undefine)
    step("no xml", lambda: define("filter"))
    step("another root", lambda: define("<domain/>"))
    step("uuid", lambda: define(document("", name="t-2", uuid="zz")))
    step("lookup", lambda: conn.nwfilterLookupByName("t-1"))
    step("lookup none", lambda: conn.nwfilterLookupByName("zz"))
    step("lookup uuid", lambda: conn.nwfilterLookupByUUIDString(FIRST))
    step("lookup no uuid", lambda: conn.nwfilterLookupByUUIDString(SECOND))
    step("unknown flag", lambda: conn.nwfilterDefineXMLFlags(document(""), 1 << 5))
    step("validated", lambda: conn.nwfilterDefineXMLFlags(document(BODIES[1]), 1))
    step("not valid", lambda: conn.nwfilterDefineXMLFlags(document("<bogus/>"), 1))
    step("xml flag", lambda: first.XMLDesc(1))
    step("list flag", lambda: conn.listAllNWFilters(1))
    step("names", lambda: [one for one in conn.listNWFilters() if one.startswith("t-")])
    step("all", lambda: [one.name() for one in conn.listAllNWFilters() if one.name()[:2] == "t-"])
    references(conn)
    step("undefine", first.undefine)
    step("gone undefine", first.undefine)
    step("gone xml", first.XMLDesc)


def references(conn: libvirt.virConnect) -> None:
    """Filters that take in others, themselves, and ones that go."""
    define = conn.nwfilterDefineXML

    def taking(name: str, *others: str) -> str:
        body = "".join(f"<filterref filter='{other}'/>" for other in others)
        return document(body, name=name, uuid=SECOND if name == "t-2" else FIRST)

    step("takes itself", lambda: define(taking("t-1", "t-1")))
    step("takes the second", lambda: define(taking("t-1", "t-2", "t-3")))
    step("loop of two", lambda: define(taking("t-2", "t-1")))
    second = step("no loop", lambda: define(taking("t-2", "t-3")))
    third = step("third", lambda: define(document("", name="t-3", uuid=None)))
    loop = document("<filterref filter='t-1'/>", name="t-3", uuid=third.UUIDString())
    step("loop of three", lambda: define(loop))
    step("undefine the one that is taken", third.undefine)
    step("undefine second", second.undefine)


def main() -> None:
    """The session."""
    conn = libvirt.open(sys.argv[1])
    libvirt.registerErrorHandler(lambda *_: None, None)
    definitions(conn)
    names(conn)


main()
