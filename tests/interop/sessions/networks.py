# SPDX-License-Identifier: Apache-2.0
"""A session about virtual networks, by libvirt's binding: ``/usr/bin/python3 networks.py URI``.

Each step prints a line of JSON: its name, and its value or the code and domain of its error.
Nothing of it starts a network: what there is afterwards is the matter of other sessions.
"""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Callable, Iterator
from typing import Any

import libvirt

FIRST = "11111111-2222-3333-4444-555555555555"
SECOND = "99999999-2222-3333-4444-555555555555"
NAT = "<forward mode='nat'/><bridge name='vbr7'/>"
ADDRESS = "<ip address='192.168.77.1' netmask='255.255.255.0'>{}</ip>"

HOME = NAT + ADDRESS.format("")

TWO = "<interface dev='eth0'/><interface dev='eth1'/>"

OPTIONS = "http://libvirt.org/schemas/network/dnsmasq/1.0"
PORT = "<virtualport type='openvswitch'/>"

#: What else a document may hold, by a name for it.
BODIES = {
    "isolated": "",
    "nat": HOME,
    "nat without address": NAT,
    "route without address": "<forward mode='route'/>",
    "open without address": "<forward mode='open'/>",
    "nat through two": "<forward mode='nat'>" + TWO + "</forward>"
    + ADDRESS.format(""),
    "bridge with zone": "<forward mode='bridge'/><bridge name='br0' zone='z'/>",
    "bridge without stp": "<forward mode='bridge'/><bridge name='br0' stp='off'/>",
    "nat twice": "<forward mode='nat'><nat/><nat/></forward>" + ADDRESS.format(""),
    "nat of two ranges": "<forward mode='nat'><nat><address start='1.2.3.4' end='1.2.3.5'/>"
    "<address start='1.2.3.4' end='1.2.3.5'/></nat></forward>" + ADDRESS.format(""),
    "nat of two port ranges": "<forward mode='nat'><nat><port start='5' end='9'/>"
    "<port start='5' end='9'/></nat></forward>" + ADDRESS.format(""),
    "two vlans": f"<forward mode='bridge'/><bridge name='br0'/>{PORT}"
    "<vlan><tag id='1'/><tag id='2'/></vlan>",
    "options by another prefix": f"<o:options xmlns:o='{OPTIONS}'><o:option value='x'/></o:options>"
    + HOME,
    "options without a value": f"<o:options xmlns:o='{OPTIONS}'><o:option/></o:options>" + HOME,
    "nat of one address": "<forward mode='nat'><nat><address start='1.2.3.4'/></nat></forward>"
    + ADDRESS.format(""),
    "nat of a name": "<forward mode='nat'><nat><address start='x' end='y'/></nat></forward>"
    + ADDRESS.format(""),
    "nat of one port": "<forward mode='nat'><nat><port start='5'/></nat></forward>"
    + ADDRESS.format(""),
    "route": "<forward mode='route' dev='eth0'/>" + ADDRESS.format(""),
    "open": "<forward mode='open'/>" + ADDRESS.format(""),
    "open with dev": "<forward mode='open' dev='eth0'/>" + ADDRESS.format(""),
    "none": "<forward mode='none'/>",
    "bridge": "<forward mode='bridge'/><bridge name='br0'/>",
    "bridge without a name": "<forward mode='bridge'/>",
    "bridge with address": "<forward mode='bridge'/><bridge name='br0'/>" + ADDRESS.format(""),
    "bridge with interface": "<forward mode='bridge'><interface dev='eth0'/></forward>",
    "bridge with both": "<forward mode='bridge'><interface dev='eth0'/></forward>"
    "<bridge name='br0'/>",
    "bridge with stp": "<forward mode='bridge'/><bridge name='br0' stp='on'/>",
    "bridge with delay": "<forward mode='bridge'/><bridge name='br0' delay='2'/>",
    "bridge with mac": "<forward mode='bridge'/><bridge name='br0'/>"
    "<mac address='52:54:00:01:02:03'/>",
    "bridge with mtu": "<forward mode='bridge'/><bridge name='br0'/><mtu size='1400'/>",
    "bridge with domain": "<forward mode='bridge'/><bridge name='br0'/><domain name='x'/>",
    "bridge with dns": "<forward mode='bridge'/><bridge name='br0'/>"
    "<dns><forwarder addr='1.1.1.1'/></dns>",
    "bridge with bandwidth": "<forward mode='bridge'/><bridge name='br0'/>"
    "<bandwidth><inbound average='1000'/></bandwidth>",
    "private": "<forward mode='private'><interface dev='eth0'/></forward>",
    "private with bandwidth": "<forward mode='private'><interface dev='eth0'/></forward>"
    "<bandwidth><inbound average='1000'/></bandwidth>",
    "private with delay": "<forward mode='private'><interface dev='eth0'/></forward>"
    "<bridge delay='1'/>",
    "vepa": "<forward dev='eth0' mode='vepa'/>",
    "passthrough": "<forward mode='passthrough'><interface dev='eth0'/>"
    "<interface dev='eth1'/></forward>",
    "passthrough pf": "<forward mode='passthrough'><pf dev='eth0'/></forward>",
    "two pfs": "<forward mode='passthrough'><pf dev='eth0'/><pf dev='eth1'/></forward>",
    "hostdev": "<forward mode='hostdev' managed='yes'><driver name='vfio'/>"
    "<address type='pci' domain='0' bus='4' slot='0' function='1'/></forward>",
    "two interfaces": "<forward mode='nat'>" + TWO + "</forward>",
    "nat range": "<forward mode='nat'><nat><address start='1.2.3.4' end='1.2.3.10'/>"
    "<port start='500' end='1000'/></nat></forward>" + ADDRESS.format(""),
    "nat range backwards": "<forward mode='nat'><nat><address start='1.2.3.10' end='1.2.3.4'/>"
    "</nat></forward>",
    "nat ports backwards": "<forward mode='nat'><nat><port start='1000' end='500'/></nat>"
    "</forward>",
    "nat port too large": "<forward mode='nat'><nat><port start='1000' end='70000'/></nat>"
    "</forward>",
    "nat of a route": "<forward mode='route'><nat><port start='100' end='200'/></nat></forward>",
    "nat ipv6": "<forward mode='nat'><nat ipv6='yes'/></forward>"
    "<ip family='ipv6' address='fd00::1' prefix='64'/>",
    "dhcp": NAT + ADDRESS.format("<dhcp><range start='192.168.77.2' end='192.168.77.9'/></dhcp>"),
    "dhcp outside": NAT
    + ADDRESS.format("<dhcp><range start='192.168.78.2' end='192.168.78.9'/></dhcp>"),
    "dhcp backwards": NAT
    + ADDRESS.format("<dhcp><range start='192.168.77.9' end='192.168.77.2'/></dhcp>"),
    "dhcp of two addresses": "".join(
        f"<ip address='192.168.{n}.1' netmask='255.255.255.0'>"
        f"<dhcp><range start='192.168.{n}.2' end='192.168.{n}.9'/></dhcp></ip>"
        for n in (77, 78)
    ),
    "tftp of two addresses": "".join(
        f"<ip address='192.168.{n}.1' netmask='255.255.255.0'><tftp root='/x'/></ip>"
        for n in (77, 78)
    ),
    "dhcp host": ADDRESS.format(
        "<dhcp><host mac='52:54:00:00:00:01' name='a' ip='192.168.77.5'/></dhcp>"
    ),
    "stp off": "<bridge name='vbr8' stp='off' delay='5'/>",
    "pattern": "<bridge name='vbr%d'/>",
    "two patterns": "<bridge name='v%dbr%d'/>",
    "long name": "<bridge name='abcdefghijklmnopqrs'/>",
    "zone": "<bridge name='vbr8' zone='public'/>",
    "libvirt's table": "<bridge name='vbr8' macTableManager='libvirt'/>",
    "table of a bridge": "<forward mode='bridge'/><bridge name='br0' macTableManager='libvirt'/>",
    "mtu": "<mtu size='9000'/>",
    "mtu 0": "<mtu size='0'/>",
    "domain": "<domain name='example.org' localOnly='yes'/>",
    "bandwidth": "<bandwidth><inbound average='1000' peak='5000' burst='1024'/>"
    "<outbound average='1000'/></bandwidth>",
    "bandwidth floor": "<bandwidth><inbound average='1000' floor='10'/></bandwidth>",
    "vlan": "<vlan><tag id='4'/></vlan>",
    "vlan of a bridge": "<forward mode='bridge'/><bridge name='br0'/><vlan><tag id='4'/></vlan>",
    "vlan with openvswitch": "<forward mode='bridge'/><bridge name='br0'/>"
    "<virtualport type='openvswitch'/><vlan trunk='yes'><tag id='4'/><tag id='5'/></vlan>",
    "virtualport": "<virtualport type='openvswitch'/>",
    "portgroups": "<portgroup name='a' default='yes'/><portgroup name='b'/>",
    "two defaults": "<portgroup name='a' default='yes'/><portgroup name='b' default='yes'/>",
    "portgroup twice": "<portgroup name='a'/><portgroup name='a'/>",
    "portgroup with vlan": "<portgroup name='a'><vlan><tag id='4'/></vlan></portgroup>",
    "isolated ports": "<port isolated='yes'/>",
    "dns": "<dns forwardPlainNames='no'><forwarder domain='example.com' addr='8.8.8.8'/>"
    "<txt name='x' value='y'/><srv service='sip' protocol='tcp' domain='d' target='t' port='5060'/>"
    "<host ip='192.168.77.2'><hostname>h</hostname></host></dns>" + ADDRESS.format(""),
    "dns off": "<dns enable='no'/>" + ADDRESS.format(""),
    "route of an address": ADDRESS.format("")
    + "<route address='10.0.0.0' prefix='8' gateway='192.168.77.9'/>",
    "route to nowhere": ADDRESS.format("")
    + "<route address='10.0.0.0' prefix='8' gateway='192.168.78.9'/>",
    "no dns but a host": "<dns enable='no'><host ip='10.0.0.1'><hostname>a</hostname></host></dns>",
    "no dns but a forwarder": "<dns enable='no'><forwarder addr='10.0.0.1'/></dns>",
    "txt without value": "<dns><txt name='a'/></dns>",
    "txt without name": "<dns><txt value='a'/></dns>",
    "metadata": "<metadata><a:b xmlns:a='urn:a'>c</a:b></metadata>",
    "dnsmasq options": "<dnsmasq:options xmlns:dnsmasq='http://libvirt.org/schemas/network/dnsmasq"
    "/1.0'><dnsmasq:option value='foo=bar'/></dnsmasq:options>",
    "unknown element": "<bogus/>",
}  # fmt: skip


#: Values that are none, and what is not said for nothing: only defined and read.
VALUES = (
    "<forward mode='nat' managed='yes'/>" + HOME.replace("<forward mode='nat'/>", ""),
    "<forward dev=''/>" + ADDRESS.format(""),
    "<forward mode='hostdev'><driver name='xen'/><pf dev='eth0'/></forward>",
    "<forward mode='hostdev'><interface dev='eth0'/></forward>",
    *(
        f"<forward mode='hostdev'><address {place} slot='0' function='1'/></forward>"
        for place in ("type='usb' bus='1'", "bus='1'", "type='pci' bus='999'", "type='pci' bus='x'")
    ),
    "<forward mode='private'><interface dev='eth0'/><interface dev='eth0'/></forward>",
    "<forward mode='private' dev='eth1'><interface dev='eth0'/></forward>",
    "<forward mode='passthrough'><pf/></forward>",
    "<forward mode='private'><interface/></forward>",
    *(f"<bridge name='vbr8' {value}/>" for value in ("delay='x'", "macTableManager='x'")),
    *(f"<mac address='{value}'/>" for value in ("", "52:54:0:1:2:3")),
    "<mtu size='x'/>",
    "<domain localOnly='yes'/>",
    *(f"<ip address='10.1.1.1' {value}/>" for value in ("prefix='0'", "netmask='x'", "family='x'")),
    "<ip family='ipv6' address='fd00::1' prefix='64'><tftp root='/x'/></ip>",
    *(
        f"<ip family='ipv6' address='fd00::1' prefix='64'><dhcp><host {host}/></dhcp></ip>"
        for host in ("ip='fd00::5'", "id='x' ip='fd00::5'", "mac='52:54:00:1:2:3' ip='fd00::5'")
    ),
    *(
        ADDRESS.format(inner)
        for inner in (
            "<tftp root=''/>",
            "<dhcp><host name='a' ip='192.168.77.5'/><bootp file='x' server='none'/></dhcp>",
            "<dhcp><host name='a' ip='192.168.77.5'/><bootp server='10.1.1.1'/></dhcp>",
            "<dhcp><host mac='52:54:00:00:00:01' id='1:2' ip='192.168.77.5'/></dhcp>",
            "<dhcp><range start='x' end='192.168.77.5'/></dhcp>",
        )
    ),
    *(
        ADDRESS.format("") + f"<route address='10.0.0.0' gateway='192.168.77.9' {more}/>"
        for more in ("", "prefix='0'", "prefix='8' metric='0'", "prefix='8' family='x'")
    ),
    *(f"<dns>{srv}</dns>" for srv in (
        "<srv service='a' protocol='tcp' target='x' port='0'/>",
        "<srv service='a' protocol='tcp' target='x' port='65536'/>",
        "<srv service='a' protocol='tcp' target='x' port='1' weight='x'/>",
        "<srv service='a' protocol='tcp' target='x' port='1' priority='0'/>",
    )),
    "<dns/>",
    "<dns enable='no'/>",
    "<dns forwardPlainNames='no'/>",
    *(f"<bandwidth>{rate}</bandwidth>" for rate in (
        "", "<inbound/>", "<inbound average='x'/>", "<inbound peak='5'/>",
        "<outbound average='5' floor='5'/>", "<inbound average='5' peak='0'/>",
    )),
    "<bandwidth classID='3'><inbound average='5'/></bandwidth>",
    *(f"<vlan{more}</vlan>" for more in (
        ">", "><tag/>", "><tag id='4096'/>", " trunk='x'><tag id='4'/>",
        " trunk='no'><tag id='4'/><tag id='5'/>",
    )),
    *(f"<virtualport{more}</virtualport>" for more in (
        ">", " type='x'>", " type='802.1Qbg'><parameters managerid='x'/>",
        " type='openvswitch'><parameters interfaceid='x'/>",
    )),
    *(f"<portgroup{more}</portgroup>" for more in (
        ">", " name=''>", " name='a' default='x'>", " name='a'><vlan/>", " name='a'><virtualport/>",
        " name='a'><bandwidth/>", " name='a'><bandwidth><inbound/></bandwidth>",
    )),
)  # fmt: skip


#: Those that libvirt's schema refuses for a value, where ours knows no more than names.
LOOSE = (
    "none",
    "txt without value",
    "txt without name",
    "two pfs",
    "nat of one address",
    "nat of a name",
    "nat of one port",
    "nat twice",
    "nat of two ranges",
    "nat of two port ranges",
    "options without a value",
    "nat port too large",
    "pattern",
    "two patterns",
)


def document(body: str, *, name: str = "n1", uuid: str | None = FIRST) -> str:
    """A network's document."""
    named = f"<uuid>{uuid}</uuid>" if uuid else ""
    return f"<network><name>{name}</name>{named}{body}</network>"


def plain(text: str) -> str:
    """A document without what is drawn by lot."""
    return re.sub(r"52:54:00:[0-9a-f:]{8}|[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", "…", text)


def step(name: str, action: Callable[[], Any]) -> Any:
    """Takes a step and tells what came of it."""
    value: Any = None
    try:
        value = made = action()
    except libvirt.libvirtError as error:
        value = made = {"error": [error.get_error_code(), error.get_error_domain()]}
    if isinstance(value, libvirt.virNetwork):
        value = ["network", value.name()]
    elif isinstance(value, str):
        value = plain(value)
    print(json.dumps([name, value]))
    return made


def definitions(conn: libvirt.virConnect) -> None:
    """Every document, defined, read and undefined."""
    for name, body in BODIES.items():
        net = step(f"define {name}", lambda body=body: conn.networkDefineXML(document(body)))
        if isinstance(net, libvirt.virNetwork):
            step(f"xml {name}", net.XMLDesc)
            step(f"bridge {name}", net.bridgeName)
            step(f"undefine {name}", net.undefine)
        if name not in LOOSE:
            step(f"validated {name}", lambda body=body: validated(conn, body))


def values(conn: libvirt.virConnect) -> None:
    """Every value, defined, read and undefined."""
    for body in VALUES:
        net = step(f"value {body}", lambda body=body: conn.networkDefineXML(document(body)))
        if isinstance(net, libvirt.virNetwork):
            step(f"xml {body}", net.XMLDesc)
            net.undefine()


def validated(conn: libvirt.virConnect, body: str) -> str:
    """Whether the schema takes it."""
    conn.networkDefineXMLFlags(document(body), libvirt.VIR_NETWORK_DEFINE_VALIDATE).undefine()
    return "valid"


def names(conn: libvirt.virConnect) -> None:
    """Who may have which name, UUID and bridge."""
    define = conn.networkDefineXML
    first = step("first", lambda: define(document(HOME)))
    step("again", lambda: define(document(HOME)))
    step("other name", lambda: define(document(HOME, name="n2")))
    step("other uuid", lambda: define(document(HOME, uuid=SECOND)))
    step("same bridge", lambda: define(document(HOME, name="n2", uuid=SECOND)))
    step("no uuid", lambda: define(document(HOME, uuid=None)))
    step("no name", lambda: define("<network/>"))
    for bad in ("a/b", "", "a\nb"):
        step(f"name {bad[:5]!r}", lambda bad=bad: define(document("", name=bad, uuid=None)))
    step("no xml", lambda: define("network"))
    step("another root", lambda: define("<domain/>"))
    step("uuid", lambda: define(document("", uuid="zz")))
    step("lookup", lambda: conn.networkLookupByName("n1"))
    step("lookup none", lambda: conn.networkLookupByName("zz"))
    step("lookup uuid", lambda: conn.networkLookupByUUIDString(FIRST))
    step("lookup no uuid", lambda: conn.networkLookupByUUIDString(SECOND))
    step("unknown flag", lambda: conn.networkDefineXMLFlags(document(""), 1 << 5))
    lists(conn)
    states(first)
    step("undefine", first.undefine)
    for action in (first.undefine, first.isActive, first.XMLDesc, first.create, first.destroy):
        step(f"gone {action.__name__}", action)


def lists(conn: libvirt.virConnect) -> None:
    """Every way to list them."""
    step("second", lambda: conn.networkDefineXML(document("", name="n2", uuid=SECOND)))
    step("bridge of the second", conn.networkLookupByName("n2").bridgeName)
    step("numbers", lambda: [conn.numOfNetworks(), conn.numOfDefinedNetworks()])
    step("lists", lambda: [conn.listNetworks(), sorted(conn.listDefinedNetworks())])
    for flags in range(64):
        step(
            f"all {flags}",
            lambda flags=flags: sorted(net.name() for net in conn.listAllNetworks(flags)),
        )
    step("all 64", lambda: conn.listAllNetworks(64))
    step("undefine second", conn.networkLookupByName("n2").undefine)


def states(net: libvirt.virNetwork) -> None:
    """What may be asked of one that is defined."""
    step("active", net.isActive)
    step("persistent", net.isPersistent)
    step("destroy", net.destroy)
    step("autostart", net.autostart)
    step("set autostart", lambda: net.setAutostart(1))
    step("autostart now", net.autostart)
    step("set autostart off", lambda: net.setAutostart(0))
    step("xml inactive", lambda: net.XMLDesc(1))
    step("xml unknown", lambda: net.XMLDesc(2))
    for number, change in enumerate(changes()):
        step(f"update {number}", lambda change=change: net.update(*change))
        step(f"updated {number}", net.XMLDesc)


def changes() -> Iterator[tuple[int, int, int, str, int]]:
    """Updates of every section, command, section, parent, text, flags."""
    host = libvirt.VIR_NETWORK_SECTION_DNS_HOST
    yield 3, host, -1, "<host ip='192.168.77.3'><hostname>a</hostname></host>", 0
    yield 3, host, -1, "<host ip='192.168.77.3'><hostname>a</hostname></host>", 0
    yield 3, host, -1, "<host ip='192.168.77.4'><hostname>b</hostname></host>", 1
    yield 3, host, -1, "<host ip='192.168.77.4'><hostname>b</hostname></host>", 2
    yield 2, host, -1, "<host ip='192.168.77.4'/>", 2
    yield 3, libvirt.VIR_NETWORK_SECTION_IP_DHCP_HOST, -1, "<host name='x'/>", 0
    yield 3, libvirt.VIR_NETWORK_SECTION_PORTGROUP, -1, "<portgroup name='p'/>", 0
    yield 3, libvirt.VIR_NETWORK_SECTION_FORWARD_INTERFACE, -1, "<interface dev='eth0'/>", 0
    yield 3, libvirt.VIR_NETWORK_SECTION_DOMAIN, -1, "<domain name='p'/>", 0
    yield 3, 99, -1, "<domain name='p'/>", 0
    yield 9, host, -1, "<host ip='192.168.77.9'><hostname>b</hostname></host>", 0
    yield 3, host, -1, "<host", 0
    yield 3, host, -1, "<host ip='192.168.77.9'><hostname>b</hostname></host>", 8


#: Parts of documents, by section and command, of a network with addresses of both families.
PARTS = {
    ("IP_DHCP_HOST", 3): (
        "<host name='six' ip='fd81::6'/>",
        "<host mac='52:54:00:00:00:0a' ip='10.81.1.10'><lease expiry='1' unit='seconds'/></host>",
        "<host/>",
        "<host",
    ),
    ("IP_DHCP_HOST", 2): ("<host id='0:4:7e:7d'/>", "<host name='five'/>"),
    ("IP_DHCP_HOST", 9): ("<host name='six' ip='fd81::6'/>",),
    ("IP_DHCP_RANGE", 1): ("<range/>", "<range start='10.81.1.2' end='10.81.1.99'/>"),
    ("IP_DHCP_RANGE", 3): ("<range start='fd81::2' end='fd81::99'/>", "<range start='1.1.1.1'/>"),
    ("FORWARD_INTERFACE", 1): ("<interface/>",),
    ("FORWARD_INTERFACE", 3): ("<interface/>", "<interface dev='a'/>", "<interface dev='b'/>"),
    ("FORWARD_INTERFACE", 2): ("<interface/>", "<interface dev='b'/>"),
    ("PORTGROUP", 0): ("<portgroup name='none'/>",),
    ("PORTGROUP", 3): (
        "<portgroup/>",
        "<portgroup name='v'><vlan><tag id='5'/></vlan></portgroup>",
    ),
    ("DNS_HOST", 1): ("<host/>",),
    ("DNS_HOST", 3): (
        "<host ip='10.81.1.9'><hostname>h7</hostname></host>",
        "<host ip='10.81.1.7'><hostname>new</hostname></host>",
        "<host ip='10.81.1.7'/>",
        "<host ip='x'/>",
        "<host><hostname>a</hostname></host>",
    ),
    ("DNS_HOST", 2): (
        "<host/>",
        "<host ip='10.81.1.7'><hostname>h8</hostname></host>",
        "<host><hostname/></host>",
        "<host ip='10.81.1.99'><hostname>h8</hostname></host>",
    ),
    ("DNS_TXT", 1): ("<txt/>",),
    ("DNS_TXT", 2): ("<txt value='v'/>", "<txt name='t'/>"),
    ("DNS_SRV", 1): ("<srv/>",),
    ("DNS_SRV", 2): ("<srv service='sip' protocol='tcp' port='5'/>", "<srv protocol='tcp'/>"),
}


def parts(conn: libvirt.virConnect) -> None:
    """Changes of single parts: what is asked first, and which part is meant."""
    dhcp = (
        "<dhcp><range start='10.81.1.2' end='10.81.1.99'/><host name='five' ip='10.81.1.5'/></dhcp>"
    )
    body = (
        "<forward mode='nat'/><bridge name='vbr6'/><dns><txt name='t' value='v'/>"
        "<host ip='10.81.1.7'><hostname>h7</hostname></host>"
        "<host ip='10.81.1.8'><hostname>h8</hostname></host>"
        "<srv service='sip' protocol='tcp' domain='d' target='t' port='5060'/></dns>"
        f"<ip address='10.81.1.1' prefix='24'>{dhcp}</ip>"
        "<ip family='ipv6' address='fd81::1' prefix='64'/>"
    )
    for (section, command), texts in PARTS.items():
        number = getattr(libvirt, f"VIR_NETWORK_SECTION_{section}")
        net = conn.networkDefineXML(document(body, name="parts", uuid=SECOND))
        for text in texts:
            change = (command, number, -1, text, 0)
            step(
                f"part {section} {command} {text}",
                lambda change=change, net=net: net.update(*change),
            )
        step(f"parts {section} {command}", net.XMLDesc)
        net.undefine()
    for index, text in (
        (0, "<host name='six' ip='fd81::6'/>"),
        (1, "<host mac='52:54:00:00:00:06' ip='fd81::6'/>"),
        (1, "<host name='six' ip='10.81.1.6'/>"),
        (1, "<host name='six' ip='fd81::6'/>"),
        (2, "<host name='six' ip='fd81::6'/>"),
    ):
        net = conn.networkDefineXML(document(body, name="parts", uuid=SECOND))
        change = (3, libvirt.VIR_NETWORK_SECTION_IP_DHCP_HOST, index, text, 0)
        step(f"part of {index} {text}", lambda net=net, change=change: net.update(*change))
        net.undefine()


def main() -> None:
    """The session."""
    conn = libvirt.open(sys.argv[1])
    libvirt.registerErrorHandler(lambda *_: None, None)
    definitions(conn)
    values(conn)
    names(conn)
    parts(conn)


main()
