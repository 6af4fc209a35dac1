# SPDX-License-Identifier: Apache-2.0
"""What ``virStorageVol`` has beyond calls of one procedure with one result."""

from __future__ import annotations

from typing import Any

from libvirt._domain import values_of
from libvirt._invoke import call, invoke
from libvirt._stream import attach


def info(self: Any) -> list[int]:
    """Type, and bytes of capacity and of allocation."""
    return values_of(invoke(self, "virStorageVolGetInfo"))


def infoFlags(self: Any, flags: int = 0) -> list[int]:
    """The same, with flags."""
    return values_of(invoke(self, "virStorageVolGetInfoFlags", flags))


def storagePoolLookupByVolume(self: Any) -> Any:
    """The pool that it is in."""
    return call(self, "virStoragePoolLookupByVolume")


def download(self: Any, stream: Any, offset: int, length: int, flags: int = 0) -> int:
    """Attaches a stream to the content, for reading."""
    attach(self, "virStorageVolDownload", stream, offset, length, flags)
    return 0


def upload(self: Any, stream: Any, offset: int, length: int, flags: int = 0) -> int:
    """Attaches a stream to the content, for writing."""
    attach(self, "virStorageVolUpload", stream, offset, length, flags)
    return 0
