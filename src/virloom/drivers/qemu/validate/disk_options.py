# SPDX-License-Identifier: Apache-2.0
"""Checks of what a disk asks for beside its source: options of driver, bus and throttling."""

from __future__ import annotations

from collections.abc import Iterator

from virloom.drivers.qemu.iothreads import iothread_ids
from virloom.drivers.qemu.validate.shared_memory import shares_memory
from virloom.enums.error import ErrorDomain
from virloom.errors import ArgumentUnsupported, ConfigUnsupported, InternalError, XmlError
from virloom.model.domain import Disk, Domain, IoTune

_UNITS = ("bytes", "iops")
_LARGEST_LIMIT = 1_000_000_000_000_000
_IOTUNE = [
    f"{who}_{unit}_sec{kind}"
    for unit in _UNITS
    for who in ("total", "read", "write")
    for kind in ("", "_max", "_max_length")
]
_LUN_BUSES = ("virtio", "scsi")
_ROTATING_BUSES = ("ide", "sata", "scsi")
#: Formats that two guests may have open at once.
_SHAREABLE_FORMATS = ("raw",)


def check_given_options(disk: Disk) -> None:
    """Options of a disk as the document has them."""
    name = disk.target.dev
    for message in _given_startup(disk):
        raise XmlError(f"disk '{name}': {message}", domain=ErrorDomain.DOMAIN)
    for message in _printable(disk):
        raise XmlError(f"disk '{name}': {message}", domain=ErrorDomain.DOMAIN)
    for message in _unsupported(disk):
        raise ConfigUnsupported(f"disk '{name}': {message}", domain=ErrorDomain.DOMAIN)
    if disk.type == "vhostuser":
        for message in _vhost_user(disk):
            raise ConfigUnsupported(
                f"vhost-user disk '{name}' {message}", domain=ErrorDomain.DOMAIN
            )
    if disk.target.removable is not None and disk.target.bus != "usb":
        raise XmlError(f"disk '{name}': removable is for USB disks", domain=ErrorDomain.DOMAIN)
    _given_iotune(name, disk.iotune)


def _given_startup(disk: Disk) -> Iterator[str]:
    policy = disk.source.startup_policy
    if policy is None:
        return
    if disk.type == "network":
        yield f"startupPolicy '{policy}' is not for network sources"
    if policy == "requisite" and disk.device not in ("cdrom", "floppy"):
        yield "startupPolicy 'requisite' is for cdrom and floppy"


def _printable(disk: Disk) -> Iterator[str]:
    for what, text, longest in (("vendor", disk.vendor, 8), ("product", disk.product, 16)):
        if text is None:
            continue
        if not (text.isascii() and text.isprintable()):
            yield f"{what} '{text}' has characters that cannot be printed"
        if len(text) > longest:
            raise ConfigUnsupported(
                f"disk {what} '{text}' has more than {longest} characters",
                domain=ErrorDomain.DOMAIN,
            )


def _unsupported(disk: Disk) -> Iterator[str]:
    bus, driver, device = disk.target.bus, disk.driver, disk.device or "disk"
    if disk.target.tray is not None and device not in ("cdrom", "floppy"):
        yield "a tray is for cdrom and floppy"
    if device == "lun" and disk.type not in ("block", "volume") and not _is_iscsi(disk):
        yield "device='lun' has a block device or an iSCSI unit behind it"
    if device != "lun":
        if disk.rawio is not None:
            yield "rawio is for device='lun'"
        if disk.sgio is not None:
            yield "sgio is for device='lun'"
    if disk.sgio == "unfiltered":
        yield "sgio='unfiltered' is gone from the kernel"
    if driver.rerror_policy == "enospace":
        yield "rerror_policy 'enospace': reading never runs out of space"
    if bus is not None and bus != "virtio":
        yield from _virtio_only(disk)


def _is_iscsi(disk: Disk) -> bool:
    return disk.type == "network" and disk.source.protocol == "iscsi"


def _virtio_only(disk: Disk) -> Iterator[str]:
    driver = disk.driver
    given = {
        "model": disk.model,
        "ioeventfd": driver.ioeventfd,
        "event_idx": driver.event_idx,
        "queues": driver.queues,
        "queue_size": driver.queue_size,
        "iommu": driver.iommu,
        "ats": driver.ats,
        "packed": driver.packed,
        "page_per_vq": driver.page_per_vq,
    }
    for what, value in given.items():
        if value is not None:
            yield f"{what} is for bus 'virtio', not '{disk.target.bus}'"


def _vhost_user(disk: Disk) -> Iterator[str]:
    """What the process behind a vhost-user disk is not asked for by QEMU."""
    driver = disk.driver
    if disk.snapshot not in (None, "no"):
        yield f"has snapshot='{disk.snapshot}'; 'no' is all that it can"
    if disk.target.bus not in (None, "virtio"):
        yield f"is on bus '{disk.target.bus}', not on virtio"
    given = {
        "readonly": disk.readonly or None,
        "shareable": disk.shareable or None,
        "transient": disk.transient,
        "serial": disk.serial,
        "wwn": disk.wwn,
        "encryption": disk.encryption,
        "geometry": disk.geometry.cyls,
        "blockio": disk.blockio.logical_block_size or disk.blockio.physical_block_size,
        "cache": driver.cache,
        "io": driver.io,
        "copy_on_read": driver.copy_on_read,
        "discard": driver.discard,
        "detect_zeroes": driver.detect_zeroes,
        "iothread": driver.iothread,
        "error_policy": driver.error_policy,
        "rerror_policy": driver.rerror_policy,
        "iotune": disk.iotune.__dict__ or None,
    }
    yield from (f"has no {what}" for what, value in given.items() if value is not None)


def _given_iotune(name: str | None, tune: IoTune) -> None:
    for unit in _UNITS:
        for kind in ("", "_max", "_max_length"):
            total = getattr(tune, f"total_{unit}_sec{kind}")
            parts = [getattr(tune, f"{way}_{unit}_sec{kind}") for way in ("read", "write")]
            if total and any(parts):
                raise XmlError(
                    f"iotune of disk '{name}': total_{unit}_sec{kind} and its read and write "
                    "parts are alternatives",
                    domain=ErrorDomain.DOMAIN,
                )


def check_options(dom: Domain, disk: Disk) -> None:
    """Options of a completed disk, as QEMU can have them."""
    name = disk.target.dev
    for message in _by_qemu(dom, disk):
        raise ConfigUnsupported(f"disk '{name}': {message}", domain=ErrorDomain.QEMU)
    if disk.target.rotation_rate and disk.target.bus not in _ROTATING_BUSES:
        raise InternalError(
            f"disk '{name}': a rotation rate is for {', '.join(_ROTATING_BUSES)}",
            domain=ErrorDomain.QEMU,
        )
    for limit in _IOTUNE:
        value = getattr(disk.iotune, limit)
        if value is not None and value > _LARGEST_LIMIT:
            raise ArgumentUnsupported(
                f"disk '{name}': {limit} is at most {_LARGEST_LIMIT}", domain=ErrorDomain.QEMU
            )


def _by_qemu(dom: Domain, disk: Disk) -> Iterator[str]:
    bus, driver = disk.target.bus, disk.driver
    if disk.geometry.trans is not None and bus != "ide":
        yield f"a CHS translation is for bus 'ide', not '{bus}'"
    if disk.device == "lun":
        yield from _lun(disk)
    elif (disk.vendor or disk.product) and bus != "scsi":
        yield "vendor and product are for bus 'scsi'"
    if disk.shareable and not disk.readonly and driver.type not in _SHAREABLE_FORMATS:
        yield f"format '{driver.type}' cannot be shared; raw can"
    if driver.copy_on_read and (disk.readonly or disk.device in ("cdrom", "floppy")):
        yield "copy_on_read writes, and the disk is read-only"
    if disk.transient is not None:
        if disk.readonly:
            yield "a transient disk is not read-only"
        elif disk.type != "file":
            yield "a transient disk has type 'file'"
    if disk.type == "vhostuser" and not shares_memory(dom):
        yield "a vhost-user disk needs memory that is shared: <memoryBacking> with <access>"
    yield from _iothread(dom, disk)
    yield from _iotune(disk)


def _lun(disk: Disk) -> Iterator[str]:
    if disk.target.bus not in _LUN_BUSES:
        yield f"device='lun' is for {', '.join(_LUN_BUSES)}, not for bus '{disk.target.bus}'"
    if disk.vendor or disk.product:
        yield "device='lun' has the vendor and product of the unit behind it"
    if disk.wwn:
        yield "device='lun' has the wwn of the unit behind it"


def _iothread(dom: Domain, disk: Disk) -> Iterator[str]:
    number = disk.driver.iothread
    if number is None:
        return
    if disk.target.bus != "virtio":
        yield f"iothreads are for bus 'virtio', not '{disk.target.bus}'"
    if number not in iothread_ids(dom):
        yield f"iothread {number} is not one of the domain's"


def _iotune(disk: Disk) -> Iterator[str]:
    tune = disk.iotune
    limits = [getattr(tune, limit) for limit in _IOTUNE]
    if tune.group_name is not None and not any(limits) and not tune.size_iops_sec:
        yield "group_name of iotune stands beside limits only"


def check_throttle_groups(dom: Domain) -> None:
    """Disks of one throttle group say the same limits."""
    groups: dict[str, Disk] = {}
    for disk in dom.devices.disks:
        name = disk.iotune.group_name
        if name is None:
            continue
        other = groups.setdefault(name, disk)
        names = [*_IOTUNE, "size_iops_sec"]
        if any(getattr(other.iotune, n) != getattr(disk.iotune, n) for n in names):
            raise ConfigUnsupported(
                f"disks '{other.target.dev}' and '{disk.target.dev}' are in throttle group "
                f"'{name}' and have different limits",
                domain=ErrorDomain.QEMU,
            )
