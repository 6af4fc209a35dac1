# SPDX-License-Identifier: Apache-2.0
"""The host's processors and memory, as the kernel shows them below ``/sys``.

Facts: the kernel's ``Documentation/ABI``, ``sysfs-devices-node`` and ``sysfs-devices-system-cpu``.
What the kernel does not tell is left out; nothing here raises for a host that is laid out oddly.
"""

from __future__ import annotations

import os
import re
from typing import NamedTuple


class HostCpu(NamedTuple):
    """A processor (a hardware thread) and its place."""

    number: int
    socket: int
    die: int
    core: int
    siblings: str


class Cell(NamedTuple):
    """A NUMA node.

    Attributes:
        memory_kib: Its memory.
        pages: Page size in KiB to number of pages; of large pages those set aside for use.
        distances: To each node, in its order.
    """

    number: int
    memory_kib: int
    pages: dict[int, int]
    distances: tuple[int, ...]
    cpus: tuple[HostCpu, ...]


class CacheBank(NamedTuple):
    """A cache that processors share.

    Attributes:
        kind: ``both``, ``code`` or ``data``.
        cpus: Whose it is, as the kernel writes lists: ``0-3,8``.
    """

    number: int
    level: int
    kind: str
    size_kib: int
    cpus: str


class Topology(NamedTuple):
    """The whole host."""

    cells: tuple[Cell, ...]
    iommu: bool
    caches: tuple[CacheBank, ...] = ()

    @property
    def shape(self) -> tuple[int, int, int, int]:
        """Sockets per node, dies per socket, cores per die, threads per core; all at least 1."""
        cpus = [cpu for cell in self.cells for cpu in cell.cpus]
        sockets = {cpu.socket for cpu in cpus}
        dies = {(cpu.socket, cpu.die) for cpu in cpus}
        cores = {(cpu.socket, cpu.die, cpu.core) for cpu in cpus}
        return (
            max(1, len(sockets) // max(1, len(self.cells))),
            max(1, len(dies) // max(1, len(sockets))),
            max(1, len(cores) // max(1, len(dies))),
            max(1, len(cpus) // max(1, len(cores))),
        )


def read_topology(sys: str | os.PathLike[str] = "/sys") -> Topology:
    """What the file tree at *sys* says; a host without nodes is a single one."""
    system = f"{os.fspath(sys)}/devices/system"
    nodes = sorted(_numbered(f"{system}/node", "node"))
    cells = [_cell(system, number) for number in nodes] or [_only_cell(os.fspath(sys))]
    iommu = bool(_names(f"{os.fspath(sys)}/kernel/iommu_groups"))
    return Topology(tuple(cells), iommu, _caches(f"{system}/cpu"))


def present_cpus(sys: str | os.PathLike[str] = "/sys") -> list[int]:
    """The numbers of the processors that are there, those that are offline included."""
    return _list(_text(f"{os.fspath(sys)}/devices/system/cpu/present"))


def online_cpus(sys: str | os.PathLike[str] = "/sys") -> list[int]:
    """The numbers of the processors that run."""
    return _list(_text(f"{os.fspath(sys)}/devices/system/cpu/online"))


class CpuTimes(NamedTuple):
    """What processors did since the boot, in nanoseconds."""

    kernel: int
    user: int
    idle: int
    iowait: int


def cpu_times(number: int | None = None, proc: str | os.PathLike[str] = "/proc") -> CpuTimes | None:
    """The times of processor *number*, or of all together; None if it is not there or offline.

    From the lines ``cpu`` and ``cpuN`` of proc(5), stat. Interrupts count as the kernel's, as in
    libvirt; time stolen by a hypervisor counts nowhere.

    Raises:
        OSError: The file cannot be read.
    """
    wanted = "cpu" if number is None else f"cpu{number}"
    with open(os.path.join(proc, "stat"), encoding="ascii", errors="replace") as file:
        text = file.read()
    for line in text.splitlines():
        name, *words = line.split()
        if name == wanted and len(words) >= 7:
            tick = 1_000_000_000 // os.sysconf("SC_CLK_TCK")
            user, nice, system, idle, iowait, irq, softirq = (
                int(word) * tick for word in words[:7]
            )
            return CpuTimes(system + irq + softirq, user + nice, idle, iowait)
    return None


#: What the kernel gives of an attribute at most.
_PAGE = os.sysconf("SC_PAGE_SIZE")

#: The lowest level that is told of: what is below belongs to one core, and to nobody else.
_SHARED_LEVEL = 3

_KINDS = {"Unified": "both", "Instruction": "code", "Data": "data"}


def _caches(cpus: str) -> tuple[CacheBank, ...]:
    banks: set[tuple[int, int, CacheBank]] = set()
    for cpu in _numbered(cpus, "cpu"):
        for index in _numbered(f"{cpus}/cpu{cpu}/cache", "index"):
            place = f"{cpus}/cpu{cpu}/cache/index{index}"
            level, number = _number(f"{place}/level", 0), _number(f"{place}/id", -1)
            kind = _KINDS.get(_text(f"{place}/type")) if level >= _SHARED_LEVEL else None
            if kind is not None and number >= 0:
                size, whose = _kib(_text(f"{place}/size")), _text(f"{place}/shared_cpu_list")
                banks.add((level, number, CacheBank(number, level, kind, size, whose)))
    return tuple(bank for _, _, bank in sorted(banks))


def _kib(text: str) -> int:
    """A size as ``cache/indexN/size`` has it: ``32768K``."""
    return int(text[:-1]) if text[-1:] == "K" and text[:-1].isdigit() else 0


def _cell(system: str, number: int) -> Cell:
    node = f"{system}/node/node{number}"
    total = re.search(r"MemTotal:\s+(\d+) kB", _text(f"{node}/meminfo"))
    memory = int(total[1]) if total else 0
    cpus = [_cpu(system, cpu) for cpu in _list(_text(f"{node}/cpulist"))]
    distances = tuple(int(word) for word in _text(f"{node}/distance").split() if word.isdigit())
    return Cell(number, memory, _pages(f"{node}/hugepages", memory), distances, tuple(cpus))


def _only_cell(sys: str) -> Cell:
    memory = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") // 1024
    cpus = [_cpu(f"{sys}/devices/system", cpu) for cpu in online_cpus(sys)]
    return Cell(0, memory, _pages(f"{sys}/kernel/mm/hugepages", memory), (), tuple(cpus))


def _cpu(system: str, number: int) -> HostCpu:
    topology = f"{system}/cpu/cpu{number}/topology"
    return HostCpu(
        number,
        _number(f"{topology}/physical_package_id", 0),
        _number(f"{topology}/die_id", 0),
        _number(f"{topology}/core_id", number),
        _text(f"{topology}/thread_siblings_list") or str(number),
    )


def _pages(directory: str, memory_kib: int) -> dict[int, int]:
    """Numbers by size; small pages are those that large ones leave over."""
    large = {
        size: _number(f"{directory}/hugepages-{size}kB/nr_hugepages", 0)
        for size in sorted(_numbered(directory, "hugepages-", "kB"))
    }
    small = os.sysconf("SC_PAGE_SIZE") // 1024
    taken = sum(size * count for size, count in large.items())
    return {small: max(0, memory_kib - taken) // small, **large}


def _numbered(directory: str, prefix: str, suffix: str = "") -> list[int]:
    names = _names(directory)
    middles = (name.removeprefix(prefix).removesuffix(suffix) for name in names)
    return [
        int(middle)
        for name, middle in zip(names, middles, strict=True)
        if middle.isascii() and middle.isdecimal() and name == f"{prefix}{middle}{suffix}"
    ]


def _names(directory: str) -> list[str]:
    try:
        return os.listdir(directory)
    except OSError:
        return []


def _text(path: str) -> str:
    # Of hundreds of these files, open() would cost three times as much; none exceeds a page.
    try:
        file = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    except OSError:
        return ""
    try:
        return os.read(file, _PAGE).decode("ascii", "replace").strip()
    except OSError:
        return ""
    finally:
        os.close(file)


def _number(path: str, default: int) -> int:
    try:
        return int(_text(path))
    except ValueError:
        return default


def _list(text: str) -> list[int]:
    """The numbers of a list in the kernel's form: ``0-3,8``."""
    numbers: list[int] = []
    for part in text.split(","):
        first, _, last = part.partition("-")
        if first.isdigit():
            numbers += range(int(first), int(last or first) + 1)
    return numbers
