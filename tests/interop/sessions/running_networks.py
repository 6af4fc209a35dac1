# SPDX-License-Identifier: Apache-2.0
"""A session about networks that run: ``/usr/bin/python3 running_networks.py URI PID PART…``.

PID is the daemon's, whose network namespace is looked at. The parts are ``life``, ``started`` and
``changed``. Each step prints a line of JSON: its name, and its value or the code and domain of its
error; then the events that came of it.
"""

from __future__ import annotations

import json
import re
import subprocess
import sys
import threading
from collections.abc import Callable
from typing import Any

import libvirt

DHCP = "<dhcp><range start='10.81.1.2' end='10.81.1.99'/></dhcp>"
IP = f"<ip address='10.81.1.1' prefix='24'>{DHCP}</ip>"
IP6 = "<ip family='ipv6' address='fd81::1' prefix='64'/>"

#: Networks that are started, looked at, and stopped.
BODIES = {
    "isolated": "<bridge name='vbrA'/>",
    "isolated with address": "<bridge name='vbrA' stp='off' delay='3'/><mtu size='1400'/>" + IP,
    "nat": "<forward mode='nat'/><bridge name='vbrA'/><mac address='52:54:00:11:22:33'/>"
    "<domain name='d.test' localOnly='yes'/>" + IP + IP6,
    "nat of a range": "<forward mode='nat'><nat><address start='203.0.113.7' end='203.0.113.9'/>"
    "</nat></forward><bridge name='vbrA'/>" + IP,
    "nat of IPv6": "<forward mode='nat'/><bridge name='vbrA'/>" + IP6,
    "nat of IPv6 too": "<forward mode='nat'><nat ipv6='yes'/></forward><bridge name='vbrA'/>" + IP6,
    "route": "<forward mode='route'/><bridge name='vbrA' delay='40'/>" + IP
    + "<ip address='10.82.1.1' netmask='255.255.0.0'/>"
    "<route address='10.83.0.0' prefix='16' gateway='10.81.1.9'/>"
    "<route address='10.84.0.0' prefix='16' gateway='10.81.1.9' metric='7'/>",
    "route 6": "<forward mode='route'/><bridge name='vbrA'/>" + IP6
    + "<route family='ipv6' address='fd82::' prefix='64' gateway='fd81::9'/>",
    "open": "<forward mode='open'/><bridge name='vbrA'/>" + IP,
    "libvirt's table": "<bridge name='vbrA' macTableManager='libvirt'/>" + IP,
    "no names": "<bridge name='vbrA'/><dns enable='no'/><ip address='10.81.1.1' prefix='24'/>",
    "ipv6 between guests": "<bridge name='vbrA'/>" + IP,
    "a bridge": "<forward mode='bridge'/><bridge name='vbrB'/>",
    "a bridge that is not there": "<forward mode='bridge'/><bridge name='vbrN'/>",
    "private": "<forward mode='private'><interface dev='vbrB'/></forward>",
    "device not there": "<forward mode='nat' dev='none0'/><bridge name='vbrA'/>" + IP,
    "passthrough of nothing": "<forward mode='passthrough'><pf dev='vbrB'/></forward>",
    "bridge of another": "<bridge name='vbrB'/>",
    "a taken subnet": "<bridge name='vbrA'/><ip address='198.51.100.9' prefix='24'/>",
    "a wider subnet": "<bridge name='vbrA'/><ip address='198.51.100.9' prefix='16'/>",
    "a taken route": "<bridge name='vbrA'/>" + IP
    + "<route address='198.51.100.0' prefix='24' gateway='10.81.1.9'/>",
    "zone": "<bridge name='vbrA' zone='public'/>",
    "a bad option": "<bridge name='vbrA'/>" + IP + "<dnsmasq:options xmlns:dnsmasq="
    "'http://libvirt.org/schemas/network/dnsmasq/1.0'><dnsmasq:option value='no-such=1'/>"
    "</dnsmasq:options>",
    "long name": "<bridge name='abcdefghijklmnopqrs'/>",
    "a name with a space": "<bridge name='a b'/>",
    "mtu too small": "<bridge name='vbrA'/><mtu size='20'/>",
    "delay too long": "<bridge name='vbrA' delay='100000'/>",
}  # fmt: skip

MARK = "<network><name>mark</name><uuid>11111111-2222-3333-4444-555555555555</uuid>"

#: Nobody looks for neighbours with the same address of IPv6, which takes a while.
SCRIPT = """
echo 0 > /proc/sys/net/ipv6/conf/default/accept_dad
ip link add vbrB type bridge; ip link set vbrB up
ip address add 198.51.100.1/24 dev vbrB; ip -6 address add 2001:db8:9::1/64 dev vbrB nodad
"""


class Events:
    """The events of a connection, as they come."""

    def __init__(self, conn: libvirt.virConnect) -> None:
        self._heard: list[list[Any]] = []
        self._mark = threading.Event()
        conn.networkEventRegisterAny(None, libvirt.VIR_NETWORK_EVENT_ID_LIFECYCLE, self._life, None)
        threading.Thread(target=self._loop, daemon=True).start()

    def _loop(self) -> None:
        while True:
            libvirt.virEventRunDefaultImpl()

    def _life(self, conn: Any, net: libvirt.virNetwork, event: int, detail: int, _: Any) -> None:
        if net.name() == "mark":
            self._mark.set()
        else:
            self._heard.append([net.name(), event, detail])

    def since(self, conn: libvirt.virConnect) -> list[list[Any]]:
        """What came since the last time: another network's event comes after all of them."""
        self._mark.clear()
        conn.networkDefineXML(f"{MARK}<forward mode='bridge'/></network>")
        assert self._mark.wait(10)
        heard, self._heard = self._heard, []
        return [each for each in heard if each[0] != "mark"]


class Session:
    """A connection, and the namespace that it changes."""

    def __init__(self, uri: str, pid: str) -> None:
        libvirt.virEventRegisterDefaultImpl()
        self.conn = libvirt.open(uri)
        libvirt.registerErrorHandler(lambda *_: None, None)
        self._inside = ["nsenter", "--target", pid, "--net", "--mount"]
        self.events = Events(self.conn)

    def inside(self, *words: str) -> str:
        """What a command says in the daemon's namespace."""
        done = subprocess.run(
            [*self._inside, *words], capture_output=True, text=True, timeout=20, check=False
        )
        return done.stdout if done.returncode == 0 else "failed"

    def step(self, name: str, action: Callable[[], Any]) -> Any:
        """Takes a step and tells what came of it."""
        made: Any = None
        try:
            value = made = action()
        except libvirt.libvirtError as error:
            value = {"error": [error.get_error_code(), error.get_error_domain()]}
        if isinstance(value, libvirt.virNetwork):
            value = ["network", value.name()]
        elif isinstance(value, str):
            value = plain(value)
        print(json.dumps([name, value, self.events.since(self.conn)], sort_keys=True), flush=True)
        return made

    def link(self) -> Any:
        """What the host has of the bridge."""
        said = self.inside("ip", "-j", "-d", "address", "show", "dev", "vbrA")
        found = json.loads(said) if said.startswith("[") else []
        for link in found:
            kind = link["linkinfo"]["info_data"]
            return {
                "flags": sorted(link["flags"]),
                "mtu": link["mtu"],
                "address": plain(link["address"]),
                "bridge": {key: kind[key] for key in
                           ("forward_delay", "stp_state", "vlan_filtering", "ageing_time")},
                "addresses": [
                    {key: value for key, value in each.items()
                     if key not in ("valid_life_time", "preferred_life_time", "nodad")}
                    for each in link["addr_info"] if each["scope"] != "link"
                ],
            }  # fmt: skip
        return None

    def parameters(self) -> list[str]:
        """The kernel's parameters of the bridge."""
        base = "/proc/sys/net/ipv6/conf/vbrA/"
        names = ("disable_ipv6", "accept_ra", "autoconf")
        return [self.inside("cat", base + name).strip() for name in names]

    def routes(self) -> list[str]:
        """The routes by the bridge, without those the kernel makes by itself."""
        told = self.inside("ip", "route", "show", "dev", "vbrA")
        told += self.inside("ip", "-6", "route", "show", "dev", "vbrA")
        return sorted(" ".join(line.split()) for line in told.splitlines() if "fe80" not in line)


def plain(text: str) -> str:
    """Without what is drawn by lot."""
    return re.sub(r"52:54:00:(?!11:22:33)[0-9a-f:]{8}|[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}",
                  "…", text)  # fmt: skip


def document(body: str, attributes: str = "") -> str:
    """A network's document."""
    return f"<network{attributes}><name>n</name>{body}</network>"


def started(session: Session) -> None:
    """Each network is started, looked at and stopped."""
    for name, body in BODIES.items():
        attributes = " ipv6='yes'" if name == "ipv6 between guests" else ""
        text = document(body, attributes)
        net = session.step(f"define {name}", lambda text=text: session.conn.networkDefineXML(text))
        if net is None:
            continue
        if session.step(f"create {name}", net.create) == 0:
            looked_at(session, name, net)
            session.step(f"destroy {name}", net.destroy)
        session.step(f"undefine {name}", net.undefine)
        session.step(f"after {name}", session.link)


def looked_at(session: Session, name: str, net: libvirt.virNetwork) -> None:
    """What a network is that runs."""
    session.step(f"xml {name}", net.XMLDesc)
    session.step(f"inactive {name}", lambda: net.XMLDesc(1))
    session.step(f"link {name}", session.link)
    session.step(f"parameters {name}", session.parameters)
    session.step(f"routes {name}", session.routes)


def life(session: Session) -> None:
    """What may be done to a network that runs, and what is told of it."""
    conn = session.conn
    text = document(BODIES["nat"])
    net = session.step("create xml", lambda: conn.networkCreateXML(text))
    session.step("persistent", net.isPersistent)
    session.step("transient autostart", lambda: net.setAutostart(1))
    session.step("create again", net.create)
    session.step("create xml again", lambda: conn.networkCreateXML(text))
    session.step("undefine transient", net.undefine)
    session.step("define active", lambda: conn.networkDefineXML(document(BODIES["isolated"])))
    other = text.replace("<name>n<", "<name>m<")
    session.step("bridge in use", lambda: conn.networkDefineXML(other))
    session.step("create with its bridge", lambda: conn.networkCreateXML(other))
    other = other.replace("vbrA", "vbrC")
    session.step("create with its subnet", lambda: conn.networkCreateXML(other))
    session.step("define with its subnet", lambda: conn.networkDefineXML(other).undefine())
    session.step("live now", net.XMLDesc)
    session.step("next", lambda: net.XMLDesc(1))
    session.step("autostart", lambda: net.setAutostart(1))
    session.step("undefine active", net.undefine)
    session.step("autostart of a transient", net.autostart)
    session.step("lists", lambda: [conn.listNetworks(), conn.listDefinedNetworks()])
    session.step("destroy", net.destroy)
    session.step("destroy again", net.destroy)
    session.step("gone", net.XMLDesc)


def change_list() -> list[tuple[str, int, int, str]]:
    """Updates of a network that runs: name, command, section, text."""
    modify, delete, last, first = 1, 2, 3, 4
    of = {name: getattr(libvirt, f"VIR_NETWORK_SECTION_{name}") for name in
          ("IP_DHCP_HOST", "IP_DHCP_RANGE", "FORWARD_INTERFACE", "PORTGROUP", "DNS_HOST",
           "DNS_TXT", "DNS_SRV", "BRIDGE")}  # fmt: skip
    host = "<host mac='52:54:00:11:22:33' name='{}' ip='10.81.1.{}'/>"
    return [
        ("host", last, of["IP_DHCP_HOST"], host.format("one", 5)),
        ("host again", last, of["IP_DHCP_HOST"], host.format("one", 5)),
        ("host changed", modify, of["IP_DHCP_HOST"], host.format("one", 6)),
        ("host far", last, of["IP_DHCP_HOST"], "<host name='far' ip='10.81.1.66'/>"),
        ("host gone", delete, of["IP_DHCP_HOST"], "<host mac='52:54:00:11:22:33'/>"),
        ("range", first, of["IP_DHCP_RANGE"], "<range start='10.81.1.110' end='10.81.1.120'/>"),
        ("range over", last, of["IP_DHCP_RANGE"], "<range start='10.81.1.100' end='10.81.1.115'/>"),
        ("range gone", delete, of["IP_DHCP_RANGE"], "<range start='10.81.1.2' end='10.81.1.99'/>"),
        ("last range", delete, of["IP_DHCP_RANGE"],
         "<range start='10.81.1.110' end='10.81.1.120'/>"),
        ("range back", last, of["IP_DHCP_RANGE"], "<range start='10.81.1.2' end='10.81.1.99'/>"),
        ("name", last, of["DNS_HOST"], "<host ip='10.81.1.7'><hostname>p</hostname></host>"),
        ("name gone", delete, of["DNS_HOST"], "<host ip='10.81.1.7'/>"),
        ("text", last, of["DNS_TXT"], "<txt name='a' value='b'/>"),
        ("text changed", modify, of["DNS_TXT"], "<txt name='a' value='c'/>"),
        ("name changed", modify, of["DNS_HOST"],
         "<host ip='10.81.1.7'><hostname>q</hostname></host>"),
        ("text gone", delete, of["DNS_TXT"], "<txt name='a'/>"),
        ("service", last, of["DNS_SRV"],
         "<srv service='sip' protocol='tcp' domain='d' target='t' port='5060'/>"),
        ("service changed", modify, of["DNS_SRV"], "<srv service='sip' protocol='udp'/>"),
        ("service gone", delete, of["DNS_SRV"], "<srv service='sip' protocol='tcp'/>"),
        ("interface", last, of["FORWARD_INTERFACE"], "<interface dev='vbrB'/>"),
        ("interface gone", delete, of["FORWARD_INTERFACE"], "<interface dev='vbrB'/>"),
        ("group", last, of["PORTGROUP"], "<portgroup name='g' default='yes'/>"),
        ("group changed", modify, of["PORTGROUP"],
         "<portgroup name='g'><bandwidth><inbound average='5'/></bandwidth></portgroup>"),
        ("group gone", delete, of["PORTGROUP"], "<portgroup name='g'/>"),
        ("bridge", modify, of["BRIDGE"], "<bridge name='x'/>"),
    ]  # fmt: skip


def updates(session: Session, body: str, which: str) -> None:
    """Changes of what runs, of what is next, and of both."""
    net = session.conn.networkDefineXML(document(BODIES[body]))
    net.create()
    for name, command, section, text in change_list():
        if body.startswith("isolated") and name.startswith("interface"):
            continue  # libvirt says it is done, and forgets it
        for flags in (3,) if which == "both" else (0, 2):
            change = (command, section, -1, text, flags)
            session.step(f"{body} {name} {flags}", lambda change=change: net.update(*change))
        session.step(f"{body} {name} live", net.XMLDesc)
        if which == "both":
            session.step(f"{body} {name} next", lambda: net.XMLDesc(1))
    net.destroy()
    net.undefine()
    session.step(f"after updates {body}", session.link)


def changed(session: Session) -> None:
    """What can be changed of networks that run."""
    updates(session, "nat", "both")
    updates(session, "isolated with address", "one")
    updates(session, "private", "both")


def main() -> None:
    """The session."""
    uri, pid, *parts = sys.argv[1:]
    session = Session(uri, pid)
    session.inside("sh", "-ec", SCRIPT)
    for part in parts:
        print(json.dumps([part]))
        {"started": started, "life": life, "changed": changed}[part](session)


main()
