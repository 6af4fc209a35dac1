# SPDX-License-Identifier: Apache-2.0
"""The names of disks in a document (``vda``), which tell a number and often a bus."""

from __future__ import annotations

BUS_OF_PREFIX = {
    "fd": "fdc",
    "hd": "ide",
    "vd": "virtio",
    "sd": "scsi",
    "xvd": "xen",
    "ubd": "uml",
}


def disk_index(name: str | None) -> int:
    """The number that a disk's name stands for: ``vda`` 0, ``sdb`` 1, ``vdaa`` 26; -1 for none."""
    text = name or ""
    for prefix in BUS_OF_PREFIX:
        if text.startswith(prefix):
            letters = text[len(prefix) :].rstrip("0123456789")
            if not (letters.isascii() and letters.isalpha() and letters.islower()):
                return -1
            number = 0
            for letter in letters:
                number = number * 26 + ord(letter) - ord("a") + 1
            return number - 1
    return -1
