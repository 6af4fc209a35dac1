# SPDX-License-Identifier: Apache-2.0
"""``<device>``: a device of the host, and what it can do."""

from __future__ import annotations

from virloom.enums.error import ErrorDomain
from virloom.model.schema import PathSchema, schema
from virloom.xml.element import Element
from virloom.xml.fields import attribute, child, children, content, group, leaf
from virloom.xml.kinds import INT, STRING, UINT, ULONG, choice


class NodeParent(Element):
    """``<parent>``: the device above; a new adapter may name it by its world-wide names instead."""

    name: str | None = content(STRING)
    wwnn: str | None = attribute(STRING)
    wwpn: str | None = attribute(STRING)
    fabric_wwn: str | None = attribute(STRING)


class DeviceNode(Element):
    """``<devnode type='dev'>``: a file in ``/dev``."""

    path: str | None = content(STRING)
    type: str | None = attribute(choice("dev", "link"))


class NodeDriver(Element):
    """``<driver>``: the kernel's driver of the device."""

    name: str | None = leaf(STRING)


class Identity(Element):
    """``<product id='0x29c0'>82G33</product>``: a number of a maker and the words for it."""

    id: str | None = attribute(STRING)
    text: str | None = content(STRING)


class Hardware(Element):
    """``<hardware>`` of the whole host."""

    empty = "lines"

    vendor: str | None = leaf(STRING)
    version: str | None = leaf(STRING)
    serial: str | None = leaf(STRING)
    uuid: str | None = leaf(STRING)


class SystemFirmware(Element):
    """``<firmware>`` of the whole host."""

    empty = "lines"

    vendor: str | None = leaf(STRING)
    version: str | None = leaf(STRING)
    release_date: str | None = leaf(STRING)


class NodeAddress(Element):
    """``<address>``: of PCI in attributes, or the text of a hardware address."""

    domain: str | None = attribute(STRING)
    bus: str | None = attribute(STRING)
    slot: str | None = attribute(STRING)
    function: str | None = attribute(STRING)
    text: str | None = content(STRING)


class NetworkLink(Element):
    """``<link speed='1000' state='up'/>``."""

    speed: int | None = attribute(UINT)
    state: str | None = attribute(STRING)


class Named(Element):
    """``<feature name='rx'/>``."""

    name: str | None = attribute(STRING)


class IommuGroup(Element):
    """``<iommuGroup number='7'>``: what can only be given to a guest together."""

    number: int | None = attribute(UINT)
    addresses: list[NodeAddress] = children(NodeAddress, "address")


class NumaNode(Element):
    """``<numa node='0'/>``."""

    node: int | None = attribute(INT)


class ExpressLink(Element):
    """``<link validity='cap' port='0' speed='5' width='16'/>``."""

    validity: str | None = attribute(choice("cap", "sta"))
    port: int | None = attribute(UINT)
    speed: str | None = attribute(STRING)
    width: int | None = attribute(UINT)


class PciExpress(Element):
    """``<pci-express>``."""

    links: list[ExpressLink] = children(ExpressLink, "link")


class CapabilityType(Element):
    """``<type>``: a word, or with an ``id`` a kind of mediated devices."""

    id: str | None = attribute(STRING)
    text: str | None = content(STRING)
    name: str | None = leaf(STRING)
    device_api: str | None = leaf(STRING, "deviceAPI")
    available_instances: int | None = leaf(UINT, "availableInstances")


class MdevAttribute(Element):
    """``<attr name='assign_adapter' value='5'/>``."""

    name: str | None = attribute(STRING)
    value: str | None = attribute(STRING)


class VitalField(Element):
    """``<vendor_field index='A'>``."""

    index: str | None = attribute(STRING)
    text: str | None = content(STRING)


class VitalFields(Element):
    """``<fields access='readonly'>`` of a PCI device's vital product data."""

    access: str | None = attribute(choice("readonly", "readwrite"))
    change_level: str | None = leaf(STRING)
    manufacture_id: str | None = leaf(STRING)
    part_number: str | None = leaf(STRING)
    serial_number: str | None = leaf(STRING)
    asset_tag: str | None = leaf(STRING)
    vendor_fields: list[VitalField] = children(VitalField, "vendor_field")
    system_fields: list[VitalField] = children(VitalField, "system_field")


class ChannelAddress(Element):
    """``<channel_dev_addr>``: the channel device that a subchannel has."""

    cssid: str | None = leaf(STRING)
    ssid: str | None = leaf(STRING)
    devno: str | None = leaf(STRING)


class NestedCapability(Element):
    """``<capability type='vports'>`` inside another; its type tells which fields it has."""

    type: str | None = attribute(STRING)
    max_count: int | None = attribute(UINT, "maxCount")
    number: int | None = leaf(UINT)
    device_class: str | None = leaf(STRING, "class")
    subclass: str | None = leaf(STRING)
    protocol: str | None = leaf(STRING)
    description: str | None = leaf(STRING)
    domain: int | None = leaf(UINT)
    host: int | None = leaf(UINT)
    unique_id: int | None = leaf(INT)
    block: str | None = leaf(STRING)
    char: str | None = leaf(STRING)
    chardev: str | None = leaf(STRING)
    bus: str | None = leaf(STRING)
    drive_type: str | None = leaf(STRING)
    slot: int | None = leaf(UINT)
    function: int | None = leaf(UINT)
    device: int | None = leaf(UINT)
    target: str | None = leaf(STRING)
    lun: int | None = leaf(UINT)
    model: str | None = leaf(STRING)
    product: Identity | None = child(Identity)
    vendor: Identity | None = child(Identity)
    serial: str | None = leaf(STRING)
    hardware: Hardware | None = child(Hardware)
    firmware: SystemFirmware | None = child(SystemFirmware)
    interface: str | None = leaf(STRING)
    addresses: list[NodeAddress] = children(NodeAddress, "address")
    link: NetworkLink | None = child(NetworkLink)
    features: list[Named] = children(Named, "feature")
    types: list[CapabilityType] = children(CapabilityType, "type")
    uuid: str | None = leaf(STRING)
    parent_addr: str | None = leaf(STRING)
    name: str | None = leaf(STRING)
    fields: list[VitalFields] = children(VitalFields, "fields")
    cssid: str | None = leaf(STRING)
    ssid: str | None = leaf(STRING)
    devno: str | None = leaf(STRING)
    channel_dev_addr: ChannelAddress | None = child(ChannelAddress)
    ap_adapter: str | None = leaf(STRING, "ap-adapter")
    ap_domain: str | None = leaf(STRING, "ap-domain")
    rport: str | None = leaf(STRING)
    wwnn: str | None = leaf(STRING)
    wwpn: str | None = leaf(STRING)
    fabric_wwn: str | None = leaf(STRING)
    max_vports: int | None = leaf(UINT)
    vports: int | None = leaf(UINT)
    media_available: int | None = leaf(UINT)
    media_size: int | None = leaf(ULONG)
    media_label: str | None = leaf(STRING)
    size: int | None = leaf(ULONG)
    logical_block_size: int | None = leaf(ULONG)
    num_blocks: int | None = leaf(ULONG)


class NodeCapability(NestedCapability):
    """``<capability type='pci'>``: what kind of device it is."""

    empty = "lines"

    capabilities: list[NestedCapability] = children(NestedCapability, "capability")
    iommu_group: IommuGroup | None = child(IommuGroup, "iommuGroup")
    numa: NumaNode | None = child(NumaNode)
    pci_express: PciExpress | None = child(PciExpress, "pci-express")
    attributes: list[MdevAttribute] = children(MdevAttribute, "attr")


class NodeDevice(Element):
    """``<device>``."""

    tag = "device"
    schema_path = "device"
    error_domain = ErrorDomain.NODEDEV

    name: str | None = leaf(STRING)
    path: str | None = leaf(STRING)
    devnodes: list[DeviceNode] = children(DeviceNode, "devnode")
    parent: NodeParent | None = child(NodeParent)
    driver: NodeDriver = group(NodeDriver)
    capabilities: list[NodeCapability] = children(NodeCapability, "capability")

    @classmethod
    def schema(cls) -> PathSchema:
        """The schema of node devices."""
        return schema("device")
