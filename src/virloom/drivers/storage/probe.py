# SPDX-License-Identifier: Apache-2.0
"""What a volume's file is, as far as its first bytes tell; nothing that it names is opened.

Formats: QEMU's ``docs/interop/qcow2.txt``; ECMA-119 for the descriptor of a CD.
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


class Probed(NamedTuple):
    """What the first bytes say.

    Attributes:
        format: libvirt's name of it; ``raw`` is all that is not known.
        capacity: Bytes that a guest sees; None where that is the file's length.
        backing: What the image says it is laid over; never followed.
        compat: The version of the format.
        cluster: Bytes of a cluster.
        lazy_refcounts, extended_l2: Features of the format.
    """

    format: str
    capacity: int | None = None
    backing: Backing | None = None
    compat: str | None = None
    cluster: int | None = None
    lazy_refcounts: bool = False
    extended_l2: bool = False


def probe(head: ImageHead, path: str) -> Probed:
    """Looks at the first bytes of a file; a damaged header makes it raw, as nobody can use it."""
    data = head.data
    if data.startswith(_ISO_MAGIC, _ISO_OFFSET):
        return Probed("iso")
    if not data.startswith(QCOW2_MAGIC) or len(data) < _QCOW2_HEADER:
        return Probed("raw")
    try:
        return _qcow2(head, path)
    except (StorageProbeFailed, ConfigUnsupported):
        return Probed("raw")


def _qcow2(head: ImageHead, path: str) -> Probed:
    data = head.data
    backing = qcow2_backing(head, path)
    version = struct.unpack_from(">I", data, 4)[0]
    bits, capacity = struct.unpack_from(">IQ", data, 20)
    if bits not in _CLUSTER_BITS:
        raise StorageProbeFailed(f"qcow2 image '{path}' has clusters of 2^{bits} bytes")
    if version == 2:
        return Probed("qcow2", capacity, backing, "0.10", 1 << bits)
    incompatible, compatible = struct.unpack_from(">QQ", data, 72)
    return Probed(
        "qcow2", capacity, backing, "1.1", 1 << bits,
        bool(compatible & _LAZY_REFCOUNTS), bool(incompatible & _EXTENDED_L2),
    )  # fmt: skip
