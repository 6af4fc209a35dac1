# SPDX-License-Identifier: Apache-2.0
"""``<network>``: a virtual network, its bridge, its addresses and where it leads."""

from __future__ import annotations

from typing import ClassVar, Self

from virloom.enums.error import ErrorDomain
from virloom.errors import NoName, XmlError
from virloom.model.namespaces import declarations
from virloom.model.network.names import Dns
from virloom.model.network.traffic import (
    Bandwidth,
    DriverName,
    MacAddress,
    PciAddress,
    PortOptions,
    VirtualPort,
    Vlan,
)
from virloom.model.schema import PathSchema, schema
from virloom.xml.element import Element
from virloom.xml.fields import Once, attribute, child, children, group, leaf, raw
from virloom.xml.format import FormatFlags
from virloom.xml.kinds import (
    INT,
    ON_OFF,
    STRING,
    UINT,
    UINT_POSITIVE,
    ULONG,
    UUID,
    YES_NO,
    answering,
    choice,
    lenient,
    option,
)
from virloom.xml.node import Node

#: Values of which libvirt says that the network's are wrong, not the document's.
_ONCE = Once(XmlError, ErrorDomain.NETWORK)
_FAMILY = answering(choice("ipv4", "ipv6"))


class NatRange(Element):
    """``<address start='10.1.0.1' end='10.1.0.9'/>`` or ``<port start='1024' end='65535'/>``."""

    start: str | None = attribute(STRING)
    end: str | None = attribute(STRING)


class Nat(Element):
    """``<nat ipv6='yes'>``: what guests look like from outside."""

    ipv6: bool | None = attribute(YES_NO)
    address: NatRange = group(NatRange, once=_ONCE)
    port: NatRange = group(NatRange, once=_ONCE)


class ForwardInterface(Element):
    """``<interface dev='eth0' connections='1'/>``: a host device that may be used."""

    dev: str | None = attribute(STRING)
    connections: int | None = attribute(UINT, live=True)


class ForwardAddress(PciAddress):
    """``<address type='pci' … connections='1'/>``: a virtual function that may be used."""

    connections: int | None = attribute(UINT, live=True)


class Forward(Element):
    """``<forward mode='nat' dev='eth0'>``: where the network leads."""

    dev: str | None = attribute(STRING)
    mode: str | None = attribute(
        option(
            "none", "nat", "route", "open", "bridge", "private", "vepa", "passthrough", "hostdev"
        )
    )
    managed: bool | None = attribute(lenient(YES_NO))
    driver: DriverName = group(DriverName)
    nat: Nat | None = child(Nat, once=_ONCE)
    pfs: list[ForwardInterface] = children(ForwardInterface, "pf")
    interfaces: list[ForwardInterface] = children(ForwardInterface, "interface")
    addresses: list[ForwardAddress] = children(ForwardAddress, "address")


class Bridge(Element):
    """``<bridge name='virbr0' stp='on' delay='0'/>``; the delay in seconds."""

    name: str | None = attribute(STRING)
    zone: str | None = attribute(STRING)
    stp: bool | None = attribute(lenient(ON_OFF))
    delay: int | None = attribute(answering(ULONG))
    mac_table_manager: str | None = attribute(
        answering(choice("kernel", "libvirt")), "macTableManager"
    )


class Mtu(Element):
    """``<mtu size='9000'/>``."""

    size: int | None = attribute(answering(UINT))


class NetworkDomain(Element):
    """``<domain name='example.org' localOnly='yes'/>``."""

    name: str | None = attribute(STRING)
    local_only: bool | None = attribute(YES_NO, "localOnly")
    register: bool | None = attribute(YES_NO, since="10.9.0")


class Lease(Element):
    """``<lease expiry='1' unit='hours'/>``; 0 is for ever."""

    expiry: int | None = attribute(ULONG)
    unit: str | None = attribute(choice("seconds", "minutes", "hours"))


class DhcpRange(Element):
    """``<range start='192.168.122.2' end='192.168.122.254'>``."""

    start: str | None = attribute(STRING)
    end: str | None = attribute(STRING)
    lease: Lease | None = child(Lease)


class DhcpHost(Element):
    """``<host mac='…' name='foo' ip='192.168.122.10'>``; IPv6 hosts have an ``id``."""

    mac: str | None = attribute(STRING)
    id: str | None = attribute(STRING)
    name: str | None = attribute(STRING)
    ip: str | None = attribute(STRING)
    lease: Lease | None = child(Lease)


class Bootp(Element):
    """``<bootp file='pxelinux.0' server='10.1.1.1'/>``."""

    file: str | None = attribute(STRING)
    server: str | None = attribute(STRING)


class Dhcp(Element):
    """``<dhcp>`` of one address of the network."""

    ranges: list[DhcpRange] = children(DhcpRange, "range")
    hosts: list[DhcpHost] = children(DhcpHost, "host")
    bootp: Bootp | None = child(Bootp)


class Tftp(Element):
    """``<tftp root='/var/lib/tftp'/>``."""

    root: str | None = attribute(STRING)


class NetworkIp(Element):
    """``<ip address='192.168.122.1' netmask='255.255.255.0'>``: the host's address there."""

    empty = "lines"

    family: str | None = attribute(_FAMILY)
    address: str | None = attribute(STRING)
    netmask: str | None = attribute(STRING)
    prefix: int | None = attribute(UINT)
    local_ptr: bool | None = attribute(YES_NO, "localPtr")
    tftp: Tftp = group(Tftp)
    dhcp: Dhcp | None = child(Dhcp)


class NetworkRoute(Element):
    """``<route address='192.168.222.0' prefix='24' gateway='192.168.122.10'/>``."""

    family: str | None = attribute(_FAMILY)
    address: str | None = attribute(STRING)
    netmask: str | None = attribute(STRING)
    prefix: int | None = attribute(UINT)
    gateway: str | None = attribute(STRING)
    metric: int | None = attribute(UINT_POSITIVE)


class PortGroup(Element):
    """``<portgroup name='engineering' default='yes'>``: a class of ports."""

    empty = "lines"

    name: str | None = attribute(STRING)
    default: bool | None = attribute(lenient(YES_NO))
    trust_guest_rx_filters: bool | None = attribute(YES_NO, "trustGuestRxFilters")
    vlan: Vlan | None = child(Vlan)
    virtualport: VirtualPort | None = child(VirtualPort)
    bandwidth: Bandwidth | None = child(Bandwidth)


class DnsmasqOption(Element):
    """``<dnsmasq:option value='dhcp-boot=…'/>``: a line of dnsmasq's configuration."""

    value: str | None = attribute(STRING)


class DnsmasqOptions(Element):
    """``<dnsmasq:options>``."""

    options: list[DnsmasqOption] = children(DnsmasqOption, "dnsmasq:option")


class Network(Element):
    """``<network>``."""

    tag = "network"
    schema_path = "network"
    error_domain = ErrorDomain.NETWORK

    namespaces: ClassVar[dict[str, str]] = {
        "http://libvirt.org/schemas/network/dnsmasq/1.0": "dnsmasq",
    }

    xmlns_dnsmasq: str | None = attribute(STRING, "xmlns:dnsmasq")
    connections: int | None = attribute(INT, live=True)
    ipv6: bool | None = attribute(answering(YES_NO))
    trust_guest_rx_filters: bool | None = attribute(YES_NO, "trustGuestRxFilters")
    name: str = leaf(STRING, default="")
    uuid: str | None = leaf(UUID)
    title: str | None = leaf(STRING, since="9.7.0")
    description: str | None = leaf(STRING, since="9.7.0")
    metadata: Node | None = raw()
    forward: Forward | None = child(Forward)
    bridge: Bridge = group(Bridge)
    mtu: Mtu = group(Mtu)
    mac: MacAddress = group(MacAddress)
    domain: NetworkDomain = group(NetworkDomain)
    dns: Dns | None = child(Dns)
    vlan: Vlan | None = child(Vlan)
    bandwidth: Bandwidth | None = child(Bandwidth)
    port: PortOptions = group(PortOptions)
    ips: list[NetworkIp] = children(NetworkIp, "ip")
    routes: list[NetworkRoute] = children(NetworkRoute, "route")
    virtualport: VirtualPort | None = child(VirtualPort)
    portgroups: list[PortGroup] = children(PortGroup, "portgroup")
    dnsmasq: DnsmasqOptions = group(DnsmasqOptions, "dnsmasq:options")

    @classmethod
    def schema(cls) -> PathSchema:
        """The network schema."""
        return schema("network")

    def complete(self) -> None:
        """A network has a name.

        Raises:
            NoName: It has none.
        """
        if not self.name:
            raise NoName(domain=self.error_domain)

    def adapted(self, flags: FormatFlags) -> Self:
        """The name space that is used."""
        changes = declarations(self)
        return self.beside(**changes) if changes else self
