# SPDX-License-Identifier: Apache-2.0
"""``<disk>``: block devices of the guest and what backs them."""

from __future__ import annotations

from virloom.enums.error import ErrorDomain
from virloom.errors import InternalError
from virloom.model.domain.devices.device import BOOT, Boot, Device, VirtioOptions
from virloom.model.domain.devices.disk_source import DiskSource, Named
from virloom.model.domain.devices.storage import Auth, Encryption, MetadataCache
from virloom.xml.element import Element
from virloom.xml.fields import attribute, child, flag, group, itself, leaf
from virloom.xml.kinds import (
    ON_OFF,
    STRING,
    UINT,
    ULONG_OWNED,
    YES_NO,
    Kind,
    answering,
    choice,
    option,
)

#: The schema's ``storageFormat``.
FORMATS = (
    "raw",
    "dir",
    "bochs",
    "cloop",
    "dmg",
    "iso",
    "vpc",
    "vdi",
    "fat",
    "vhd",
    "ploop",
    "cow",
    "qcow",
    "qcow2",
    "qed",
    "vmdk",
)
FORMAT = option(*FORMATS, "aio")
BACKING_FORMAT = choice(*FORMATS)
TYPE = choice("block", "file", "dir", "network", "volume", "nvme", "vhostuser", "vhostvdpa")


def _wwn(text: str) -> str:
    if len(text) != 16 or not all(c in "0123456789abcdefABCDEF" for c in text):
        raise ValueError("16 hexadecimal digits")
    return text


_WWN: Kind[str] = answering(Kind(_wwn), InternalError, ErrorDomain.NONE)


class DiskDriver(VirtioOptions):
    """``<driver name='qemu' type='qcow2' cache='none' io='native' discard='unmap'/>``."""

    name: str | None = attribute(STRING)
    type: str | None = attribute(FORMAT)
    cache: str | None = attribute(
        choice("default", "none", "writethrough", "writeback", "directsync", "unsafe")
    )
    error_policy: str | None = attribute(choice("stop", "report", "ignore", "enospace"))
    rerror_policy: str | None = attribute(choice("stop", "report", "ignore", "enospace"))
    io: str | None = attribute(choice("native", "threads", "io_uring"))
    ioeventfd: bool | None = attribute(ON_OFF)
    event_idx: bool | None = attribute(ON_OFF)
    copy_on_read: bool | None = attribute(ON_OFF)
    discard: str | None = attribute(choice("unmap", "ignore"))
    iothread: int | None = attribute(UINT)
    detect_zeroes: str | None = attribute(choice("off", "on", "unmap"))
    queues: int | None = attribute(UINT)
    queue_size: int | None = attribute(UINT)
    metadata_cache: MetadataCache = group(MetadataCache)


class BackingFormat(Element):
    """``<format type='raw'/>`` of a backing image."""

    type: str | None = attribute(answering(BACKING_FORMAT))
    metadata_cache: MetadataCache = group(MetadataCache)


class BackingStore(Element):
    """``<backingStore>``: the next image of the chain; empty at its end."""

    type: str | None = attribute(answering(TYPE))
    index: int | None = attribute(UINT, live=True)
    format: BackingFormat = group(BackingFormat)
    source: DiskSource = group(DiskSource)
    backing_store: BackingStore | None = itself("backingStore")


class DiskTarget(Element):
    """``<target dev='vda' bus='virtio'/>``: the name within the document, and the bus."""

    dev: str | None = attribute(STRING)
    bus: str | None = attribute(
        choice("ide", "fdc", "scsi", "virtio", "xen", "usb", "uml", "sata", "sd")
    )
    tray: str | None = attribute(choice("closed", "open"))
    removable: bool | None = attribute(ON_OFF)
    rotation_rate: int | None = attribute(UINT)


class Geometry(Element):
    """``<geometry cyls='16383' heads='16' secs='63' trans='lba'/>``."""

    cyls: int | None = attribute(UINT)
    heads: int | None = attribute(UINT)
    secs: int | None = attribute(UINT)
    trans: str | None = attribute(choice("none", "auto", "lba"))


class BlockIo(Element):
    """``<blockio logical_block_size='512' physical_block_size='4096'/>``, in bytes."""

    logical_block_size: int | None = attribute(UINT)
    physical_block_size: int | None = attribute(UINT)
    discard_granularity: int | None = attribute(UINT, since="9.8.0")


class IoTune(Element):
    """``<iotune>``: at most so many bytes and operations in a second."""

    total_bytes_sec: int | None = leaf(ULONG_OWNED)
    read_bytes_sec: int | None = leaf(ULONG_OWNED)
    write_bytes_sec: int | None = leaf(ULONG_OWNED)
    total_iops_sec: int | None = leaf(ULONG_OWNED)
    read_iops_sec: int | None = leaf(ULONG_OWNED)
    write_iops_sec: int | None = leaf(ULONG_OWNED)
    total_bytes_sec_max: int | None = leaf(ULONG_OWNED)
    read_bytes_sec_max: int | None = leaf(ULONG_OWNED)
    write_bytes_sec_max: int | None = leaf(ULONG_OWNED)
    total_iops_sec_max: int | None = leaf(ULONG_OWNED)
    read_iops_sec_max: int | None = leaf(ULONG_OWNED)
    write_iops_sec_max: int | None = leaf(ULONG_OWNED)
    size_iops_sec: int | None = leaf(ULONG_OWNED)
    group_name: str | None = leaf(STRING)
    total_bytes_sec_max_length: int | None = leaf(ULONG_OWNED)
    read_bytes_sec_max_length: int | None = leaf(ULONG_OWNED)
    write_bytes_sec_max_length: int | None = leaf(ULONG_OWNED)
    total_iops_sec_max_length: int | None = leaf(ULONG_OWNED)
    read_iops_sec_max_length: int | None = leaf(ULONG_OWNED)
    write_iops_sec_max_length: int | None = leaf(ULONG_OWNED)


class Transient(Element):
    """``<transient shareBacking='yes'/>``: what the guest writes is gone when it stops."""

    share_backing: bool | None = attribute(YES_NO, "shareBacking")


class Mirror(Element):
    """``<mirror type='file' job='copy' ready='yes'>``: the copy that a running job writes."""

    type: str | None = attribute(TYPE)
    file: str | None = attribute(STRING)
    format_name: str | None = attribute(STRING, "format")
    job: str | None = attribute(STRING)
    ready: str | None = attribute(STRING)
    format: BackingFormat = group(BackingFormat)
    source: DiskSource = group(DiskSource)
    backing_store: BackingStore | None = child(BackingStore, "backingStore")


class Disk(Device):
    """``<disk type='file' device='disk'>``."""

    tag = "disk"
    schema_path = "domain/devices/disk"

    type: str | None = attribute(TYPE)
    device: str | None = attribute(choice("disk", "cdrom", "floppy", "lun"))
    model: str | None = attribute(
        choice("virtio", "virtio-transitional", "virtio-non-transitional")
    )
    rawio: bool | None = attribute(YES_NO)
    sgio: str | None = attribute(choice("filtered", "unfiltered"))
    snapshot: str | None = attribute(choice("no", "internal", "external", "manual"))
    driver: DiskDriver = group(DiskDriver)
    auth: Auth | None = child(Auth)
    source: DiskSource = group(DiskSource)
    backing_store: BackingStore | None = child(BackingStore, "backingStore")
    backenddomain: Named = group(Named)
    geometry: Geometry = group(Geometry)
    blockio: BlockIo = group(BlockIo)
    mirror: Mirror | None = child(Mirror, live=True)
    target: DiskTarget = group(DiskTarget)
    iotune: IoTune = group(IoTune)
    readonly: bool = flag()
    shareable: bool = flag()
    transient: Transient | None = child(Transient)
    serial: str | None = leaf(STRING)
    wwn: str | None = leaf(_WWN)
    vendor: str | None = leaf(STRING)
    product: str | None = leaf(STRING)
    encryption: Encryption | None = child(Encryption)
    boot: Boot | None = child(Boot, order=BOOT)
