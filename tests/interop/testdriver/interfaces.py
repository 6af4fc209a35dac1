# SPDX-License-Identifier: Apache-2.0
"""Interfaces of the host."""

from __future__ import annotations

from typing import Any

from steps import Steps

ETHERNET = "<interface type='ethernet' name='{}'>{}</interface>"

MORE = (
    ETHERNET.format("e1", ""),
    ETHERNET.format("e2", "<mac address='52:54:00:00:00:01'/>"),
    ETHERNET.format("e3", "<mac address='nonsense'/>"),
    ETHERNET.format("e4", "<start mode='none'/><mtu size='9000'/>"),
    ETHERNET.format("e5", "<start mode='nonsense'/>"),
    ETHERNET.format("e6", "<protocol family='ipv4'><dhcp peerdns='no'/></protocol>"),
    ETHERNET.format("e7", "<protocol family='ipv6'><autoconf/><dhcp/>"
                          "<ip address='fd00::1' prefix='64'/></protocol>"),
    ETHERNET.format("e8", "<protocol family='nonsense'/>"),
    ETHERNET.format("e9", "<protocol/>"),
    ETHERNET.format("e10", "<link speed='1000' state='up'/>"),
    ETHERNET.format("e12", "<protocol family='ipv4'><ip/></protocol>"),
    "<interface type='bridge' name='br0'><bridge stp='on' delay='0'>"
    "<interface type='ethernet' name='p1'><mac address='52:54:00:00:00:02'/></interface>"
    "<interface type='ethernet' name='p2'/></bridge></interface>",
    "<interface type='bridge' name='br1'><start mode='onboot'/><bridge/></interface>",
    "<interface type='bridge' name='br2'/>",
    "<interface type='bond' name='bond0'><bond mode='active-backup'><miimon freq='100' "
    "carrier='netif'/><interface type='ethernet' name='p1'/></bond></interface>",
    "<interface type='bond' name='bond1'><bond><arpmon interval='5' target='10.0.0.1' "
    "validate='active'/><interface type='ethernet' name='p1'/></bond></interface>",
    "<interface type='bond' name='bond2'><bond mode='nonsense'/></interface>",
    "<interface type='bond' name='bond3'/>",
    "<interface type='vlan' name='v0'><vlan tag='42'><interface name='eth0'/></vlan></interface>",
    "<interface type='vlan' name='v1'><vlan/></interface>",
    "<interface type='vlan' name='v2'/>",
    "<interface type='nonsense' name='x'/>",
    "<interface type='ethernet'/>",
    "<interface/>",
    "<interface",
    "<domain/>",
)  # fmt: skip


def names(listed: Any, flags: int) -> list[str]:
    return sorted(one.name() for one in listed(flags))


def lists(s: Steps, conn: Any) -> None:
    s("ConnectNumOfInterfaces", conn.numOfInterfaces)
    s("ConnectListInterfaces", lambda: sorted(conn.listInterfaces()))
    s("ConnectNumOfDefinedInterfaces", conn.numOfDefinedInterfaces)
    s("ConnectListDefinedInterfaces", lambda: sorted(conn.listDefinedInterfaces()))
    for flags in (0, 1, 2, 3, 4):
        s("ConnectListAllInterfaces",
          names, conn.listAllInterfaces, flags)  # fmt: skip


def session(s: Steps, conn: Any, directory: str) -> None:
    lists(s, conn)
    eth1 = s("InterfaceLookupByName", conn.interfaceLookupByName, "eth1")
    s("InterfaceLookupByName", conn.interfaceLookupByName, "none")
    s("InterfaceLookupByMACString", conn.interfaceLookupByMACString, "aa:bb:cc:dd:ee:ff")
    s("InterfaceLookupByMACString", conn.interfaceLookupByMACString, "AA:BB:CC:DD:EE:FF")
    s("InterfaceLookupByMACString", conn.interfaceLookupByMACString, "none")
    for flags in (0, 1, 2):
        s("InterfaceGetXMLDesc", eth1.XMLDesc, flags)
    s("InterfaceIsActive", eth1.isActive)
    s("InterfaceCreate", eth1.create)
    s("InterfaceDestroy", eth1.destroy, 1)
    s("InterfaceDestroy", eth1.destroy)
    s("InterfaceIsActive", eth1.isActive)
    s("InterfaceDestroy", eth1.destroy)
    lists(s, conn)
    s("InterfaceCreate", eth1.create, 1)
    s("InterfaceCreate", eth1.create)
    s("InterfaceUndefine", eth1.undefine)
    s("InterfaceUndefine", eth1.undefine)
    s("InterfaceGetXMLDesc", eth1.XMLDesc)
    s("InterfaceIsActive", eth1.isActive)
    for text in MORE:
        one = s("InterfaceDefineXML", conn.interfaceDefineXML, text)
        if one is not None:
            s("InterfaceGetXMLDesc", one.XMLDesc)
            s("InterfaceIsActive", one.isActive)
    s("InterfaceDefineXML", conn.interfaceDefineXML, MORE[1], 1)
    s("InterfaceDefineXML", conn.interfaceDefineXML, MORE[1], 2)
    s("InterfaceDefineXML", conn.interfaceDefineXML, ETHERNET.format("e2", "<start mode='none'/>"))
    s("InterfaceGetXMLDesc", lambda: conn.interfaceLookupByName("e2").XMLDesc())
    same = ETHERNET.format("same", "<mac address='52:54:00:00:00:01'/>")
    s("InterfaceDefineXML", conn.interfaceDefineXML, same)
    lists(s, conn)
    changes(s, conn)


def changes(s: Steps, conn: Any) -> None:
    s("InterfaceChangeRollback", conn.changeRollback)
    s("InterfaceChangeCommit", conn.changeCommit)
    s("InterfaceChangeBegin", conn.changeBegin, 1)
    s("InterfaceChangeBegin", conn.changeBegin)
    s("InterfaceChangeBegin", conn.changeBegin)
    s("InterfaceUndefine", conn.interfaceLookupByName("e1").undefine)
    s("InterfaceDefineXML", conn.interfaceDefineXML, ETHERNET.format("new", ""))
    s("InterfaceCreate", conn.interfaceLookupByName("new").create)
    lists(s, conn)
    s("InterfaceChangeRollback", conn.changeRollback, 1)
    s("InterfaceChangeRollback", conn.changeRollback)
    lists(s, conn)
    s("InterfaceChangeBegin", conn.changeBegin)
    s("InterfaceUndefine", conn.interfaceLookupByName("e1").undefine)
    s("InterfaceChangeCommit", conn.changeCommit, 1)
    s("InterfaceChangeCommit", conn.changeCommit)
    s("InterfaceChangeCommit", conn.changeCommit)
    lists(s, conn)
