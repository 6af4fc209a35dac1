# SPDX-License-Identifier: Apache-2.0
"""``<interface>`` of the host: an ethernet device, a bridge, a bond or a VLAN."""

from __future__ import annotations

from virloom.enums.error import ErrorDomain
from virloom.model.schema import PathSchema, schema
from virloom.xml.element import Element
from virloom.xml.fields import attribute, child, children, group
from virloom.xml.kinds import ON_OFF, STRING, UINT, YES_NO, choice


class StartMode(Element):
    """``<start mode='onboot'/>``."""

    mode: str | None = attribute(choice("onboot", "none", "hotplug"))


class InterfaceMtu(Element):
    """``<mtu size='1500'/>``."""

    size: int | None = attribute(UINT)


class InterfaceLink(Element):
    """``<link speed='1000' state='up'/>``; the speed in Mbit/s."""

    speed: int | None = attribute(UINT)
    state: str | None = attribute(STRING)


class InterfaceMac(Element):
    """``<mac address='aa:bb:cc:dd:ee:ff'/>``."""

    address: str | None = attribute(STRING)


class ProtocolDhcp(Element):
    """``<dhcp peerdns='yes'/>``."""

    peerdns: bool | None = attribute(YES_NO)


class Autoconf(Element):
    """``<autoconf/>``: addresses by router advertisement."""


class ProtocolIp(Element):
    """``<ip address='192.168.0.5' prefix='24'/>``."""

    address: str | None = attribute(STRING)
    prefix: int | None = attribute(UINT)


class ProtocolRoute(Element):
    """``<route gateway='192.168.0.1'/>``."""

    gateway: str | None = attribute(STRING)


class Protocol(Element):
    """``<protocol family='ipv4'>``: addresses of one family."""

    empty = "lines"

    family: str | None = attribute(choice("ipv4", "ipv6"))
    autoconf: Autoconf | None = child(Autoconf)
    dhcp: ProtocolDhcp | None = child(ProtocolDhcp)
    ips: list[ProtocolIp] = children(ProtocolIp, "ip")
    route: ProtocolRoute = group(ProtocolRoute)


class VlanInterface(Element):
    """``<interface name='eth0'/>`` below a VLAN."""

    name: str | None = attribute(STRING)


class InterfaceVlan(Element):
    """``<vlan tag='42'>``."""

    tag_: int | None = attribute(UINT, "tag")
    interface: VlanInterface = group(VlanInterface)


class Miimon(Element):
    """``<miimon freq='100' updelay='10' carrier='netif'/>``, in milliseconds."""

    freq: int | None = attribute(UINT)
    downdelay: int | None = attribute(UINT)
    updelay: int | None = attribute(UINT)
    carrier: str | None = attribute(choice("ioctl", "netif"))


class Arpmon(Element):
    """``<arpmon interval='100' target='192.168.50.1' validate='active'/>``."""

    interval: int | None = attribute(UINT)
    target: str | None = attribute(STRING)
    validate: str | None = attribute(choice("none", "active", "backup", "all"))


class Port(Element):
    """``<interface type='ethernet' name='eth0'>`` in a bridge or a bond."""

    empty = "lines"

    type: str | None = attribute(STRING)
    name: str | None = attribute(STRING)
    link: InterfaceLink = group(InterfaceLink)
    mac: InterfaceMac = group(InterfaceMac)
    vlan: InterfaceVlan | None = child(InterfaceVlan)


class Bond(Element):
    """``<bond mode='active-backup'>``."""

    empty = "lines"

    mode: str | None = attribute(STRING)
    miimon: Miimon = group(Miimon)
    arpmon: Arpmon = group(Arpmon)
    interfaces: list[Port] = children(Port, "interface")


class BridgePort(Port):
    """``<interface>`` in a bridge, which may be a bond."""

    bond: Bond | None = child(Bond)


class Bridge(Element):
    """``<bridge stp='on' delay='0'>``; the delay in seconds."""

    empty = "lines"

    stp: bool | None = attribute(ON_OFF)
    delay: str | None = attribute(STRING)
    interfaces: list[BridgePort] = children(BridgePort, "interface")


class HostInterface(Element):
    """``<interface type='bridge' name='br0'>``."""

    tag = "interface"
    schema_path = "interface"
    empty = "lines"
    error_domain = ErrorDomain.INTERFACE

    type: str | None = attribute(choice("ethernet", "bridge", "bond", "vlan"))
    name: str | None = attribute(STRING)
    start: StartMode = group(StartMode)
    mtu: InterfaceMtu = group(InterfaceMtu)
    protocols: list[Protocol] = children(Protocol, "protocol")
    link: InterfaceLink = group(InterfaceLink)
    mac: InterfaceMac = group(InterfaceMac)
    bridge: Bridge | None = child(Bridge)
    bond: Bond | None = child(Bond)
    vlan: InterfaceVlan | None = child(InterfaceVlan)

    @classmethod
    def schema(cls) -> PathSchema:
        """The schema of host interfaces."""
        return schema("interface")
