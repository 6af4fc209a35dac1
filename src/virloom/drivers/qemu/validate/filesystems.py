# SPDX-License-Identifier: Apache-2.0
"""Checks of directories that the guest shares with the host."""

from __future__ import annotations

from collections.abc import Iterator

from virloom.drivers.qemu.validate.shared_memory import shares_memory
from virloom.enums.error import ErrorDomain
from virloom.errors import ConfigUnsupported, NoSource, NoTarget
from virloom.model.domain import Domain, Filesystem

_SOURCES = {
    None: ("dir", "socket"),
    "mount": ("dir", "socket"),
    "bind": ("dir",),
    "block": ("dev",),
    "file": ("file",),
    "template": ("name",),
    "ram": ("usage",),
    "volume": ("pool", "volume"),
}


def check_given_filesystems(dom: Domain) -> None:
    """Shared directories as the document has them.

    Raises:
        NoSource: One has no source.
        NoTarget: One has no target.
    """
    for filesystem in dom.devices.filesystems:
        source, target = filesystem.source, filesystem.target.dir
        names = _SOURCES[filesystem.type]
        found = next((value for name in names if (value := getattr(source, name))), None)
        if found is None:
            raise NoSource(
                f"the file system with target '{target}' has no source", domain=ErrorDomain.DOMAIN
            )
        if not target:
            raise NoTarget(
                f"the file system with source '{found}' has no target", domain=ErrorDomain.DOMAIN
            )


def check_filesystems(dom: Domain) -> None:
    """What QEMU does not have.

    Raises:
        ConfigUnsupported: It is asked for.
    """
    for filesystem in dom.devices.filesystems:
        for message in _by_qemu(dom, filesystem):
            raise ConfigUnsupported(
                f"file system '{filesystem.target.dir}': {message}", domain=ErrorDomain.QEMU
            )


def _by_qemu(dom: Domain, filesystem: Filesystem) -> Iterator[str]:
    if filesystem.type != "mount":
        yield f"QEMU has type 'mount', not '{filesystem.type}'"
    modes = (filesystem.fmode, filesystem.dmode)
    if modes != (None, None) and filesystem.accessmode != "mapped":
        yield "fmode and dmode need accessmode='mapped'"
    driver = filesystem.driver
    if driver.type != "virtiofs":
        if driver.wrpolicy is not None and driver.type not in (None, "path", "handle"):
            yield "a write policy is for drivers 'path' and 'handle'"
        return
    yield from _virtiofs(filesystem)
    if not shares_memory(dom):
        yield "virtiofs needs memory that is shared: <memoryBacking> with <access mode='shared'/>"


def _virtiofs(filesystem: Filesystem) -> Iterator[str]:
    if filesystem.readonly:
        yield "virtiofs does not know read-only"
    if filesystem.accessmode not in (None, "passthrough"):
        yield "virtiofs has accessmode 'passthrough'"
    given = {
        "wrpolicy": filesystem.driver.wrpolicy,
        "model": filesystem.model,
        "multidevs": filesystem.multidevs,
    }
    for name, value in given.items():
        if value is not None:
            yield f"virtiofs has no {name}"
