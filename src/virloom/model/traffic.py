# SPDX-License-Identifier: Apache-2.0
"""What a guest's interface and a virtual network say alike of traffic: rates, VLANs, isolation."""

from __future__ import annotations

from virloom.xml.element import Element
from virloom.xml.fields import attribute, children
from virloom.xml.kinds import UINT, YES_NO, choice


class Rate(Element):
    """``<inbound average='1000' peak='5000' burst='1024' floor='200'/>``, in KiB and KiB/s."""

    average: int | None = attribute(UINT)
    peak: int | None = attribute(UINT)
    floor: int | None = attribute(UINT)
    burst: int | None = attribute(UINT)


class VlanTag(Element):
    """``<tag id='42' nativeMode='untagged'/>``."""

    id: int | None = attribute(UINT)
    native_mode: str | None = attribute(choice("tagged", "untagged"), "nativeMode")


class Vlan(Element):
    """``<vlan trunk='yes'>``: the VLANs of a port."""

    trunk: bool | None = attribute(YES_NO)
    tags: list[VlanTag] = children(VlanTag, "tag")


class PortOptions(Element):
    """``<port isolated='yes'/>``: guests on isolated ports do not reach each other."""

    isolated: bool | None = attribute(YES_NO)
