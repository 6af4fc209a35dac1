# SPDX-License-Identifier: Apache-2.0
"""What networks and filters refuse: ``/usr/bin/python3 refused_networks.py NETWORKS FILTERS``.

Each step prints a line of JSON: its name, and ``taken`` or the code and domain of its error. Then
follows what is there: nothing that was refused has left anything. The daemon's host has a bridge
``vbrB`` with 198.51.100.1/24 and fd98::1/64, and a route to 198.18.5.0/24 behind it.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from typing import Any

import libvirt

FIRST = "11111111-2222-3333-4444-555555555555"
ADD, CONFIG, LIVE = libvirt.VIR_NETWORK_UPDATE_COMMAND_ADD_LAST, 2, 1
HOST, RANGE = 4, 5  # VIR_NETWORK_SECTION_IP_DHCP_HOST, VIR_NETWORK_SECTION_IP_DHCP_RANGE

OWN = "<bridge name='vbrA'/>"


def ip(inner: str, address: str = "10.81.1.1", prefix: int = 24) -> str:
    family = " family='ipv6'" if ":" in address else ""
    return f"{OWN}<ip{family} address='{address}' prefix='{prefix}'>{inner}</ip>"


def hosts(*entries: str) -> str:
    every = "".join(f"<host {entry}/>" for entry in entries)
    return ip(f"<dhcp><range start='10.81.1.2' end='10.81.1.99'/>{every}</dhcp>")


def range_(start: str, end: str, address: str = "10.81.1.1", prefix: int = 24) -> str:
    return ip(f"<dhcp><range start='{start}' end='{end}'/></dhcp>", address, prefix)


MAC = "mac='52:54:00:00:00:01'"

#: What is refused when it is defined, or taken.
DOCUMENTS = {
    "range outside": range_("10.81.2.2", "10.81.2.9"),
    "range half outside": range_("10.81.1.2", "10.81.2.9"),
    "range backwards": range_("10.81.1.9", "10.81.1.2"),
    "range from the network's own address": range_("10.81.1.0", "10.81.1.9"),
    "range to the broadcast address": range_("10.81.1.9", "10.81.1.255"),
    "range of another family": range_("fd81::2", "fd81::9"),
    "range of two families": range_("10.81.1.2", "fd81::9"),
    "range too large": range_("10.0.0.2", "10.2.0.9", "10.0.0.1", 8),
    "range of one address": range_("10.81.1.2", "10.81.1.2"),
    "range outside of IPv6": range_("fd82::2", "fd82::9", "fd81::1", 64),
    "range of no address": range_("ten", "10.81.1.9"),
    "host without an address": hosts(f"{MAC} name='a'"),
    "host of a bad address": hosts(f"{MAC} ip='10.81.1.300'"),
    "host of another family": hosts(f"{MAC} ip='fd81::9'"),
    "host with a bad MAC": hosts("mac='52:54:00:00:01' ip='10.81.1.5'"),
    "host with a MAC of many": hosts("mac='01:54:00:00:00:01' ip='10.81.1.5'"),
    "host with nothing": hosts("ip='10.81.1.5'"),
    "host with a name like an option": hosts(f"{MAC} name='-x' ip='10.81.1.5'"),
    "host with a name of two fields": hosts(f"{MAC} name='a,ignore' ip='10.81.1.5'"),
    "host with a name of two lines": hosts(f"{MAC} name='a&#10;b' ip='10.81.1.5'"),
    "host with a path": hosts(f"{MAC} name='../x' ip='10.81.1.5'"),
    "host with a digit first": hosts(f"{MAC} name='1a' ip='10.81.1.5'"),
    "netmask and prefix": OWN + "<ip address='10.81.1.1' netmask='255.0.0.0' prefix='24'/>",
    "prefix too long": ip("", "10.81.1.1", 33),
    "netmask with holes": OWN + "<ip address='10.81.1.1' netmask='255.0.255.0'/>",
    "address of another family": OWN + "<ip family='ipv6' address='10.81.1.1' prefix='24'/>",
    "address of many": ip("", "224.0.0.1", 24),
    "two DHCP servers": ip("<dhcp><range start='10.81.1.2' end='10.81.1.9'/></dhcp>")
    + "<ip address='10.82.1.1' prefix='24'><dhcp><range start='10.82.1.2' end='10.82.1.9'/></dhcp>"
    "</ip>",
    "gateway outside": ip("") + "<route address='10.83.0.0' prefix='16' gateway='10.99.1.9'/>",
    "route of another family": ip("") + "<route address='fd83::' prefix='16' gateway='10.81.1.9'/>",
    "nat backwards": "<forward mode='nat'><nat><address start='192.0.2.9' end='192.0.2.1'/></nat>"
    "</forward>" + ip(""),
    "nat ports backwards": "<forward mode='nat'><nat><port start='9' end='1'/></nat></forward>"
    + ip(""),
    "two hosts of one MAC": hosts(f"{MAC} ip='10.81.1.5'", f"{MAC} ip='10.81.1.6'"),
    "two hosts of one address": hosts(f"{MAC} ip='10.81.1.5'", "name='b' ip='10.81.1.5'"),
    "two hosts of one name": hosts(f"{MAC} name='b' ip='10.81.1.5'", "name='b' ip='10.81.1.6'"),
    "host outside": hosts(f"{MAC} ip='10.82.1.5'"),
    "host outside of IPv6": ip("<dhcp><host name='a' ip='fd82::5'/></dhcp>", "fd81::1", 64),
    "host of the bridge's address": hosts(f"{MAC} ip='10.81.1.1'"),
    "device like an option": "<forward mode='nat' dev='-x'/>" + ip(""),
    "device like a path": "<forward mode='nat' dev='../x'/>" + ip(""),
    "route of a machine's address": ip("")
    + "<route address='10.83.0.5' prefix='16' gateway='10.81.1.9'/>",
    "route with a long prefix": ip("")
    + "<route address='10.83.0.0' prefix='40' gateway='10.81.1.9'/>",
    "route with netmask and prefix": ip("")
    + "<route address='10.83.0.0' netmask='255.255.0.0' prefix='16' gateway='10.81.1.9'/>",
    "route of IPv6 with netmask": ip("", "fd81::1", 64)
    + "<route family='ipv6' address='fd83::' netmask='255.0.0.0' gateway='fd81::9'/>",
    "route with a bad netmask": ip("")
    + "<route address='10.83.0.0' netmask='255.0.255.0' gateway='10.81.1.9'/>",
    "route through another family": ip("")
    + "<route address='10.83.0.0' prefix='16' gateway='fd81::9'/>",
    "dns host without address": "<dns><host><hostname>a</hostname></host></dns>" + ip(""),
    "dns host without a name": "<dns><host ip='10.81.1.9'/></dns>" + ip(""),
    "dns host of an empty name": "<dns><host ip='10.81.1.9'><hostname/></host></dns>" + ip(""),
    "dns host of two fields": "<dns><host ip='10.81.1.9'><hostname>a b</hostname></host></dns>"
    + ip(""),
    "srv without protocol": "<dns><srv service='sip'/></dns>" + ip(""),
    "srv without target": "<dns><srv service='sip' protocol='tcp' port='5'/></dns>" + ip(""),
    "srv of two fields": "<dns><srv service='sip' protocol='tcp' target='a,b'/></dns>" + ip(""),
    "forwarder of a bad address": "<dns><forwarder addr='x'/></dns>" + ip(""),
    "dns host of no address": "<dns><host ip='x'><hostname>a</hostname></host></dns>" + ip(""),
    "srv without service": "<dns><srv protocol='tcp'/></dns>" + ip(""),
    "srv of a long service": f"<dns><srv service='{'x' * 300}' protocol='tcp'/></dns>" + ip(""),
    "forwarder of nothing": "<dns><forwarder/></dns>" + ip(""),
    "txt with a comma in its name": "<dns><txt name='a,b' value='c'/></dns>" + ip(""),
    "txt with a space in its name": "<dns><txt name='a b' value='c'/></dns>" + ip(""),
    "portgroup twice": "<portgroup name='a'/><portgroup name='a'/>",
    "mode of nothing": "<forward mode='magic'/>",
    "nat without an address": "<forward mode='nat'/>" + OWN,
}  # fmt: skip

#: Names of networks.
NAMES = ("-x", "--help", "../x", "a/b", "/", ".", "..", "a&#10;b", "", " ", "n" * 300)
#: Names of bridges, which are given when they start at the latest.
BRIDGES = ("-x", "../x", "a/b", ".", "..", "n" * 16, "a&#10;b", "vbrB", "lo", "a b", "a;b", "%")

#: What is refused when it starts: the host has it already.
STARTS = {
    "subnet of a bridge": ip("", "198.51.100.9", 24),
    "subnet of a bridge, of IPv6": ip("", "fd98::9", 64),
    "subnet of a route": ip("", "198.18.5.1", 24),
    "static route of a bridge": ip("")
    + "<route address='198.51.100.0' prefix='24' gateway='10.81.1.9'/>",
    "static route of a route": ip("")
    + "<route address='198.18.5.0' prefix='24' gateway='10.81.1.9'/>",
}

#: Parts that are added to a network with a host 52:54:00:00:00:05, ``five``, 10.81.1.5.
UPDATES = {
    "host of the same MAC": (HOST, "<host mac='52:54:00:00:00:05' ip='10.81.1.6'/>"),
    "host of the same address": (HOST, f"<host {MAC} ip='10.81.1.5'/>"),
    "host of the same name": (HOST, f"<host {MAC} name='five' ip='10.81.1.6'/>"),
    "host of a bad address": (HOST, f"<host {MAC} ip='x'/>"),
    "host of a hostile name": (HOST, f"<host {MAC} name='a,ignore' ip='10.81.1.7'/>"),
    "range outside": (RANGE, "<range start='10.82.1.2' end='10.82.1.9'/>"),
    "range backwards": (RANGE, "<range start='10.81.1.9' end='10.81.1.2'/>"),
    "range twice": (RANGE, "<range start='10.81.1.100' end='10.81.1.120'/>"),
    "section of nothing": (77, "<host/>"),
    "host that is no document": (HOST, "<host"),
}

LOOP = "<filter name='{}'><filterref filter='{}'/></filter>"
#: Filters in turn, with names that are links' or files'.
FILTERS = {
    "loop: one": LOOP.format("a", "b"),
    "loop: two": LOOP.format("b", "c"),
    "loop: closed": LOOP.format("c", "a"),
    "loop: itself": LOOP.format("d", "d"),
    "name with a path": "<filter name='a/b'/>",
    "no name": "<filter/>",
    "no chain": "<filter name='e' chain='bogus'/>",
    "priority too high": "<filter name='e' priority='5000'/>",
    "rule of no action": "<filter name='e'><rule action='maybe' direction='in'/></filter>",
    "rule of no direction": "<filter name='e'><rule action='drop' direction='up'/></filter>",
    "rule of a bad port": "<filter name='e'><rule action='drop' direction='in'>"
    "<tcp dstportstart='70000'/></rule></filter>",
}


def step(name: str, action: Callable[[], Any]) -> Any:
    """Takes a step and tells what came of it."""
    made = None
    try:
        made = action()
        told: Any = "taken"
    except libvirt.libvirtError as error:
        told = [error.get_error_code(), error.get_error_domain()]
    print(json.dumps([name, told]), flush=True)
    return made


def document(body: str, name: str = "n") -> str:
    return f"<network><name>{name}</name><uuid>{FIRST}</uuid>{body}</network>"


def away(conn: libvirt.virConnect) -> None:
    """Whatever was taken goes again."""
    for net in conn.listAllNetworks():
        active = net.isActive()
        if net.isPersistent():
            net.undefine()
        if active:
            net.destroy()


def defined(conn: libvirt.virConnect, name: str, text: str) -> None:
    step(name, lambda: conn.networkDefineXML(text))
    away(conn)


def started(conn: libvirt.virConnect, name: str, text: str) -> None:
    step(name, lambda: conn.networkCreateXML(text))
    away(conn)


def networks(conn: libvirt.virConnect) -> None:
    for name, body in DOCUMENTS.items():
        defined(conn, f"define: {name}", document(body))
    for name in NAMES:
        defined(conn, f"name: {name[:20]}", document("", name))
    for name in BRIDGES:
        started(conn, f"bridge: {name[:20]}", document(f"<bridge name='{name}'/>"))
    for name, body in STARTS.items():
        started(conn, f"start: {name}", document(body))
    two_at_once(conn)
    updates(conn)


def two_at_once(conn: libvirt.virConnect) -> None:
    """A second network of the same name, UUID, bridge or subnet."""
    first = conn.networkCreateXML(document(ip("")))
    other = FIRST.replace("1", "2")
    for name, text in {
        "its name": document("").replace(FIRST, other),
        "its UUID": document("", "m"),
        "its bridge": document(OWN, "m").replace(FIRST, other),
        "its subnet": document(ip(""), "m").replace(FIRST, other).replace("vbrA", "vbrC"),
    }.items():
        step(f"second: create {name}", lambda text=text: conn.networkCreateXML(text))
        step(f"second: define {name}", lambda text=text: conn.networkDefineXML(text))
    step("second: the first one", lambda: first.isActive() or 1 / 0)
    away(conn)


def updates(conn: libvirt.virConnect) -> None:
    entry = "mac='52:54:00:00:00:05' name='five' ip='10.81.1.5'"
    more = hosts(entry).replace("<host", "<range start='10.81.1.100' end='10.81.1.120'/><host", 1)
    net = conn.networkDefineXML(document(more))
    net.create()
    before = net.XMLDesc(0)
    for name, (section, text) in UPDATES.items():
        for where, flags in (("live", LIVE), ("both", LIVE | CONFIG)):
            what = f"update {where}: {name}"
            step(what, lambda a=section, b=text, c=flags: net.update(ADD, a, -1, b, c))
    print(json.dumps(["update: all is as before", before == net.XMLDesc(0)]))
    away(conn)


def filters(conn: libvirt.virConnect) -> None:
    for name, text in FILTERS.items():
        step(f"filter {name}", lambda text=text: conn.nwfilterDefineXML(text))
    for name in ("a", "b"):
        conn.nwfilterLookupByName(name).undefine()
    left = [each.name() for each in conn.listAllNWFilters() if len(each.name()) < 4]
    print(json.dumps(["filters that are left", left]))


def main() -> None:
    libvirt.registerErrorHandler(lambda *_: None, None)
    where, whose = sys.argv[1:]
    networks(libvirt.open(where))
    filters(libvirt.open(whose))


main()
