# SPDX-License-Identifier: Apache-2.0
"""How large an image is: on the host, and to the guest."""

from __future__ import annotations

import os

from virloom.drivers.runtime.image import read_head


def image_size(path: str) -> tuple[int, int]:
    """Bytes that an image occupies and bytes that it is long; a block device has only the second.

    Raises:
        OSError: It cannot be looked at.
    """
    fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
    try:
        status = os.fstat(fd)
        length = os.lseek(fd, 0, os.SEEK_END)
    finally:
        os.close(fd)
    return status.st_blocks * 512 or length, length


def capacity_of(path: str, image_format: str | None) -> int:
    """Bytes that a guest sees of an image that no guest runs on."""
    head = read_head(path)
    if image_format == "qcow2":
        # docs/interop/qcow2.txt: bytes 24 to 31 of the header are the virtual size.
        return int.from_bytes(head.data[24:32], "big")
    return image_size(path)[1]
