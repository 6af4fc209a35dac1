# SPDX-License-Identifier: Apache-2.0
"""``<memballoon>``: memory that the guest gives back."""

from __future__ import annotations

from virloom.model.domain.devices.device import Device, VirtioOptions
from virloom.xml.element import Element
from virloom.xml.fields import attribute, group
from virloom.xml.kinds import ON_OFF, UINT_ANY_BASE, choice


class BalloonStats(Element):
    """``<stats period='10'/>``, in seconds."""

    period: int | None = attribute(UINT_ANY_BASE)


class Memballoon(Device):
    """``<memballoon model='virtio'>``."""

    tag = "memballoon"
    schema_path = "domain/devices/memballoon"

    model: str | None = attribute(
        choice("virtio", "xen", "none", "virtio-transitional", "virtio-non-transitional")
    )
    autodeflate: bool | None = attribute(ON_OFF)
    free_page_reporting: bool | None = attribute(ON_OFF, "freePageReporting")
    stats: BalloonStats = group(BalloonStats)
    driver: VirtioOptions = group(VirtioOptions, order=200)
