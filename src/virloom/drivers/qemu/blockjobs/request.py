# SPDX-License-Identifier: Apache-2.0
"""What callers of a copy ask for: the target, and its parameters."""

from __future__ import annotations

from collections.abc import Sequence

from virloom.drivers.qemu.block.chain import LOCAL_KINDS
from virloom.enums.domain import DomainBlockRebaseFlags
from virloom.enums.error import ErrorDomain
from virloom.errors import ArgumentUnsupported, InvalidArg, NoSource, XmlError
from virloom.model.domain import Disk, DiskSource
from virloom.procedures.types import TypedParam
from virloom.xml import parse_document
from virloom.xml.parse import parse_node


def copy_parameters(params: Sequence[TypedParam]) -> tuple[int, int, int]:
    """Bandwidth in bytes, granularity and size of the buffer.

    Raises:
        ArgumentUnsupported: There is no such parameter.
        InvalidArg: QEMU has no number for the bandwidth, or the granularity is none.
    """
    found = {"bandwidth": 0, "granularity": 0, "buf-size": 0}
    for param in params:
        if param.field not in found:
            raise ArgumentUnsupported(
                f"parameter '{param.field}' not supported", domain=ErrorDomain.NONE
            )
        found[param.field] = int(param.value.value)
    if found["bandwidth"] >= 2**63:
        raise InvalidArg(
            f"bandwidth must be less than {2**63 - 1} bytes/s", domain=ErrorDomain.QEMU
        )
    granularity = found["granularity"]
    if granularity & (granularity - 1):
        raise InvalidArg("granularity must be power of 2", domain=ErrorDomain.QEMU)
    return found["bandwidth"], granularity, found["buf-size"]


def target_of(text: str) -> Disk:
    """The target that a document describes.

    Raises:
        XmlError: It is not that of a disk.
        NoSource: It has no source.
    """
    tag = parse_node(text).tag
    if tag != "disk":
        raise XmlError(f"unexpected root element <{tag}>, expecting <disk>", domain=ErrorDomain.XML)
    disk = parse_document(Disk, text)
    kind = disk.type or "file"
    found = (disk.source.dev if kind == "block" else disk.source.file) or kind not in LOCAL_KINDS
    if not found:
        raise NoSource("missing source information for device", domain=ErrorDomain.DOMAIN)
    return disk


def rebase_target(path: str, flags: int) -> Disk:
    """The target of the older call."""
    wanted = Disk()
    device = bool(flags & DomainBlockRebaseFlags.COPY_DEV)
    wanted.type = "block" if device else "file"
    wanted.source = DiskSource(dev=path) if device else DiskSource(file=path)
    if flags & DomainBlockRebaseFlags.COPY_RAW:
        wanted.driver.type = "raw"
    return wanted
