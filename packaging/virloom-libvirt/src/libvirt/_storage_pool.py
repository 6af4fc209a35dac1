# SPDX-License-Identifier: Apache-2.0
"""What ``virStoragePool`` has beyond calls of one procedure with one result."""

from __future__ import annotations

from typing import Any

from libvirt._domain import values_of
from libvirt._invoke import call, invoke


def info(self: Any) -> list[int]:
    """State, and bytes in all, taken and free."""
    return values_of(invoke(self, "virStoragePoolGetInfo"))


def createXML(self: Any, xmlDesc: str, flags: int = 0) -> Any:
    """A new volume."""
    return call(self, "virStorageVolCreateXML", xmlDesc, flags)


def createXMLFrom(self: Any, xmlDesc: str, clonevol: Any, flags: int = 0) -> Any:
    """A new volume with the content of another."""
    return call(self, "virStorageVolCreateXMLFrom", xmlDesc, clonevol, flags)


def storageVolLookupByName(self: Any, name: str) -> Any:
    """The volume of a name."""
    return call(self, "virStorageVolLookupByName", name)
