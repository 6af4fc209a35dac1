# SPDX-License-Identifier: Apache-2.0
"""``<networkport>``: what a guest's interface got of a network."""

from __future__ import annotations

from virloom.enums.error import ErrorDomain
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
from virloom.xml.fields import attribute, child, group, leaf
from virloom.xml.kinds import STRING, UUID, YES_NO, answering, choice


class PortOwner(Element):
    """``<owner>``: the guest that has the port."""

    name: str | None = leaf(STRING)
    uuid: str | None = leaf(UUID)


class ReceiveFilters(Element):
    """``<rxfilters trustGuest='yes'/>``."""

    trust_guest: bool | None = attribute(YES_NO, "trustGuest")


class Plug(Element):
    """``<plug type='bridge' bridge='virbr0'/>``: how the port is connected."""

    type: str | None = attribute(choice("none", "network", "bridge", "direct", "hostdev-pci"))
    bridge: str | None = attribute(STRING)
    mac_table_manager: str | None = attribute(
        answering(choice("kernel", "libvirt")), "macTableManager"
    )
    dev: str | None = attribute(STRING)
    mode: str | None = attribute(choice("vepa", "private", "bridge", "passthrough"))
    managed: bool | None = attribute(YES_NO)
    driver: DriverName = group(DriverName)
    address: PciAddress = group(PciAddress)


class NetworkPort(Element):
    """``<networkport>``."""

    tag = "networkport"
    schema_path = "networkport"
    error_domain = ErrorDomain.NETWORK

    uuid: str | None = leaf(UUID)
    owner: PortOwner = group(PortOwner)
    group_name: str | None = leaf(STRING, "group")
    mac: MacAddress = group(MacAddress)
    virtualport: VirtualPort | None = child(VirtualPort)
    bandwidth: Bandwidth | None = child(Bandwidth)
    vlan: Vlan | None = child(Vlan)
    port: PortOptions = group(PortOptions)
    rxfilters: ReceiveFilters = group(ReceiveFilters)
    plug: Plug = group(Plug)

    @classmethod
    def schema(cls) -> PathSchema:
        """The schema of network ports."""
        return schema("networkport")
