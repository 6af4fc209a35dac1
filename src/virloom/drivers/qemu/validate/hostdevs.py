# SPDX-License-Identifier: Apache-2.0
"""Checks of devices of the host."""

from __future__ import annotations

import re

from virloom.drivers.qemu.devices.passed import as_hostdev, functions
from virloom.enums.error import ErrorDomain
from virloom.errors import ConfigUnsupported, InternalError, VirloomError, XmlError
from virloom.model.domain import Domain, Hostdev, HostdevSource

_MDEV_MODELS = ("vfio-pci", "vfio-ccw", "vfio-ap")
_CAPABILITIES = ("storage", "misc", "net")
_WWPN = re.compile(r"naa\.[0-9a-fA-F]{16}")
_UUID = re.compile(r"[0-9a-fA-F]{8}-?([0-9a-fA-F]{4}-?){3}[0-9a-fA-F]{12}")
# Whether a port of virtio-serial exists is looked at by somebody else, and it does not.
_PCI_ADDRESSES = ("pci", "unassigned", "virtio-serial")


def check_given_hostdevs(dom: Domain) -> None:
    """What each document has to say of a device, and what no device of its type has.

    Raises:
        VirloomError: With libvirt's code for the mistake.
    """
    seen: set[object] = set()
    for card in functions(dom):
        identity = _identity(as_hostdev(card))
        if identity is not None and identity in seen:
            raise XmlError(
                f"interface {card.mac.address}: its device of the host is in the document twice",
                domain=ErrorDomain.DOMAIN,
            )
        seen.add(identity)
    for number, hostdev in enumerate(dom.devices.hostdevs, 1):
        for error in _mistakes(hostdev):
            error.detail = f"host device {number}: {error.detail}"
            raise error
        identity = _identity(hostdev)
        if identity is not None and identity in seen:
            raise XmlError(
                f"host device {number} is in the document twice", domain=ErrorDomain.DOMAIN
            )
        seen.add(identity)


def _mistakes(hostdev: Hostdev) -> list[VirloomError]:
    """At most the first mistake."""
    known: tuple[str | None, ...] = ("usb", "pci", "scsi", "scsi_host", "mdev")
    if hostdev.mode == "capabilities":
        known = _CAPABILITIES
    if hostdev.type is None:
        return [_xml("it has no type")]
    if hostdev.type not in known:
        return [_unsupported(f"there is no type '{hostdev.type}' in its mode")]
    if "source" not in hostdev.__dict__:
        return [_xml("it has no <source>")]
    kind = hostdev.address.type if hostdev.address is not None else None
    if hostdev.type == "pci" and kind is not None and kind not in _PCI_ADDRESSES:
        text = f"a PCI host device cannot have an address of type '{kind}'"
        return [InternalError(text, domain=ErrorDomain.DOMAIN)]
    return (
        _misplaced_attributes(hostdev)
        or _SOURCES.get(hostdev.type, lambda _: [])(hostdev)
        or _teaming(hostdev)
    )[:1]


def _xml(text: str, domain: ErrorDomain = ErrorDomain.DOMAIN) -> VirloomError:
    return XmlError(text, domain=domain)


def _unsupported(text: str) -> VirloomError:
    return ConfigUnsupported(text, domain=ErrorDomain.DOMAIN)


def _misplaced_attributes(hostdev: Hostdev) -> list[VirloomError]:
    found = []
    if hostdev.type not in ("scsi",) and hostdev.sgio is not None:
        found.append(_xml("sgio is for SCSI devices only"))
    if hostdev.type not in ("scsi",) and hostdev.rawio is not None:
        found.append(_xml("rawio is for SCSI devices only"))
    if hostdev.type not in ("mdev", "scsi_host") and hostdev.model is not None:
        found.append(_xml("only mediated devices and SCSI hosts have a model"))
    return found


def _teaming(hostdev: Hostdev) -> list[VirloomError]:
    if hostdev.teaming is None:
        return []
    if hostdev.type != "pci":
        return [_unsupported("only PCI devices can be in a team")]
    if hostdev.teaming.type == "transient" and not hostdev.teaming.persistent:
        return [_unsupported("its team has no persistent card")]
    return []


def _usb_source(hostdev: Hostdev) -> list[VirloomError]:
    source = hostdev.source
    for found in (source.vendor, source.product):
        if found is not None and found.id == 0:
            return [_xml("a USB vendor or product is 0", ErrorDomain.XML)]
    if (source.vendor is None) != (source.product is None):
        missing = "product" if source.product is None else "vendor"
        return [InternalError(f"it has no {missing}", domain=ErrorDomain.DOMAIN)]
    return []


def _scsi_source(hostdev: Hostdev) -> list[VirloomError]:
    source = hostdev.source
    if source.protocol == "iscsi":
        if not source.name:
            return [_xml("its iSCSI source has no name")]
        if not source.hosts:
            return [_xml("its iSCSI source has no host")]
        return [_xml("its iSCSI source has two hosts")] if len(source.hosts) > 1 else []
    if source.address is None:
        return [_xml("its SCSI source has no address")]
    if source.adapter is None or not source.adapter.name:
        return [_xml("its SCSI source has no adapter")]
    return []


def _scsi_host_source(hostdev: Hostdev) -> list[VirloomError]:
    source = hostdev.source
    if source.protocol is None:
        return [_xml("its SCSI host has no protocol")]
    if not source.wwpn:
        return [_xml("its SCSI host has no wwpn")]
    return [] if _WWPN.fullmatch(source.wwpn) else [_xml(f"'{source.wwpn}' is no wwpn")]


def _mdev_source(hostdev: Hostdev) -> list[VirloomError]:
    if hostdev.model not in _MDEV_MODELS:
        return [_xml(f"'{hostdev.model}' is no model of mediated devices", ErrorDomain.XML)]
    address = hostdev.source.address
    if address is None or not address.uuid:
        return [_unsupported("it has no UUID")]
    if not _UUID.fullmatch(address.uuid):
        return [InternalError(f"'{address.uuid}' is no UUID", domain=ErrorDomain.DOMAIN)]
    return []


_SOURCES = {
    "usb": _usb_source,
    "scsi": _scsi_source,
    "scsi_host": _scsi_host_source,
    "mdev": _mdev_source,
}


def _identity(hostdev: Hostdev) -> object:
    """What tells a device of the host from all others; None where the document does not."""
    source: HostdevSource = hostdev.source
    address = source.address
    place = None
    if address is not None:
        numbers = (address.domain, address.bus, address.slot, address.function, address.device)
        place = tuple(n or 0 for n in (*numbers, address.target, address.unit)), address.uuid
    match hostdev.type:
        case "pci" | "mdev":
            return (hostdev.type, place) if place is not None else None
        case "usb" if source.vendor is not None and source.product is not None:
            return ("usb", source.vendor.id, source.product.id, place)
        case "usb":
            return ("usb", place) if place is not None else None
        case "scsi" if source.protocol == "iscsi":
            return ("iscsi", source.name, source.hosts[0].name, source.hosts[0].port)
        case "scsi":
            return ("scsi", source.adapter.name if source.adapter is not None else None, place)
        case "scsi_host":
            return ("scsi_host", source.wwpn)
    return None


def check_hostdevs(dom: Domain) -> None:
    """What QEMU's driver does not pass on, or not like this.

    Raises:
        VirloomError: With libvirt's code for the mistake.
    """
    for hostdev in dom.devices.hostdevs:
        wrong = _not_passed_on(dom, hostdev)
        if wrong:
            raise ConfigUnsupported(wrong, domain=ErrorDomain.QEMU)


def _not_passed_on(dom: Domain, hostdev: Hostdev) -> str:
    if hostdev.mode == "capabilities":
        return "host devices of mode 'capabilities' are for containers"
    rom = hostdev.rom
    if hostdev.type != "pci" and (rom.bar is not None or rom.file or rom.enabled is not None):
        return "only PCI host devices have a ROM"
    if hostdev.type == "pci" and hostdev.source.write_filtering is not None:
        return "write filtering of a PCI device's configuration space is not QEMU's"
    if hostdev.type == "mdev":
        if hostdev.model != "vfio-pci":
            return f"this machine has no mediated devices of model '{hostdev.model}'"
        if hostdev.boot is not None and hostdev.boot.order:
            return "a guest cannot boot from a mediated device"
        if hostdev.display and not dom.devices.graphics:
            return "a mediated device with display='on' needs graphics"
    return ""
