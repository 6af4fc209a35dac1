# SPDX-License-Identifier: Apache-2.0
"""``<interface>``: network cards of the guest and what they are connected to."""

from __future__ import annotations

from typing import Self, cast

from virloom.model.domain.devices.address import Address
from virloom.model.domain.devices.device import BOOT, ROM, Boot, Device, Rom, VirtioOptions
from virloom.model.domain.devices.interface_parts import (
    Bandwidth,
    Coalesce,
    FilterRef,
    GuestOffloads,
    HostOffloads,
    InterfaceIp,
    PortForward,
    PortOptions,
    Route,
    Teaming,
    VirtualPort,
    Vlan,
)
from virloom.model.domain.devices.storage import Reconnect
from virloom.xml.element import Element
from virloom.xml.fields import attribute, child, children, group, leaf
from virloom.xml.format import FormatFlags
from virloom.xml.kinds import (
    MAC,
    ON_OFF,
    STRING,
    UINT,
    ULONG,
    YES_NO,
    answering,
    choice,
    lenient,
    option,
)

# Names that libvirt gives by itself; a document that asks for one does not keep it.
_GENERATED = ("vnet",)
_GENERATED_DIRECT = ("vnet", "macvtap", "macvlan")


class Mac(Element):
    """``<mac address='52:54:00:…'/>``."""

    address: str | None = attribute(MAC)
    type: str | None = attribute(choice("generated", "static"))
    check: bool | None = attribute(YES_NO)


class LocalEnd(Element):
    """``<local address='127.0.0.1' port='1235'/>``: where a UDP interface listens."""

    address: str | None = attribute(STRING)
    port: int | None = attribute(UINT)


class InterfaceSource(Element):
    """``<source network='default'/>``: the other end, by the interface's type."""

    network: str | None = attribute(STRING)
    portgroup: str | None = attribute(STRING)
    switchid: str | None = attribute(STRING)
    portid: str | None = attribute(STRING)
    bridge: str | None = attribute(STRING)
    type: str | None = attribute(STRING)
    address: str | None = attribute(STRING)
    port: int | None = attribute(UINT)
    path: str | None = attribute(STRING)
    name: str | None = attribute(STRING)
    portgroupid: str | None = attribute(STRING)
    connectionid: str | None = attribute(STRING)
    dev: str | None = attribute(STRING)
    mode: str | None = attribute(
        choice("server", "client", "vepa", "private", "bridge", "passthrough")
    )
    reconnect: Reconnect = group(Reconnect)
    local: LocalEnd | None = child(LocalEnd)
    ips: list[InterfaceIp] = children(InterfaceIp, "ip")
    routes: list[Route] = children(Route, "route")
    host_address: Address | None = child(Address, "address")


class InterfaceTarget(Element):
    """``<target dev='vnet0'/>``: the host's device; ``vnet…`` names are ours, per start."""

    dev: str | None = attribute(STRING)
    managed: bool | None = attribute(YES_NO)


class InterfaceModel(Element):
    """``<model type='virtio'/>``."""

    type: str | None = attribute(STRING)


class InterfaceDriver(VirtioOptions):
    """``<driver name='vhost' queues='4'/>``."""

    name: str | None = attribute(STRING)
    txmode: str | None = attribute(choice("iothread", "timer"))
    ioeventfd: bool | None = attribute(ON_OFF)
    event_idx: bool | None = attribute(ON_OFF)
    queues: int | None = attribute(UINT)
    rx_queue_size: int | None = attribute(UINT)
    tx_queue_size: int | None = attribute(UINT)
    rss: bool | None = attribute(ON_OFF)
    rss_hash_report: bool | None = attribute(ON_OFF)
    host: HostOffloads = group(HostOffloads)
    guest: GuestOffloads = group(GuestOffloads)


class InterfaceBackend(Element):
    """``<backend type='passt' logFile='…'/>``; ``tap`` and ``vhost`` are device paths."""

    type: str | None = attribute(choice("default", "passt"))
    tap: str | None = attribute(STRING)
    vhost: str | None = attribute(STRING)
    log_file: str | None = attribute(STRING, "logFile")


class Script(Element):
    """``<script path='/etc/qemu-ifup'/>``: run by the host for the device."""

    path: str | None = attribute(STRING)


class GuestDevice(Element):
    """``<guest dev='eth0'/>``: the device's name within a container."""

    dev: str | None = attribute(STRING)
    actual: str | None = attribute(STRING, live=True)


class Tune(Element):
    """``<tune><sndbuf>…``: bytes that may wait to be sent."""

    sndbuf: int | None = leaf(answering(ULONG))


class BackendDomain(Element):
    """``<backenddomain name='…'/>`` of Xen."""

    name: str | None = attribute(STRING)


class Link(Element):
    """``<link state='down'/>``."""

    state: str | None = attribute(option("up", "down"))


class Mtu(Element):
    """``<mtu size='1500'/>``, in bytes."""

    size: int | None = attribute(answering(UINT))


class Interface(Device):
    """``<interface type='user'>``."""

    tag = "interface"
    schema_path = "domain/devices/interface"

    type: str | None = attribute(
        choice(
            "user",
            "ethernet",
            "vhostuser",
            "server",
            "client",
            "mcast",
            "network",
            "bridge",
            "internal",
            "direct",
            "hostdev",
            "udp",
            "vdpa",
            "null",
            "vds",
        )
    )
    #: Its network gives virtual functions of the host's; of nobody's document.
    of_functions: bool = False
    managed: bool | None = attribute(lenient(YES_NO))
    trust_guest_rx_filters: bool | None = attribute(YES_NO, "trustGuestRxFilters")
    mac: Mac = group(Mac)
    source: InterfaceSource = group(InterfaceSource)
    vlan: Vlan | None = child(Vlan)
    virtualport: VirtualPort | None = child(VirtualPort)
    bandwidth: Bandwidth | None = child(Bandwidth)
    port: PortOptions = group(PortOptions)
    ips: list[InterfaceIp] = children(InterfaceIp, "ip")
    routes: list[Route] = children(Route, "route")
    port_forwards: list[PortForward] = children(PortForward, "portForward")
    script: Script = group(Script)
    downscript: Script = group(Script)
    backenddomain: BackendDomain = group(BackendDomain)
    target: InterfaceTarget = group(InterfaceTarget)
    guest: GuestDevice = group(GuestDevice)
    model: InterfaceModel = group(InterfaceModel)
    driver: InterfaceDriver = group(InterfaceDriver)
    backend: InterfaceBackend = group(InterfaceBackend)
    filterref: FilterRef | None = child(FilterRef)
    tune: Tune = group(Tune)
    teaming: Teaming | None = child(Teaming)
    link: Link = group(Link)
    mtu: Mtu = group(Mtu)
    coalesce: Coalesce | None = child(Coalesce)
    boot: Boot | None = child(Boot, order=BOOT)
    rom: Rom = group(Rom, order=ROM)

    def adapted(self, flags: FormatFlags) -> Self:
        """Without the name that the host's device got for this run, and what a network gave it."""
        shown = super().adapted(flags)
        if self.type == "hostdev" and self.driver.name is not None:
            shown = cast(
                "Self", _Function._of(shown)
            )  # whose driver stands where that of a <hostdev> does
        of_network = self.source.portid is not None and self.source.network is not None
        if not flags & FormatFlags.INACTIVE:
            if of_network and self.type == "hostdev" and not flags & FormatFlags.STATUS:
                # As in libvirt, of which network a function is a guest's document does not tell.
                names = dict.fromkeys(("network", "portid", "portgroup"))
                return shown.beside(source=self.source.beside(**names))
            return shown
        if of_network:
            given = dict.fromkeys(("portid", "bridge", "dev", "mode", "host_address"))
            shown = shown.beside(type="network", source=self.source.beside(**given))
            if self.type == "hostdev":
                shown = shown.beside(managed=None, driver=self.driver.beside(name=None))
        name = self.target.dev
        generated = _GENERATED_DIRECT if self.type == "direct" else _GENERATED
        if name is not None and name.startswith(generated):
            return shown.beside(target=self.target.beside(dev=None))
        return shown


class _Function(Interface):
    """The same, written in another order."""

    mac: Mac = group(Mac, order=-2)
    driver: InterfaceDriver = group(InterfaceDriver, order=-1)

    @classmethod
    def _of(cls, card: Interface) -> Interface:
        made = cls.__new__(cls)
        made.__dict__.update(card.__dict__)
        return made
