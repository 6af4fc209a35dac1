# SPDX-License-Identifier: Apache-2.0
"""``<disk>``: block devices of the guest and what backs them."""

from __future__ import annotations

from virloom.model.domain.devices.device import BOOT, Boot, Device, VirtioOptions
from virloom.model.domain.seclabel import SourceSeclabel
from virloom.xml.element import Element
from virloom.xml.fields import attribute, child, children, flag, group, itself, leaf, verbatim
from virloom.xml.kinds import ON_OFF, STRING, UINT, YES_NO, choice, option
from virloom.xml.node import Node

_FORMATS = (
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
FORMAT = option(*_FORMATS, "aio")
BACKING_FORMAT = choice(*_FORMATS)
TYPE = choice("block", "file", "dir", "network", "volume", "nvme", "vhostuser")


class DiskDriver(VirtioOptions):
    """``<driver name='qemu' type='qcow2' cache='none' io='native' discard='unmap'/>``."""

    name: str | None = attribute(STRING)
    type: str | None = attribute(FORMAT)
    cache: str | None = attribute(
        choice("default", "none", "writethrough", "writeback", "directsync", "unsafe")
    )
    error_policy: str | None = attribute(choice("stop", "report", "ignore", "enospace"))
    rerror_policy: str | None = attribute(choice("stop", "report", "ignore"))
    io: str | None = attribute(choice("native", "threads", "io_uring"))
    ioeventfd: bool | None = attribute(ON_OFF)
    event_idx: bool | None = attribute(ON_OFF)
    copy_on_read: bool | None = attribute(ON_OFF)
    discard: str | None = attribute(choice("unmap", "ignore"))
    iothread: int | None = attribute(UINT)
    detect_zeroes: str | None = attribute(choice("off", "on", "unmap"))
    queues: int | None = attribute(UINT)
    queue_size: int | None = attribute(UINT)
    metadata_cache: list[Node] = verbatim("metadata_cache")


class DiskSource(Element):
    """``<source file='…'/>``: what backs the disk; the fields that count follow ``disk.type``."""

    protocol: str | None = attribute(STRING)
    name: str | None = attribute(STRING)
    query: str | None = attribute(STRING)
    tls: bool | None = attribute(YES_NO)
    tls_hostname: str | None = attribute(STRING, "tlsHostname")
    pool: str | None = attribute(STRING)
    volume: str | None = attribute(STRING)
    mode: str | None = attribute(STRING)
    file: str | None = attribute(STRING)
    fdgroup: str | None = attribute(STRING)
    dev: str | None = attribute(STRING)
    dir: str | None = attribute(STRING)
    startup_policy: str | None = attribute(
        choice("mandatory", "requisite", "optional"), "startupPolicy"
    )
    index: int | None = attribute(UINT, live=True)
    hosts: list[Node] = verbatim("host")
    seclabels: list[SourceSeclabel] = children(SourceSeclabel, "seclabel")


class BackingFormat(Element):
    """``<format type='raw'/>`` of a backing image."""

    type: str | None = attribute(BACKING_FORMAT)
    metadata_cache: list[Node] = verbatim("metadata_cache")


class BackingStore(Element):
    """``<backingStore>``: the next image of the chain; empty at its end."""

    type: str | None = attribute(TYPE)
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
    auth: list[Node] = verbatim("auth")
    source: DiskSource = group(DiskSource)
    backing_store: BackingStore | None = child(BackingStore, "backingStore")
    backenddomain: list[Node] = verbatim("backenddomain")
    geometry: Geometry = group(Geometry)
    blockio: BlockIo = group(BlockIo)
    mirror: list[Node] = verbatim("mirror")
    target: DiskTarget = group(DiskTarget)
    iotune: list[Node] = verbatim("iotune")
    readonly: bool = flag()
    shareable: bool = flag()
    transient: list[Node] = verbatim("transient")
    serial: str | None = leaf(STRING)
    wwn: str | None = leaf(STRING)
    vendor: str | None = leaf(STRING)
    product: str | None = leaf(STRING)
    encryption: list[Node] = verbatim("encryption")
    boot: Boot | None = child(Boot, order=BOOT)
