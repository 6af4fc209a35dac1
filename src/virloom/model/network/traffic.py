# SPDX-License-Identifier: Apache-2.0
"""What networks and their ports say of traffic: rates, VLANs, the switch's own parameters."""

from __future__ import annotations

from virloom.enums.error import ErrorDomain
from virloom.errors import ConfigUnsupported, InternalError, XmlDetail, XmlError
from virloom.model.traffic import PortOptions as PortOptions
from virloom.model.traffic import Rate
from virloom.model.traffic import Vlan as Vlan
from virloom.xml.element import Element
from virloom.xml.fields import Once, attribute, child, group
from virloom.xml.kinds import ON_OFF, STRING, UINT, UUID, answering, choice, option

_ONCE = Once(XmlDetail, ErrorDomain.NONE)


class Bandwidth(Element):
    """``<bandwidth>``: how much traffic goes in and out."""

    empty = "lines"

    class_id: int | None = attribute(answering(UINT, InternalError, ErrorDomain.NONE), "classID")
    inbound: Rate | None = child(Rate, once=_ONCE)
    outbound: Rate | None = child(Rate, once=_ONCE)


#: Of the switch's parameters what does not convert is nobody's error.
_KIND = answering(
    choice("802.1Qbg", "802.1Qbh", "openvswitch", "midonet"),
    ConfigUnsupported,
    ErrorDomain.NONE,
)
_NUMBER = answering(UINT, XmlError, ErrorDomain.NONE)
_NAME = answering(UUID, XmlError, ErrorDomain.NONE)


class VirtualPortParameters(Element):
    """``<parameters …/>``: what the switch wants to know, by the port's type."""

    managerid: int | None = attribute(_NUMBER)
    typeid: int | None = attribute(_NUMBER)
    typeidversion: int | None = attribute(_NUMBER)
    instanceid: str | None = attribute(_NAME)
    interfaceid: str | None = attribute(_NAME)
    profileid: str | None = attribute(STRING)


class VirtualPort(Element):
    """``<virtualport type='openvswitch'>``."""

    type: str | None = attribute(_KIND)
    parameters: VirtualPortParameters = group(VirtualPortParameters)


class MacAddress(Element):
    """``<mac address='52:54:00:…'/>``."""

    address: str | None = attribute(STRING)


class PciAddress(Element):
    """``<address type='pci' domain='0x0000' bus='0x04' slot='0x00' function='0x1'/>``."""

    type: str | None = attribute(option("pci"))
    domain: str | None = attribute(STRING)
    bus: str | None = attribute(STRING)
    slot: str | None = attribute(STRING)
    function: str | None = attribute(STRING)
    multifunction: bool | None = attribute(ON_OFF)


class DriverName(Element):
    """``<driver name='vfio'/>``."""

    name: str | None = attribute(option("kvm", "vfio"))
