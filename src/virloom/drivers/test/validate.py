# SPDX-License-Identifier: Apache-2.0
"""What is refused in a domain's document."""

from __future__ import annotations

from virloom.drivers.test.cpu_names import ARCHITECTURES
from virloom.enums.error import ErrorDomain
from virloom.errors import ConfigUnsupported, InternalError, NoSource, XmlDetail, XmlError
from virloom.model.domain import Disk, Domain

_OS_TYPES = ("hvm", "xen", "linux", "exe", "xenpvh", "uml")
_DOMAIN = ErrorDomain.DOMAIN


def check_given(model: Domain) -> None:
    """Refuses a document, as it was parsed, that lacks what nobody can fill in.

    Raises:
        XmlError: Something is missing.
        ConfigUnsupported: The operating system or the architecture is unknown.
        VirloomError: Others for which libvirt has a code of its own.
    """
    _check_os(model)
    _check_memory(model)
    if model.vcpu.value == 0:
        raise InternalError(f"domain '{model.name}' has no vCPU", domain=_DOMAIN)
    if model.vcpu.current is not None and model.vcpu.current > (model.vcpu.value or 1):
        raise ConfigUnsupported(
            f"{model.vcpu.current} vCPUs cannot be present of {model.vcpu.value or 1}",
            domain=_DOMAIN,
        )
    for disk in model.devices.disks:
        _check_disk(disk)
    for interface in model.devices.interfaces:
        if interface.type == "network" and interface.source.network is None:
            raise XmlError("interface type='network' requires a 'source' element", domain=_DOMAIN)
    for device in model.devices.inputs:
        if device.bus == "xen" and model.os.type.value == "hvm":
            raise InternalError(f"unsupported input bus {device.bus}", domain=_DOMAIN)


def _check_os(model: Domain) -> None:
    kind = model.os.type
    if not kind.value:
        raise XmlError("an os <type> must be specified", domain=_DOMAIN)
    if kind.value not in _OS_TYPES:
        raise ConfigUnsupported(f"unknown OS type '{kind.value}'", domain=_DOMAIN)
    if kind.arch is not None and kind.arch not in ARCHITECTURES:
        raise ConfigUnsupported(f"Unknown architecture {kind.arch}", domain=_DOMAIN)
    if kind.value == "exe" and model.os.init is None:
        raise XmlError("init binary must be specified", domain=_DOMAIN)


def _check_memory(model: Domain) -> None:
    if not model.memory and not model.numa_cells:
        raise XmlError(
            "Memory size must be specified via <memory> or in the <numa> configuration",
            domain=_DOMAIN,
        )
    if model.devices.memories and not model.numa_cells:
        raise XmlDetail(
            "can't add memory backend as guest has no NUMA nodes configured", domain=_DOMAIN
        )


def _check_disk(disk: Disk) -> None:
    source = disk.source
    removable = disk.device in ("cdrom", "floppy")
    given = (source.file, source.dev, source.dir, source.protocol, source.pool, source.path)
    if not removable and not any(given) and disk.type in (None, "file", "block", "dir"):
        raise NoSource(f"device {disk.target.dev}", domain=_DOMAIN)


def check_completed(model: Domain) -> None:
    """Refuses a completed document whose parts do not go together.

    Raises:
        XmlError: Two disks have the same name.
    """
    seen: set[tuple[str | None, str | None]] = set()
    for disk in model.devices.disks:
        place = disk.target.bus, disk.target.dev
        if place in seen:
            raise XmlError(f"target '{disk.target.dev}' duplicated", domain=_DOMAIN)
        seen.add(place)
