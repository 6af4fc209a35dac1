# SPDX-License-Identifier: Apache-2.0
"""Huge pages: which of the host's a guest's memory comes from, and its directory there."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from virloom.enums.error import ErrorDomain
from virloom.errors import InternalError, system_failure
from virloom.host.files import ensure_directory
from virloom.model.domain import Domain

if TYPE_CHECKING:
    from virloom.drivers.qemu.driver import QemuDriver

_UNITS = {"K": 1, "M": 1 << 10, "G": 1 << 20}


class HugeMount(NamedTuple):
    """A hugetlbfs.

    Attributes:
        size: KiB of its pages.
    """

    path: str
    size: int


def mounts_in(text: str) -> list[HugeMount]:
    """Those of ``/proc/mounts``, the first of each size."""
    found: dict[int, HugeMount] = {}
    for line in text.splitlines():
        _, path, kind, options, *_ = line.split(" ")
        if kind != "hugetlbfs":
            continue
        for option in options.split(","):
            name, _, value = option.partition("=")
            if name == "pagesize" and value[-1:] in _UNITS:
                size = int(value[:-1]) * _UNITS[value[-1]]
                found.setdefault(size, HugeMount(path, size))
    return list(found.values())


def mounts_of(configured: Sequence[str] | None) -> list[HugeMount]:
    """The host's, or those of qemu.conf.

    Raises:
        SystemFailure: One that qemu.conf names is not there.
    """
    if configured is None:
        return mounts_in(Path("/proc/mounts").read_text(errors="replace"))
    try:
        return [HugeMount(path, os.statvfs(path).f_bsize // 1024) for path in configured]
    except OSError as exc:
        raise system_failure("hugetlbfs_mount of qemu.conf", exc) from exc


def default_size() -> int:
    """KiB of the host's usual huge page; 0 where it has none."""
    for line in Path("/proc/meminfo").read_text().splitlines():
        if line.startswith("Hugepagesize:"):
            return int(line.split()[1])
    return 0


def sizes_wanted(dom: Domain) -> set[int]:
    """KiB of the pages that need a hugetlbfs: 0 is the host's usual size."""
    backing = dom.memory_backing
    if backing.hugepages is None or backing.source.type == "memfd":
        return set()
    pages = {page.size or 0 for page in backing.hugepages.pages} or {0}
    return pages - {os.sysconf("SC_PAGESIZE") // 1024}


def choose(
    name: str, wanted: set[int], mounts: Sequence[HugeMount], usual: int
) -> dict[int, HugeMount]:
    """The hugetlbfs of each size.

    Args:
        name: Of the guest.
        usual: KiB of the host's usual size.

    Raises:
        InternalError: There is none of a size.
    """
    if wanted and not mounts:
        raise InternalError(
            f"domain '{name}' wants huge pages, and no hugetlbfs is mounted or left by qemu.conf",
            domain=ErrorDomain.QEMU,
            remedy="<source type='memfd'/> has them without",
        )
    by_size = {mount.size: mount for mount in mounts}
    found = {}
    for size in wanted:
        mount = by_size.get(size or usual)
        if mount is None:
            raise InternalError(
                f"domain '{name}' wants pages of {size or usual} KiB, and no hugetlbfs has them",
                domain=ErrorDomain.QEMU,
            )
        found[size] = mount
    return found


class HugePages(NamedTuple):
    """A guest's directories in the host's huge pages.

    Attributes:
        directories: By KiB of a page; 0 is the host's usual size.
    """

    directories: Mapping[int, str]

    def resources(self) -> list[dict[str, Any]]:
        """For the guest's record, before anything is made."""
        return [
            {"kind": "directory", "path": path, "root": os.path.dirname(path)}
            for path in dict.fromkeys(self.directories.values())
        ]

    def make(self, owner: tuple[int, int] | None) -> None:
        """Makes them, QEMU's to write in.

        Raises:
            SystemFailure: One cannot be made.
        """
        for path in dict.fromkeys(self.directories.values()):
            ensure_directory(os.path.dirname(path), 0o755)
            try:
                os.mkdir(path, 0o700)
                if owner is not None:
                    os.chown(path, *owner)
            except OSError as exc:
                raise system_failure(f"cannot make the directory '{path}'", exc) from exc


def plan_hugepages(driver: QemuDriver, dom: Domain, directory: str) -> HugePages:
    """Where a guest's memory is going to be.

    Args:
        directory: The guest's own, whose name is used.

    Raises:
        InternalError: The host has no such pages.
    """
    wanted = sizes_wanted(dom)
    if not wanted:
        return HugePages({})
    mounts = mounts_of(driver.config.hugetlbfs_mount)
    found = choose(dom.name, wanted, mounts, default_size())
    name = os.path.basename(directory).removeprefix("domain-")
    root = driver.directories.root
    below = "libvirt/qemu" if root is None else f"libvirt/qemu/{root.strip('/').replace('/', '-')}"
    return HugePages({size: f"{mount.path}/{below}/{name}" for size, mount in found.items()})
