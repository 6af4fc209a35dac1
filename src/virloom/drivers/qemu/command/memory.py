# SPDX-License-Identifier: Apache-2.0
"""Memory: how much, and what stands behind it."""

from __future__ import annotations

import os.path

from virloom.drivers.qemu.command.arguments import Props, keyval
from virloom.drivers.qemu.command.assembly import Assembly
from virloom.enums.error import ErrorDomain
from virloom.errors import ConfigUnsupported, InternalError
from virloom.model.cpuset import numbers_in
from virloom.model.domain import Domain, NumaCell

_BYTES_PER_KIB = 1024
_KIB_PER_MIB = 1024
#: Modes of <numatune> by QEMU's names; what is merely restrictive is the host's business.
_POLICIES = {"strict": "bind", "preferred": "preferred", "interleave": "interleave"}


def started_with(size: int) -> int:
    """The memory in KiB that a guest starts with which asks for *size*: whole MiB, upwards.

    QEMU takes whole pages only; libvirt rounds like this and shows it while the guest runs.
    """
    return -(-size // _KIB_PER_MIB) * _KIB_PER_MIB


def plugged(dom: Domain) -> int:
    """KiB of the memory modules, which count as the guest's memory and not as its first."""
    return sum(memory.target.size or 0 for memory in dom.devices.memories)


def initial_memory(dom: Domain) -> int:
    """KiB that the machine itself has: each node's, or all, in whole MiB."""
    cells = dom.numa_cells
    if cells:
        return sum(started_with(cell.memory or 0) for cell in cells)
    return started_with(dom.memory - plugged(dom))


def add_memory(assembly: Assembly) -> None:
    """``-m`` and, for a guest without nodes, the object that holds the memory.

    Raises:
        ConfigUnsupported: The document gives the guest none, or wants what is not there.
    """
    dom, args = assembly.dom, assembly.args
    if not dom.memory:
        raise ConfigUnsupported(f"domain '{dom.name}' has no memory")
    size, most = initial_memory(dom), dom.max_memory
    if most.value:
        limits = (
            ("size", f"{size}k"),
            ("slots", most.slots),
            ("maxmem", f"{started_with(most.value)}k"),
        )
        args.option("m", keyval(limits))
    else:
        args.option("m", str(size // _KIB_PER_MIB))
    if not dom.numa_cells:
        args.object(backend(assembly, assembly.ram_id, size, None))
    args.option("overcommit", f"mem-lock={'on' if dom.memory_backing.locked else 'off'}")


def backend(assembly: Assembly, name: str, size: int, cell: NumaCell | None) -> Props:
    """The object behind the memory of the machine, or of one node.

    Args:
        name: Its id.
        size: KiB.
        cell: The node; None for the memory of a machine without nodes.
    """
    dom = assembly.dom
    backing = dom.memory_backing
    access = cell.mem_access if cell is not None else None
    props: Props = {"qom-type": "memory-backend-ram", "id": name}
    huge = _huge(dom, cell)
    if backing.source.type == "memfd":
        props["qom-type"] = "memory-backend-memfd"
        if huge is not None:
            props["hugetlb"] = True
        if huge:
            props["hugetlbsize"] = huge * _BYTES_PER_KIB
        if (access or backing.access.mode) == "shared":
            props["share"] = True
    elif huge is not None or backing.source.type == "file" or access or backing.access.mode:
        props["qom-type"] = "memory-backend-file"
        path = os.path.join(_directory(assembly), name)
        props["mem-path"] = path if huge is None else _huge_directory(assembly, huge)
        if cell.discard if cell is not None and cell.discard is not None else backing.discard:
            props["discard-data"] = True
        if access or backing.access.mode:
            props["share"] = (access or backing.access.mode) == "shared"
    if cell is None and props["qom-type"] != "memory-backend-ram":
        props["x-use-canonical-path-for-ramblock-id"] = False
    if backing.allocation.mode == "immediate" or huge is not None:
        props["prealloc"] = True
    if backing.allocation.threads:
        props["prealloc-threads"] = backing.allocation.threads
    props["size"] = size * _BYTES_PER_KIB
    return props | _policy(dom, cell)


def _directory(assembly: Assembly) -> str:
    """Where files that hold memory are; they go with the guest's directory."""
    directory = assembly.context.lib_dir
    if assembly.context.standalone:
        parent, name = os.path.split(directory)
        return os.path.join(parent, "ram", name.removeprefix("domain-"))
    return directory


def _huge(dom: Domain, cell: NumaCell | None) -> int | None:
    """KiB of a huge page of this memory, 0 for the host's usual; None for small pages."""
    hugepages = dom.memory_backing.hugepages
    if hugepages is None:
        return None
    if not hugepages.pages:
        return 0
    number = cell.id or 0 if cell is not None else 0
    pages = hugepages.pages
    mine = [p for p in pages if p.nodeset is not None and number in numbers_in(p.nodeset)]
    mine += [page for page in pages if page.nodeset is None]
    size = mine[0].size if mine else None
    return None if size == os.sysconf("SC_PAGESIZE") // _BYTES_PER_KIB else size


def _huge_directory(assembly: Assembly, size: int) -> str:
    """The guest's directory in pages of that size.

    Raises:
        InternalError: Nobody has made one.
    """
    directory = assembly.context.hugepages.get(size)
    if directory is None:
        raise InternalError(
            f"huge pages of domain '{assembly.dom.name}' would need a hugetlbfs",
            remedy="<source type='memfd'/> has them without",
        )
    return directory


def _policy(dom: Domain, cell: NumaCell | None) -> Props:
    """On which nodes of the host the memory is to lie."""
    tune = dom.numatune
    if tune.memory.placement == "auto":
        raise InternalError(
            f"automatic placement of domain '{dom.name}' needs the advice of numad, which is not "
            "asked here",
            domain=ErrorDomain.DOMAIN,
        )
    mode, nodes = tune.memory.mode, tune.memory.nodeset
    for node in tune.memnodes:
        if cell is not None and node.cellid == cell.id:
            mode, nodes = node.mode, node.nodeset
    if nodes is None or mode not in _POLICIES:
        return {}
    return {"host-nodes": numbers_in(nodes), "policy": _POLICIES[mode or "strict"]}
