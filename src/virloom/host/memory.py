# SPDX-License-Identifier: Apache-2.0
"""How much of the host's memory is free, by NUMA node and by page size, and how it is shared.

Facts: proc(5), meminfo; the kernel's ``Documentation/ABI``: ``sysfs-devices-node``,
``sysfs-kernel-mm-hugepages``, ``sysfs-kernel-mm-ksm``.
"""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import NamedTuple

_SYS = "/sys"
_PROC = "/proc"

#: libvirt's names, in its order, of what ``meminfo`` calls otherwise.
_HOST_FIELDS = {"MemTotal": "total", "MemFree": "free", "Buffers": "buffers", "Cached": "cached"}
_NODE_FIELDS = {"MemTotal": "total", "MemFree": "free"}

#: Memory stands in the first lines of ``meminfo``; what follows is of no use here.
_HEAD = 512

_LINES = re.compile(r"^(?:Node \d+ +)?(\w+): +(\d+) kB$", re.MULTILINE)


def nodes(sys: str | os.PathLike[str] = _SYS) -> list[int]:
    """The numbers of the host's NUMA nodes; node 0 where the kernel does not number them."""
    directory = Path(sys) / "devices" / "system" / "node"
    try:
        names = os.listdir(directory)
    except OSError:
        return [0]
    found = sorted(int(name[4:]) for name in names if re.fullmatch("node[0-9]+", name))
    return found or [0]


def host_statistics(proc: str | os.PathLike[str] = _PROC) -> dict[str, int]:
    """``total``, ``free``, ``buffers`` and ``cached`` of the host, in KiB.

    Raises:
        OSError: The file cannot be read.
    """
    return _read(Path(proc) / "meminfo", _HOST_FIELDS)


def node_statistics(
    node: int, sys: str | os.PathLike[str] = _SYS, proc: str | os.PathLike[str] = _PROC
) -> dict[str, int]:
    """``total`` and ``free`` of a NUMA node, in KiB; nothing for a node that is not there.

    Raises:
        OSError: A file that is there cannot be read.
    """
    directory = Path(sys) / "devices" / "system" / "node"
    try:
        return _read(directory / f"node{node}" / "meminfo", _NODE_FIELDS)
    except FileNotFoundError:
        if node == 0 and not directory.is_dir():
            return _read(Path(proc) / "meminfo", _NODE_FIELDS)
        return {}


def free_pages(
    size_kib: int,
    node: int | None,
    sys: str | os.PathLike[str] = _SYS,
    proc: str | os.PathLike[str] = _PROC,
) -> int | None:
    """Free pages of that size, on one node or on all; None if there is no such size.

    Raises:
        OSError: A file that is there cannot be read.
    """
    root = Path(sys)
    if size_kib == os.sysconf("SC_PAGE_SIZE") // 1024:
        wanted = nodes(sys) if node is None else [node]
        free = [node_statistics(one, sys, proc).get("free") for one in wanted]
        return None if None in free else sum(one or 0 for one in free) // size_kib
    place = root / "devices" / "system" / "node" / f"node{node}" / "hugepages"
    if node is None or (node == 0 and not place.parent.is_dir()):
        place = root / "kernel" / "mm" / "hugepages"
    try:
        return int((place / f"hugepages-{size_kib}kB" / "free_hugepages").read_text())
    except FileNotFoundError:
        return None


def set_pages(
    size_kib: int,
    node: int | None,
    count: int,
    *,
    more: bool,
    sys: str | os.PathLike[str] = _SYS,
) -> tuple[int, int] | None:
    """Changes how many huge pages of a size the kernel keeps, on one node or on all.

    Args:
        count: So many, or so many more.

    Returns:
        How many were wanted, and how many there are; None if there is no such size.

    Raises:
        OSError: It is not for us to change.
    """
    root = Path(sys)
    place = root / "devices" / "system" / "node" / f"node{node}" / "hugepages"
    if node is None or (node == 0 and not place.parent.is_dir()):
        place = root / "kernel" / "mm" / "hugepages"
    path = place / f"hugepages-{size_kib}kB" / "nr_hugepages"
    try:
        wanted = count + (int(path.read_text()) if more else 0)
    except FileNotFoundError:
        return None
    path.write_text(str(wanted))
    return wanted, int(path.read_text())


class Sharing(NamedTuple):
    """A figure of kernel samepage merging (KSM).

    Attributes:
        name: libvirt's name of it.
        file: The kernel's.
        wide: Whether it counts pages, in 64 bits; the others are settings.
    """

    name: str
    file: str
    wide: bool


#: What libvirt tells of KSM, in its order.
SHARING = (
    Sharing("shm_pages_to_scan", "pages_to_scan", False),
    Sharing("shm_sleep_millisecs", "sleep_millisecs", False),
    Sharing("shm_pages_shared", "pages_shared", True),
    Sharing("shm_pages_sharing", "pages_sharing", True),
    Sharing("shm_pages_unshared", "pages_unshared", True),
    Sharing("shm_pages_volatile", "pages_volatile", True),
    Sharing("shm_full_scans", "full_scans", True),
    Sharing("shm_merge_across_nodes", "merge_across_nodes", False),
)


def sharing(sys: str | os.PathLike[str] = _SYS) -> list[tuple[Sharing, int]]:
    """The figures of KSM; a kernel without NUMA has no ``merge_across_nodes``.

    Raises:
        OSError: The kernel has no KSM.
    """
    directory = Path(sys) / "kernel" / "mm" / "ksm"
    found = []
    for figure in SHARING:
        try:
            found.append((figure, int((directory / figure.file).read_text())))
        except FileNotFoundError:
            if figure.file != "merge_across_nodes":
                raise
    return found


def set_sharing(name: str, value: int, sys: str | os.PathLike[str] = _SYS) -> None:
    """Sets one of the settings of KSM.

    Args:
        name: libvirt's name of it.

    Raises:
        OSError: The kernel has none, or refuses.
    """
    file = {figure.name: figure.file for figure in SHARING}[name]
    (Path(sys) / "kernel" / "mm" / "ksm" / file).write_text(str(value))


def _read(path: Path, names: dict[str, str]) -> dict[str, int]:
    with open(path, encoding="ascii", errors="replace") as file:
        found = _LINES.findall(file.read(_HEAD))
    return {names[name]: int(value) for name, value in found if name in names}
