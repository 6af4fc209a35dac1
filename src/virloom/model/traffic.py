# SPDX-License-Identifier: Apache-2.0
"""What a guest's interface and a virtual network say alike of traffic: rates, VLANs, isolation."""

from __future__ import annotations

from virloom.enums.error import ErrorDomain
from virloom.errors import ConfigUnsupported, XmlError
from virloom.xml.element import Element
from virloom.xml.fields import attribute, children
from virloom.xml.kinds import UINT, YES_NO, answering, choice

#: What does not convert is libvirt's unsupported configuration, of nobody.
_RATE = answering(UINT, ConfigUnsupported, ErrorDomain.NONE)


class Rate(Element):
    """``<inbound average='1000' peak='5000' burst='1024' floor='200'/>``, in KiB and KiB/s."""

    average: int | None = attribute(_RATE)
    peak: int | None = attribute(_RATE)
    floor: int | None = attribute(_RATE)
    burst: int | None = attribute(_RATE)


class VlanTag(Element):
    """``<tag id='42' nativeMode='untagged'/>``."""

    id: int | None = attribute(UINT, required=True)
    native_mode: str | None = attribute(choice("tagged", "untagged"), "nativeMode")


class Vlan(Element):
    """``<vlan trunk='yes'>``: the VLANs of a port."""

    trunk: bool | None = attribute(answering(YES_NO, XmlError, ErrorDomain.NONE))
    tags: list[VlanTag] = children(VlanTag, "tag")


class PortOptions(Element):
    """``<port isolated='yes'/>``: guests on isolated ports do not reach each other."""

    isolated: bool | None = attribute(YES_NO)
