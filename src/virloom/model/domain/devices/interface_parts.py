# SPDX-License-Identifier: Apache-2.0
"""What an ``<interface>`` may say of its port, its addresses and its traffic."""

from __future__ import annotations

from virloom.enums.error import ErrorDomain
from virloom.errors import ConfigUnsupported, XmlDetail, XmlError
from virloom.model.traffic import PortOptions as PortOptions
from virloom.model.traffic import Rate
from virloom.model.traffic import Vlan as Vlan
from virloom.xml.element import Element
from virloom.xml.fields import Once, attribute, child, children, group
from virloom.xml.kinds import (
    ON_OFF,
    STRING,
    UINT,
    UINT_OWNED,
    UUID,
    YES_NO,
    answering,
    choice,
    option,
)


class InterfaceIp(Element):
    """``<ip address='10.0.2.15' family='ipv4' prefix='24'/>``."""

    address: str | None = attribute(STRING)
    family: str | None = attribute(STRING)
    prefix: int | None = attribute(UINT_OWNED)
    peer: str | None = attribute(STRING)


class Route(Element):
    """``<route family='ipv4' address='0.0.0.0' prefix='0' gateway='10.0.0.1'/>``."""

    family: str | None = attribute(STRING)
    address: str | None = attribute(STRING)
    netmask: str | None = attribute(STRING)
    prefix: int | None = attribute(UINT_OWNED)
    gateway: str | None = attribute(STRING)
    metric: int | None = attribute(UINT)


class PortRange(Element):
    """``<range start='22' to='2022'/>``: ports of the host, and where they lead to."""

    start: int | None = attribute(UINT)
    end: int | None = attribute(UINT)
    to: int | None = attribute(UINT)
    exclude: bool | None = attribute(YES_NO)


class PortForward(Element):
    """``<portForward proto='tcp' address='…' dev='…'>``: ports that lead into the guest."""

    proto: str | None = attribute(choice("tcp", "udp"))
    address: str | None = attribute(STRING)
    dev: str | None = attribute(STRING)
    ranges: list[PortRange] = children(PortRange, "range")


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


_ONCE = Once(XmlDetail, ErrorDomain.NONE)


class Bandwidth(Element):
    """``<bandwidth>``: how much traffic goes in and out."""

    class_id: str | None = attribute(STRING, "classID")
    inbound: Rate | None = child(Rate, once=_ONCE)
    outbound: Rate | None = child(Rate, once=_ONCE)


class FilterParameter(Element):
    """``<parameter name='IP' value='10.0.0.1'/>``."""

    name: str | None = attribute(STRING)
    value: str | None = attribute(STRING)


class FilterRef(Element):
    """``<filterref filter='clean-traffic'>``: the network filter of the port."""

    filter: str | None = attribute(STRING)
    parameters: list[FilterParameter] = children(FilterParameter, "parameter")


class Teaming(Element):
    """``<teaming type='transient' persistent='ua-backup0'/>``: two cards that act as one."""

    type: str | None = attribute(option("persistent", "transient"))
    persistent: str | None = attribute(STRING)


class CoalesceFrames(Element):
    """``<frames max='7'/>``: an interrupt after so many frames at the latest."""

    max: int | None = attribute(answering(UINT, XmlDetail))


class CoalesceRx(Element):
    """``<rx>`` of the host's device."""

    frames: CoalesceFrames = group(CoalesceFrames)


class Coalesce(Element):
    """``<coalesce>``: how the host's device gathers interrupts."""

    rx: CoalesceRx = group(CoalesceRx)


class HostOffloads(Element):
    """``<host csum='off' gso='off' …/>``: what the host's side does for the guest."""

    csum: bool | None = attribute(ON_OFF)
    gso: bool | None = attribute(ON_OFF)
    tso4: bool | None = attribute(ON_OFF)
    tso6: bool | None = attribute(ON_OFF)
    ecn: bool | None = attribute(ON_OFF)
    ufo: bool | None = attribute(ON_OFF)
    mrg_rxbuf: bool | None = attribute(ON_OFF)


class GuestOffloads(Element):
    """``<guest csum='off' tso4='off' …/>``: what the guest's side may leave undone."""

    csum: bool | None = attribute(ON_OFF)
    tso4: bool | None = attribute(ON_OFF)
    tso6: bool | None = attribute(ON_OFF)
    ecn: bool | None = attribute(ON_OFF)
    ufo: bool | None = attribute(ON_OFF)
