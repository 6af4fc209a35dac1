# SPDX-License-Identifier: Apache-2.0
"""``<hostdev>``: a device of the host that the guest gets."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Self

from virloom.enums.error import ErrorDomain
from virloom.errors import InvalidArg
from virloom.model.domain.devices.address import Zpci
from virloom.model.domain.devices.device import BOOT, ROM, Boot, Device, Rom
from virloom.model.domain.devices.interface_parts import Route
from virloom.model.domain.devices.storage import Auth
from virloom.xml.element import Element
from virloom.xml.fields import attribute, child, children, flag, group, leaf
from virloom.xml.format import FormatFlags
from virloom.xml.kinds import (
    ON_OFF,
    STRING,
    UINT,
    UUID,
    YES_NO,
    Kind,
    answering,
    bounded_base0,
    choice,
    hexadecimal,
    lenient,
    option,
)

_FORMS: dict[str, dict[str, tuple[str, int]]] = {
    "pci": {
        "domain": ("0x{:04x}", 0xFFFFFFFF),
        "bus": ("0x{:02x}", 0xFFFFFFFF),
        "slot": ("0x{:02x}", 0xFFFFFFFF),
        "function": ("0x{:01x}", 0xFFFFFFFF),
    },
    "usb": {"bus": ("{}", 0xFFFFFFFF), "device": ("{}", 0xFFFFFFFF)},
    "scsi": {
        "bus": ("{}", 0xFFFFFFFF),
        "target": ("{}", 0xFFFFFFFF),
        "unit": ("{}", 0xFFFFFFFFFFFFFFFF),
    },
}


def _uuid_or_text(text: str) -> str:
    try:
        return UUID.parse(text) if UUID.parse is not None else text
    except ValueError:
        return text  # it may be no mediated device's; whoever checks that says so


_UUID_OR_TEXT: Kind[str] = Kind(_uuid_or_text)


class SourceAddress(Element):
    """``<address bus='6' slot='2'/>``: where the host has it; ``kind`` tells which fields count."""

    kind: str = "pci"
    domain: int | None = attribute(UINT)
    bus: int | None = attribute(UINT)
    slot: int | None = attribute(UINT)
    function: int | None = attribute(UINT)
    device: int | None = attribute(UINT)
    target: int | None = attribute(UINT)
    unit: int | None = attribute(UINT)
    uuid: str | None = attribute(_UUID_OR_TEXT)
    zpci: Zpci | None = child(Zpci)

    def take_attributes(self, attributes: dict[str, str]) -> dict[str, str]:
        """The numbers, decimal or with ``0x``; which ones are there tells the kind."""
        if "uuid" in attributes:
            self.kind = "mdev"
            return {"uuid": attributes["uuid"]}
        self.kind = "pci"
        if "device" in attributes:
            self.kind = "usb"
        elif "target" in attributes or "unit" in attributes:
            self.kind = "scsi"
        for name, (_, top) in _FORMS[self.kind].items():
            if name in attributes:
                try:
                    setattr(self, name, bounded_base0(top)(attributes[name]))
                except ValueError as error:
                    raise ValueError(name, str(error)) from None
        return {}

    @property
    def is_place(self) -> bool:
        """Whether a USB device can be there: libvirt 9 takes a 0 for nothing."""
        return bool(self.bus or self.device)

    def attribute_texts(self, flags: FormatFlags) -> Iterator[tuple[str, str]]:
        """In libvirt's order and bases."""
        if self.kind == "mdev":
            yield "uuid", self.uuid or ""
            return
        for name, (form, _) in _FORMS[self.kind].items():
            yield name, form.format(getattr(self, name) or 0)


class UsbId(Element):
    """``<vendor id='0x1234'/>``."""

    id: int | None = attribute(hexadecimal(4))


class Adapter(Element):
    """``<adapter name='scsi_host0'/>``."""

    name: str | None = attribute(STRING)


class HostdevHost(Element):
    """``<host name='example.com' port='3260'/>`` of an iSCSI portal."""

    name: str | None = attribute(STRING)
    port: int | None = attribute(answering(UINT, InvalidArg, ErrorDomain.NONE))


class InitiatorName(Element):
    """``<iqn name='…'/>``."""

    name: str | None = attribute(STRING)


class HostdevInitiator(Element):
    """``<initiator>``: as whom an iSCSI target is asked."""

    iqn: InitiatorName = group(InitiatorName)


class HostdevSource(Element):
    """``<source>``: which device it is; the fields that count follow ``hostdev.type``."""

    startup_policy: str | None = attribute(
        choice("mandatory", "requisite", "optional"), "startupPolicy"
    )
    guest_reset: str | None = attribute(choice("off", "uninitialized", "on"), "guestReset")
    missing: bool | None = attribute(YES_NO, live=True)
    write_filtering: bool | None = attribute(YES_NO, "writeFiltering")
    protocol: str | None = attribute(option("adapter", "iscsi", "none", "vhost"))
    name: str | None = attribute(STRING)
    wwpn: str | None = attribute(STRING)
    vendor: UsbId | None = child(UsbId)
    product: UsbId | None = child(UsbId)
    adapter: Adapter | None = child(Adapter)
    address: SourceAddress | None = child(SourceAddress)
    hosts: list[HostdevHost] = children(HostdevHost, "host")
    auth: Auth | None = child(Auth)
    initiator: HostdevInitiator = group(HostdevInitiator)
    block: str | None = leaf(STRING)
    char: str | None = leaf(STRING)
    interface: str | None = leaf(STRING)


class HostdevDriver(Element):
    """``<driver name='vfio'/>``; ``model`` names a vendor's variant of it."""

    name: str | None = attribute(choice("kvm", "vfio", "xen"))
    model: str | None = attribute(STRING, since="10.0.0")
    iommufd: bool | None = attribute(YES_NO, since="12.0.0")


class HostdevIp(Element):
    """``<ip address='192.168.122.2' family='ipv4' prefix='24' peer='…'/>`` of a container."""

    address: str | None = attribute(STRING)
    family: str | None = attribute(STRING)
    prefix: int | None = attribute(UINT)
    peer: str | None = attribute(STRING)


class Teaming(Element):
    """``<teaming type='transient' persistent='ua-…'/>``: the fast path beside a virtio card."""

    type: str | None = attribute(choice("persistent", "transient"))
    persistent: str | None = attribute(STRING)


class Hostdev(Device):
    """``<hostdev mode='subsystem' type='pci' managed='yes'>``."""

    tag = "hostdev"
    schema_path = "domain/devices/hostdev"

    mode: str | None = attribute(option("subsystem", "capabilities"))
    type: str | None = attribute(
        option("usb", "pci", "scsi", "scsi_host", "mdev", "storage", "misc", "net")
    )
    managed: bool | None = attribute(lenient(YES_NO))
    sgio: str | None = attribute(choice("filtered", "unfiltered"))
    rawio: bool | None = attribute(YES_NO)
    model: str | None = attribute(STRING)
    display: bool | None = attribute(ON_OFF)
    ramfb: bool | None = attribute(ON_OFF)
    driver: HostdevDriver = group(HostdevDriver)
    source: HostdevSource = group(HostdevSource)
    ips: list[HostdevIp] = children(HostdevIp, "ip")
    routes: list[Route] = children(Route, "route")
    teaming: Teaming | None = child(Teaming)
    readonly: bool = flag(order=BOOT - 2)
    shareable: bool = flag(order=BOOT - 1)
    boot: Boot | None = child(Boot, order=BOOT)
    rom: Rom = group(Rom, order=ROM)

    def complete(self) -> None:
        """The first logical unit of an iSCSI target is meant where none is named."""
        if "source" not in self.__dict__:
            return  # whoever checks it says so
        source = self.source
        if source.protocol == "iscsi" and source.name is not None and "/" not in source.name:
            source.name += "/0"

    def adapted(self, flags: FormatFlags) -> Self:
        """Without what the type of the device does not have."""
        shown = super().adapted(flags)
        if self.type != "scsi" and (self.readonly or self.shareable):
            shown = shown.beside(readonly=False, shareable=False)
        if self.type != "pci" and self.driver.name is not None:
            shown = shown.beside(driver=self.driver.beside(name=None))
        source = self.source
        if self.type != "usb" and (source.startup_policy or source.guest_reset):
            shown = shown.beside(source=source.beside(startup_policy=None, guest_reset=None))
        if self.type == "usb" and source.address is not None and not source.address.is_place:
            shown = shown.beside(source=source.beside(address=None))
        return shown
