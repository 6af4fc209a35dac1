# SPDX-License-Identifier: Apache-2.0
"""Virtual networks."""

from __future__ import annotations

from typing import Any

from steps import Steps

UUID = "8a6d53a3-5f6b-4c3e-9b0e-0123456788{:02x}"
NETWORK = "<network><name>{name}</name><uuid>{uuid}</uuid>{more}</network>"
IP = "<ip address='10.9.8.1' netmask='255.255.255.0'>{}</ip>"

#: Documents that say more, and such as are refused.
MORE = (
    "<forward mode='nat'/><bridge name='vb0'/>" + IP.format(""),
    "<forward mode='nat'/>" + IP.format(""),
    "<forward mode='route' dev='eth0'/>" + IP.format(""),
    "<forward mode='open'/>" + IP.format(""),
    "<forward mode='bridge'/><bridge name='br0'/>",
    "<forward mode='private'><interface dev='eth0'/><interface dev='eth1'/></forward>",
    "<forward mode='hostdev' managed='yes'><address type='pci' domain='0' bus='1' slot='2' "
    "function='3'/></forward>",
    "<forward mode='none'/>",
    "<forward mode='nonesuch'/>",
    "<bridge name='virbr9' stp='off' delay='4'/>" + IP.format(""),
    "<bridge stp='maybe'/>",
    "<mac address='52:54:00:11:22:33'/>" + IP.format(""),
    "<mac address='nonsense'/>",
    "<mtu size='9000'/>",
    "<domain name='example.org' localOnly='yes'/>" + IP.format(""),
    "<dns><host ip='10.9.8.2'><hostname>a</hostname></host></dns>" + IP.format(""),
    "<dns enable='no'/>" + IP.format(""),
    IP.format("<dhcp><range start='10.9.8.2' end='10.9.8.9'/><host mac='52:54:00:00:00:01' "
              "name='h' ip='10.9.8.20'/></dhcp>"),
    IP.format("<dhcp><range start='10.9.8.9' end='10.9.8.2'/></dhcp>"),
    IP.format("<dhcp><range start='10.9.7.2' end='10.9.7.9'/></dhcp>"),
    IP.format("<dhcp><host name='h'/></dhcp>"),
    "<ip address='nonsense' netmask='255.255.255.0'/>",
    "<ip address='10.9.8.1' prefix='24'/>",
    "<ip address='10.9.8.1' prefix='99'/>",
    "<ip family='ipv6' address='fd00::1' prefix='64'/>",
    "<ip family='ipv6' address='10.9.8.1' prefix='64'/>",
    IP.format("") + "<route address='10.1.0.0' prefix='16' gateway='10.9.8.7'/>",
    IP.format("") + "<route address='10.1.0.0' prefix='16' gateway='nonsense'/>",
    "<portgroup name='a' default='yes'/><portgroup name='b'/>" + IP.format(""),
    "<portgroup name='a' default='yes'/><portgroup name='b' default='yes'/>" + IP.format(""),
    "<bandwidth><inbound average='1000' peak='5000' burst='5120'/></bandwidth>" + IP.format(""),
    "<metadata><x:y xmlns:x='urn:x'/></metadata>" + IP.format(""),
    "<nonsense/>" + IP.format(""),
)  # fmt: skip


def document(name: str, number: int, more: str = IP.format("")) -> str:
    return NETWORK.format(name=name, uuid=UUID.format(number), more=more)


def names(listed: Any, flags: int) -> list[str]:
    return sorted(one.name() for one in listed(flags))


def lists(s: Steps, conn: Any) -> None:
    s("ConnectNumOfNetworks", conn.numOfNetworks)
    s("ConnectListNetworks", lambda: sorted(conn.listNetworks()))
    s("ConnectNumOfDefinedNetworks", conn.numOfDefinedNetworks)
    s("ConnectListDefinedNetworks", lambda: sorted(conn.listDefinedNetworks()))
    for flags in (0, 1, 2, 3, 4, 8, 16, 32, 64, 128, 6):
        s("ConnectListAllNetworks",
          names, conn.listAllNetworks, flags)  # fmt: skip


def looks(s: Steps, net: Any) -> None:
    s("NetworkIsActive", net.isActive)
    s("NetworkIsPersistent", net.isPersistent)
    s("NetworkGetAutostart", net.autostart)
    s("NetworkGetBridgeName", net.bridgeName)
    s("NetworkGetXMLDesc", net.XMLDesc)
    s("NetworkGetXMLDesc", net.XMLDesc, 1)


def session(s: Steps, conn: Any, directory: str) -> None:
    number = s("ConnectNetworkEventRegisterAny", conn.networkEventRegisterAny, None, 0,
               s.listen("network"), None)  # fmt: skip
    default = s("NetworkLookupByName", conn.networkLookupByName, "default")
    s("NetworkLookupByName", conn.networkLookupByName, "none")
    s("NetworkLookupByUUID", conn.networkLookupByUUIDString, default.UUIDString())
    s("NetworkLookupByUUID", conn.networkLookupByUUIDString, UUID.format(255))
    looks(s, default)
    lists(s, conn)
    definitions(s, conn)
    life(s, conn)
    updates(s, conn)
    for count, more in enumerate(MORE):
        net = s("NetworkDefineXML", conn.networkDefineXML, document(f"more{count}", count, more))
        if net is not None:
            s("NetworkGetXMLDesc", net.XMLDesc)
            s("NetworkCreate", net.create)
            s("NetworkGetXMLDesc", net.XMLDesc)
            s("NetworkGetBridgeName", net.bridgeName)
            s("NetworkDestroy", net.destroy)
            s("NetworkUndefine", net.undefine)
    s("not served", default.DHCPLeases)
    s("not served", default.listAllPorts)
    s("not served", default.portLookupByUUIDString, UUID.format(1))
    s("NetworkGetXMLDesc", default.XMLDesc, 2)
    s.heard("networks")
    s("ConnectNetworkEventDeregisterAny", conn.networkEventDeregisterAny, number)
    s("ConnectNetworkEventDeregisterAny", conn.networkEventDeregisterAny, number)


def definitions(s: Steps, conn: Any) -> None:
    for text in ("<network/>", "<network", "<domain/>", document("", 1), document("a/b", 1)):
        s("NetworkDefineXML", conn.networkDefineXML, text)
        s("NetworkCreateXML", conn.networkCreateXML, text)
    net = s("NetworkDefineXML", conn.networkDefineXML, document("one", 100))
    looks(s, net)
    s("NetworkDefineXML", conn.networkDefineXML, document("one", 101))
    s("NetworkDefineXML", conn.networkDefineXML, document("two", 100))
    s("NetworkDefineXML", conn.networkDefineXML, document("one", 100, "<bridge name='b'/>"))
    s("NetworkDefineXMLFlags", conn.networkDefineXMLFlags, document("two", 102), 0)
    s("NetworkDefineXMLFlags", conn.networkDefineXMLFlags, document("three", 103), 1)
    s("NetworkDefineXMLFlags", conn.networkDefineXMLFlags, document("x", 104, "<none/>"), 1)
    s("NetworkDefineXMLFlags", conn.networkDefineXMLFlags, document("x", 104), 2)
    lists(s, conn)
    for name in ("two", "three"):
        s("NetworkUndefine", conn.networkLookupByName(name).undefine)
    looks(s, net)


def life(s: Steps, conn: Any) -> None:
    net = conn.networkLookupByName("one")
    s("NetworkDestroy", net.destroy)
    s("NetworkCreate", net.create)
    s("NetworkCreate", net.create)
    looks(s, net)
    s("NetworkDefineXML", conn.networkDefineXML, document("one", 100, IP.format("")))
    looks(s, net)
    s("NetworkSetAutostart", net.setAutostart, 1)
    looks(s, net)
    lists(s, conn)
    s("NetworkUndefine", net.undefine)
    looks(s, net)
    s("NetworkUndefine", net.undefine)
    s("NetworkSetAutostart", net.setAutostart, 0)
    s("NetworkDestroy", net.destroy)
    s("NetworkDestroy", net.destroy)
    looks(s, net)
    other = s("NetworkCreateXML", conn.networkCreateXML, document("passing", 105))
    looks(s, other)
    s("NetworkSetAutostart", other.setAutostart, 1)
    s("NetworkCreateXML", conn.networkCreateXML, document("passing", 105))
    s("NetworkCreateXML", conn.networkCreateXML, document("passing", 106))
    s("NetworkCreateXMLFlags", conn.networkCreateXMLFlags, document("x", 106, "<none/>"), 1)
    s("NetworkCreateXMLFlags", conn.networkCreateXMLFlags, document("x", 106), 2)
    s("NetworkCreateXMLFlags", conn.networkCreateXMLFlags, document("valid", 106), 1)
    s("NetworkUndefine", other.undefine)
    s("NetworkDefineXML", conn.networkDefineXML, document("passing", 105))
    looks(s, other)
    s("NetworkDestroy", other.destroy)
    looks(s, other)
    s("NetworkUndefine", other.undefine)
    s("NetworkDestroy", conn.networkLookupByName("valid").destroy)


def updates(s: Steps, conn: Any) -> None:
    dhcp = "<dhcp><range start='10.9.8.2' end='10.9.8.9'/></dhcp>"
    net = conn.networkDefineXML(document("updated", 110, IP.format(dhcp)))
    host = "<host mac='52:54:00:00:00:01' name='h' ip='10.9.8.20'/>"
    changed = "<host mac='52:54:00:00:00:01' name='h' ip='10.9.8.21'/>"
    for active in (False, True):
        if active:
            net.create()
        for flags in (0, 1, 2, 3, 4):
            for command, section, text in (
                (3, 4, host), (3, 4, host), (1, 4, changed), (2, 4, changed), (2, 4, changed),
                (4, 4, host), (2, 4, host), (3, 5, "<range start='10.9.8.30' end='10.9.8.40'/>"),
                (2, 5, "<range start='10.9.8.30' end='10.9.8.40'/>"),
                (3, 8, "<interface dev='eth0'/>"), (3, 9, "<portgroup name='p'/>"),
                (3, 9, "<portgroup name='p'/>"), (1, 9, "<portgroup name='p' default='yes'/>"),
                (2, 9, "<portgroup name='p'/>"), (3, 10, "<host ip='10.9.8.5'><hostname>a"
                "</hostname></host>"), (3, 11, "<txt name='n' value='v'/>"),
                (3, 12, "<srv service='s' protocol='tcp' target='t'/>"),
                (2, 11, "<txt name='n'/>"), (2, 12, "<srv service='s' protocol='tcp'/>"),
                (2, 10, "<host ip='10.9.8.5'/>"), (1, 1, "<bridge/>"), (1, 2, "<domain/>"),
                (1, 3, "<ip/>"), (1, 6, "<forward/>"), (9, 4, host), (3, 99, host),
                (3, 4, "<nonsense/>"), (3, 4, "<host"), (3, 4, "<host name='x'/>"),
            ):  # fmt: skip
                s("NetworkUpdate", net.update, command, section, -1, text, flags)
                s("NetworkUpdate", net.update, command, section, 3, text, flags)
            s("NetworkGetXMLDesc", net.XMLDesc)
            s("NetworkGetXMLDesc", net.XMLDesc, 1)
    net.destroy()
    net.undefine()
