# SPDX-License-Identifier: Apache-2.0
"""Checks of devices of the host."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping

from virloom.drivers.qemu.devices.passed import as_hostdev, functions
from virloom.drivers.qemu.validate.disk_sources import SECRETS, check_auth
from virloom.enums.error import ErrorDomain
from virloom.errors import ConfigUnsupported, InternalError, VirloomError, XmlError
from virloom.model.domain import Domain, Hostdev, HostdevSource

_MODELS = {
    "mdev": ("vfio-pci", "vfio-ccw", "vfio-ap"),
    "scsi_host": ("virtio", "virtio-transitional", "virtio-non-transitional"),
}
_CAPABILITIES = ("storage", "misc", "net")
_WWPN = re.compile(r"naa\.[0-9a-fA-F]{16}")
_UUID = re.compile(r"[0-9a-fA-F]{8}-?([0-9a-fA-F]{4}-?){3}[0-9a-fA-F]{12}")
# Whether a port of virtio-serial exists is looked at by somebody else, and it does not.
_PCI_ADDRESSES = (None, "pci", "unassigned", "virtio-serial")
_PCI_TOPS = {"bus": 0xFF, "slot": 0x1F, "function": 7}
_ADDRESSES = {"usb": "usb", "scsi": "drive"}
#: The greatest numbers that a SCSI controller of QEMU has (its ``virtio-scsi``).
_LAST_TARGET, _LAST_UNIT = 255, 16383


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
        for error in (*mistakes(hostdev), *misuses(hostdev)):
            error.detail = f"host device {number}: {error.detail}"
            raise error
        identity = _identity(hostdev)
        if identity is not None and identity in seen:
            raise XmlError(
                f"host device {number} is in the document twice", domain=ErrorDomain.DOMAIN
            )
        seen.add(identity)


def mistakes(hostdev: Hostdev) -> list[VirloomError]:
    """What is wrong with a document by itself, also of a device that is taken out."""
    known: tuple[str | None, ...] = ("usb", "pci", "scsi", "scsi_host", "mdev")
    if hostdev.mode == "capabilities":
        known = _CAPABILITIES
    if hostdev.type is None:
        return [_xml("it has no type")]
    if hostdev.type not in known:
        return [_unsupported(f"there is no type '{hostdev.type}' in its mode")]
    if "source" not in hostdev.__dict__:
        return [_xml("it has no <source>")]
    return [
        *_misplaced_attributes(hostdev),
        *_SOURCES[hostdev.type](hostdev),
        *_parts(hostdev),
    ]


def _xml(text: str, domain: ErrorDomain = ErrorDomain.DOMAIN) -> VirloomError:
    return XmlError(text, domain=domain)


def _unsupported(text: str, domain: ErrorDomain = ErrorDomain.DOMAIN) -> VirloomError:
    return ConfigUnsupported(text, domain=domain)


def _misplaced_attributes(hostdev: Hostdev) -> Iterator[VirloomError]:
    if hostdev.type != "scsi" and hostdev.sgio is not None:
        yield _xml("sgio is for SCSI devices only")
    if hostdev.type != "scsi" and hostdev.rawio is not None:
        yield _xml("rawio is for SCSI devices only")
    models = _MODELS.get(hostdev.type or "")
    if hostdev.model is not None and models is None:
        yield _xml("only mediated devices and SCSI hosts have a model")
    named = hostdev.model is not None or hostdev.type == "mdev"
    if models is not None and named and hostdev.model not in models:
        yield _xml(f"'{hostdev.model}' is no model of type '{hostdev.type}'", ErrorDomain.XML)
    if hostdev.type != "usb" and hostdev.source.startup_policy is not None:
        yield _unsupported("only USB devices have a startupPolicy")


def _parts(hostdev: Hostdev) -> Iterator[VirloomError]:
    """What is beside the source."""
    rom, kind = hostdev.rom, hostdev.address.type if hostdev.address is not None else None
    if rom.enabled is False and (rom.file or rom.bar is not None):
        yield _unsupported("its ROM is off, and has a file or a bar")
    if hostdev.boot is not None and hostdev.boot.order == 0:
        yield _xml("boot order counts from 1", ErrorDomain.XML)
    if hostdev.type == "mdev" and hostdev.model == "vfio-pci" and kind not in _PCI_ADDRESSES:
        yield _xml(f"a mediated device of PCI cannot have an address of type '{kind}'")


def _missing(found: Iterable[object], what: str) -> list[VirloomError]:
    """An error where one of the attributes is not there."""
    return [_xml(f"{what} is incomplete", ErrorDomain.XML)] if None in found else []


def _usb_source(hostdev: Hostdev) -> Iterator[VirloomError]:
    source = hostdev.source
    for found in (source.vendor, source.product):
        if found is not None and not found.id:
            yield _xml("a USB vendor or product is 0, or not said", ErrorDomain.XML)
    if (source.vendor is None) != (source.product is None):
        missing = "product" if source.product is None else "vendor"
        yield InternalError(f"it has no {missing}", domain=ErrorDomain.DOMAIN)
    place = source.address
    if place is not None:
        yield from _missing((place.bus, place.device), "its USB address")


def _pci_source(hostdev: Hostdev) -> Iterator[VirloomError]:
    place = hostdev.source.address
    for name, top in _PCI_TOPS.items() if place is not None else ():
        if (getattr(place, name) or 0) > top:
            yield _xml(f"{name} of its PCI address is beyond {top:#x}", ErrorDomain.NONE)


def _scsi_source(hostdev: Hostdev) -> Iterator[VirloomError]:
    source = hostdev.source
    if source.protocol == "iscsi":
        yield from _iscsi_source(source)
        return
    if source.address is None:
        yield _xml("its SCSI source has no address")
    else:
        place = source.address
        yield from _missing((place.bus, place.target, place.unit), "its SCSI address")
    if source.adapter is None or not source.adapter.name:
        yield _xml("its SCSI source has no adapter")


def _iscsi_source(source: HostdevSource) -> Iterator[VirloomError]:
    if source.name is None:
        yield _xml("its iSCSI source has no name")
    if not source.hosts or not all(host.name for host in source.hosts):
        yield _xml("its iSCSI source has no host, or one without a name")
    if len(source.hosts) > 1:
        yield _xml("its iSCSI source has two hosts")
    if source.auth is not None:
        yield from check_auth(source.auth, "its iSCSI source")
        secret = source.auth.secret
        said = f"its iSCSI source has a secret of type '{secret.type or ''}'"
        if secret.type not in SECRETS:
            yield _unsupported(said)
        if secret.type != "iscsi":
            yield InternalError(said, domain=ErrorDomain.DOMAIN)


def _scsi_host_source(hostdev: Hostdev) -> Iterator[VirloomError]:
    source = hostdev.source
    if source.protocol is None:
        yield _xml("its SCSI host has no protocol")
    elif source.protocol != "vhost":
        yield _unsupported(f"there are no SCSI hosts by protocol '{source.protocol}'")
    if not source.wwpn:
        yield _xml("its SCSI host has no wwpn")
    elif not _WWPN.fullmatch(source.wwpn):
        yield _xml(f"'{source.wwpn}' is no wwpn")


def _mdev_source(hostdev: Hostdev) -> Iterator[VirloomError]:
    address = hostdev.source.address
    if address is None or address.uuid is None:
        yield _unsupported("it has no UUID")
    elif not _UUID.fullmatch(address.uuid):
        yield InternalError(f"'{address.uuid}' is no UUID", domain=ErrorDomain.DOMAIN)


def _container_source(hostdev: Hostdev) -> Iterator[VirloomError]:
    source = hostdev.source
    found = {"storage": source.block, "misc": source.char, "net": source.interface}
    if not found[hostdev.type or ""]:
        yield _xml("its source does not say which device")


_SOURCES: Mapping[str, Callable[[Hostdev], Iterator[VirloomError]]] = {
    "usb": _usb_source,
    "pci": _pci_source,
    "scsi": _scsi_source,
    "scsi_host": _scsi_host_source,
    "mdev": _mdev_source,
    **dict.fromkeys(_CAPABILITIES, _container_source),
}


def misuses(hostdev: Hostdev) -> Iterator[VirloomError]:
    """What no guest has like this; of a device that is taken out nobody asks."""
    kind = hostdev.address.type if hostdev.address is not None else None
    wanted = _ADDRESSES.get(hostdev.type or "")
    if kind is not None and wanted is not None and kind not in (wanted, "unassigned"):
        yield _unsupported(f"it cannot have an address of type '{kind}', but of '{wanted}'")
    if hostdev.type == "pci" and kind is not None and kind not in _PCI_ADDRESSES:
        text = f"a PCI host device cannot have an address of type '{kind}'"
        yield InternalError(text, domain=ErrorDomain.DOMAIN)
    if hostdev.sgio == "unfiltered":
        yield _unsupported("kernels filter all commands to SCSI devices: sgio='unfiltered' is gone")
    if hostdev.type == "scsi" and hostdev.address is not None and hostdev.address.bus:
        yield InternalError("a SCSI controller has bus 0 alone", domain=ErrorDomain.QEMU)
    yield from _teaming(hostdev)


def _teaming(hostdev: Hostdev) -> Iterator[VirloomError]:
    if hostdev.teaming is None:
        return
    if hostdev.type != "pci":
        yield _unsupported("only PCI devices can be in a team")
    if hostdev.teaming.type == "persistent":
        yield _unsupported("the card of the host is the transient one of a team")
    if not hostdev.teaming.persistent:
        yield _unsupported("its team has no persistent card")


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
            return ("usb", place)
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
        check_usable(hostdev)
        wrong = _not_in(dom, hostdev)
        if wrong:
            raise ConfigUnsupported(wrong, domain=ErrorDomain.QEMU)


def check_usable(hostdev: Hostdev) -> None:
    """The part of it that does not depend on the guest.

    Raises:
        ConfigUnsupported: Nobody passes such a device on.
    """
    wrong = _not_passed_on(hostdev)
    if wrong:
        raise ConfigUnsupported(wrong, domain=ErrorDomain.QEMU)


def _not_passed_on(hostdev: Hostdev) -> str:
    boots = hostdev.boot is not None and bool(hostdev.boot.order)
    if hostdev.mode == "capabilities":
        return "host devices of mode 'capabilities' are for containers"
    if hostdev.type == "scsi_host" and boots:
        return "a guest cannot boot from a SCSI host of the kernel's target"
    if hostdev.type == "pci" and hostdev.source.write_filtering is not None:
        return "write filtering of a PCI device's configuration space is not QEMU's"
    if hostdev.type == "mdev" and hostdev.model != "vfio-pci":
        return f"this machine has no mediated devices of model '{hostdev.model}'"
    if hostdev.type == "mdev" and boots:
        return "a guest cannot boot from a mediated device"
    return ""


def _not_in(dom: Domain, hostdev: Hostdev) -> str:
    """What is wrong with a device in its place."""
    rom, place = hostdev.rom, hostdev.address
    has_rom = rom.bar is not None or rom.file or rom.enabled is not None
    if hostdev.type not in ("pci", "mdev") and has_rom:
        return "only PCI host devices have a ROM"
    target, unit = (place.target or 0, place.unit or 0) if place is not None else (0, 0)
    if hostdev.type == "scsi" and (target > _LAST_TARGET or unit > _LAST_UNIT):
        return f"targets of SCSI end with {_LAST_TARGET}, units with {_LAST_UNIT}"
    if hostdev.type == "mdev" and hostdev.display and not dom.devices.graphics:
        return "a mediated device with display='on' needs graphics"
    return ""
