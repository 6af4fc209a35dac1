# SPDX-License-Identifier: Apache-2.0
"""``<vsock>``: sockets between guest and host without a network."""

from __future__ import annotations

from virloom.model.domain.devices.device import Device, VirtioOptions
from virloom.xml.element import Element
from virloom.xml.fields import attribute, group
from virloom.xml.kinds import UINT_POSITIVE, YES_NO, choice


class Cid(Element):
    """``<cid auto='no' address='3'/>``: the guest's address."""

    auto: bool | None = attribute(YES_NO)
    address: int | None = attribute(UINT_POSITIVE)


class Vsock(Device):
    """``<vsock model='virtio'>``."""

    tag = "vsock"
    schema_path = "domain/devices/vsock"

    model: str | None = attribute(
        choice("virtio", "virtio-transitional", "virtio-non-transitional")
    )
    cid: Cid = group(Cid)
    driver: VirtioOptions = group(VirtioOptions, order=200)
