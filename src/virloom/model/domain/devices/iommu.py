# SPDX-License-Identifier: Apache-2.0
"""``<iommu>``: what translates the addresses of the guest's devices."""

from __future__ import annotations

from virloom.model.domain.devices.device import Device
from virloom.xml.element import Element
from virloom.xml.fields import attribute, group
from virloom.xml.kinds import ON_OFF, UINT, choice


class IommuDriver(Element):
    """``<driver intremap='on' caching_mode='on' eim='on' iotlb='on' aw_bits='48'/>``."""

    intremap: bool | None = attribute(ON_OFF)
    caching_mode: bool | None = attribute(ON_OFF)
    eim: bool | None = attribute(ON_OFF)
    iotlb: bool | None = attribute(ON_OFF)
    aw_bits: int | None = attribute(UINT)


class Iommu(Device):
    """``<iommu model='intel'>``."""

    tag = "iommu"
    schema_path = "domain/devices/iommu"

    model: str | None = attribute(choice("intel", "smmuv3", "virtio"))
    driver: IommuDriver = group(IommuDriver)
