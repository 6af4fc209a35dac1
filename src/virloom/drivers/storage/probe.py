# SPDX-License-Identifier: Apache-2.0
"""What a volume's file is, as far as its first bytes tell; nothing that it names is opened.

It reads no more than those bytes, follows no number in them beyond their end, and allocates
nothing by them, so it needs no process of its own.

Formats: QEMU's ``docs/interop/qcow2.txt``, ``qed_spec.rst`` and the headers of its ``block/``
drivers ``vdi.c``, ``vmdk.c``, ``vpc.c``, ``qcow.c``, ``parallels.c``; ECMA-119 for the descriptor
of a CD; the LUKS1 on-disk format 1.2.3.
"""

from __future__ import annotations

import struct
from typing import NamedTuple

from virloom.drivers.runtime.image import QCOW2_MAGIC, Backing, ImageHead, qcow2_backing
from virloom.errors import ConfigUnsupported, StorageProbeFailed

#: Sector 16 of a CD has its descriptor.
_ISO_OFFSET, _ISO_MAGIC = 32769, b"CD001"
_LAZY_REFCOUNTS = 1 << 0
_EXTENDED_L2 = 1 << 4
_QCOW2_HEADER = 104
#: What qcow2.txt allows: clusters of 512 bytes to 2 MiB.
_CLUSTER_BITS = range(9, 22)
#: How a qcow2 header calls its ways of encryption, and how libvirt does.
_ENCRYPTIONS = {1: "qcow", 2: "luks"}
_LUKS_MAGIC, _LUKS_VERSION, _LUKS_PAYLOAD = b"LUKS\xba\xbe", 6, 104
_SECTOR = 512
_MOST = (1 << 63) - 1
_MOST_NAME = 1023
_QED_BACKING, _QED_BACKING_IS_RAW = 1 << 0, 1 << 2
#: User Mode Linux's: magic, version, 1,024 bytes of a backing file's name, a time, the size.
_COW_BACKING, _COW_SIZE = 8, 1036


class Probed(NamedTuple):
    """What the first bytes say.

    Attributes:
        format: libvirt's name of it; ``raw`` is all that is not known.
        capacity: Bytes that a guest sees; None where that is the file's length.
        backing: What the image says it is laid over; never followed.
        compat: The version of the format; None of the oldest, as libvirt has it.
        cluster: Bytes of a cluster.
        lazy_refcounts, extended_l2: Features of the format.
        encryption: The way in which it is encrypted.
        payload: Bytes before what a guest sees, where that is the rest of the file.
    """

    format: str
    capacity: int | None = None
    backing: Backing | None = None
    compat: str | None = None
    cluster: int | None = None
    lazy_refcounts: bool = False
    extended_l2: bool = False
    encryption: str | None = None
    payload: int = 0


class _Layout(NamedTuple):
    """Where the header of a format has what.

    Attributes:
        order: Of its bytes, as :mod:`struct` has it.
        version: Where its version is, and which there are; None where there is none.
        size: Where the size is, as 64 bits; None where the header does not tell.
        unit: Bytes of one of that size.
    """

    format: str
    magic: bytes
    offset: int
    order: str
    version: tuple[int, tuple[int, ...]] | None
    size: int | None
    unit: int = 1


_LAYOUTS = (
    _Layout("vpc", b"conectix", 0, ">", (12, (0x10000,)), 40),
    _Layout("vdi", b"\x7f\x10\xda\xbe", 64, "<", (68, (0x10001,)), 368),
    _Layout("ploop", b"WithouFreSpacExt", 0, "<", (16, (2,)), None),
    _Layout("qcow", QCOW2_MAGIC, 0, ">", (4, (1,)), 24),
    _Layout("qed", b"QED\0", 0, "<", None, 48),
    _Layout("cow", b"OOOM", 0, ">", (4, (2,)), _COW_SIZE),
    _Layout("vmdk", b"KDMV", 0, "<", (4, (1, 2, 3)), 12, _SECTOR),
)


def probe(head: ImageHead, path: str) -> Probed:
    """Looks at the first bytes of a file; a damaged header makes it raw, as nobody can use it."""
    data = head.data
    if data.startswith(_ISO_MAGIC, _ISO_OFFSET):
        return Probed("iso")
    if data.startswith(_LUKS_MAGIC):
        return _luks(data)
    if data.startswith(QCOW2_MAGIC) and len(data) >= _QCOW2_HEADER:
        try:
            found = _qcow2(head, path)
        except (StorageProbeFailed, ConfigUnsupported):
            return Probed("raw")
        if found is not None:
            return found
    return _by_layout(data)


def _qcow2(head: ImageHead, path: str) -> Probed | None:
    """None of a version that is another format."""
    data = head.data
    version = struct.unpack_from(">I", data, 4)[0]
    bits, capacity, crypt = struct.unpack_from(">IQI", data, 20)
    if version not in (2, 3):
        return None
    if bits not in _CLUSTER_BITS or capacity > _MOST:
        raise StorageProbeFailed(f"qcow2 image '{path}' has clusters of 2^{bits} bytes")
    found = Probed(
        "qcow2", capacity, _qcow2_backing(head, path), None, 1 << bits,
        encryption=_ENCRYPTIONS.get(crypt),
    )  # fmt: skip
    if version == 2:
        return found
    incompatible, compatible = struct.unpack_from(">QQ", data, 72)
    return found._replace(
        compat="1.1",
        lazy_refcounts=bool(compatible & _LAZY_REFCOUNTS),
        extended_l2=bool(incompatible & _EXTENDED_L2),
    )


def _qcow2_backing(head: ImageHead, path: str) -> Backing | None:
    """What it is laid over; None also of an image that is never opened, as one with a data file."""
    try:
        return qcow2_backing(head, path)
    except ConfigUnsupported:
        return None


def _luks(data: bytes) -> Probed:
    if len(data) < _LUKS_PAYLOAD + 4:
        return Probed("raw")
    version = struct.unpack_from(">H", data, _LUKS_VERSION)[0]
    if version == 1:
        payload = struct.unpack_from(">I", data, _LUKS_PAYLOAD)[0] * _SECTOR
        return Probed("raw", encryption="luks", payload=payload)
    return Probed("raw")  # as libvirt: what LUKS2 has is told by JSON


def _by_layout(data: bytes) -> Probed:
    for layout in _LAYOUTS:
        if not data.startswith(layout.magic, layout.offset) or not _is_version(layout, data):
            continue
        if layout.size is None:
            return Probed(layout.format)
        if len(data) < layout.size + 8:
            return Probed("raw")
        capacity = struct.unpack_from(f"{layout.order}Q", data, layout.size)[0] * layout.unit
        if capacity > _MOST:
            return Probed("raw")
        return Probed(layout.format, capacity, _backing_of(layout.format, data))
    return Probed("raw")


def _is_version(layout: _Layout, data: bytes) -> bool:
    if layout.version is None:
        return True
    place, known = layout.version
    if len(data) < place + 4:
        return False
    return struct.unpack_from(f"{layout.order}I", data, place)[0] in known


def _backing_of(name: str, data: bytes) -> Backing | None:
    """What an image of an older format is laid over; a name that leads nowhere is none."""
    if name == "qed":
        features = struct.unpack_from("<Q", data, 16)[0]
        if not features & _QED_BACKING or len(data) < 64:
            return None
        reference = _text(data, *struct.unpack_from("<II", data, 56))
        known = "raw" if features & _QED_BACKING_IS_RAW else None
        return None if reference is None else Backing(reference, known)
    if name == "qcow":
        reference = _text(data, *struct.unpack_from(">QI", data, 8))
        return None if reference is None else Backing(reference, None)
    if name == "cow":
        size = data[_COW_BACKING : _COW_BACKING + _MOST_NAME].find(b"\0")
        reference = _text(data, _COW_BACKING, size)
        return None if reference is None else Backing(reference, None)
    return None


def _text(data: bytes, offset: int, size: int) -> str | None:
    if not offset or not 0 < size <= _MOST_NAME or offset + size > len(data):
        return None
    text = data[offset : offset + size].decode("utf-8", "surrogateescape")
    return None if "\0" in text else text
