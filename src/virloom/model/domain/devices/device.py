# SPDX-License-Identifier: Apache-2.0
"""What every device has: alias, address, boot order and option ROM."""

from __future__ import annotations

from typing import Self

from virloom.enums.error import ErrorDomain
from virloom.model.domain.base import DomainElement
from virloom.model.domain.devices.address import Address
from virloom.xml.element import Element
from virloom.xml.fields import attribute, child, group
from virloom.xml.format import FormatFlags
from virloom.xml.kinds import ON_OFF, STRING, UINT, UINT_POSITIVE, YES_NO, answering

# libvirt writes these after everything else of the device.
BOOT, ALIAS, MASTER, ROM, ACPI, ADDRESS = range(100, 106)


class Alias(Element):
    """``<alias name='virtio-disk0'/>``: the device's id in QEMU; ``ua-`` ones are the user's."""

    name: str | None = attribute(STRING)

    @property
    def is_users(self) -> bool:
        """Whether the user chose it; others are of one run of the guest."""
        return (self.name or "").startswith("ua-")


class Boot(Element):
    """``<boot order='1'/>``: the device's place in the firmware's order, from 1."""

    order: int | None = attribute(UINT, required=True)
    loadparm: str | None = attribute(STRING)


class Rom(Element):
    """``<rom bar='on' file='…'/>`` of a PCI device."""

    enabled: bool | None = attribute(YES_NO)
    bar: bool | None = attribute(ON_OFF)
    file: str | None = attribute(STRING)


class Acpi(Element):
    """``<acpi index='1'/>``: the number that a guest's firmware tells of the device."""

    index: int | None = attribute(answering(UINT_POSITIVE, domain=ErrorDomain.XML))


class Device(DomainElement):
    """Base of all devices with an address in the guest."""

    alias: Alias | None = child(Alias, order=ALIAS)
    acpi: Acpi = group(Acpi, order=ACPI)
    address: Address | None = child(Address, order=ADDRESS)

    def adapted(self, flags: FormatFlags) -> Self:
        """Without an alias that we gave, where only the configuration is asked for."""
        alias = self.alias
        if alias is not None and flags & FormatFlags.INACTIVE and not alias.is_users:
            return self.beside(alias=None)
        return self


class VirtioOptions(Element):
    """``<driver iommu='on' ats='on' packed='on' page_per_vq='on'/>`` of a virtio device."""

    iommu: bool | None = attribute(ON_OFF, order=50)
    ats: bool | None = attribute(ON_OFF, order=51)
    packed: bool | None = attribute(ON_OFF, order=52)
    page_per_vq: bool | None = attribute(ON_OFF, order=53)
