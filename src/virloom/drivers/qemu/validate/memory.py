# SPDX-License-Identifier: Apache-2.0
"""Checks of the guest's memory and of what stands behind it."""

from __future__ import annotations

from virloom.enums.error import ErrorDomain
from virloom.errors import ConfigUnsupported, XmlDetail, XmlError
from virloom.model.cpuset import numbers_in
from virloom.model.domain import Domain, HugePage


def check_given_memory(dom: Domain) -> None:
    """Sizes of pages, and that memory to be added has a limit and slots."""
    if bool(dom.max_memory.value) != bool(dom.max_memory.slots):
        raise XmlError(
            "<maxMemory> needs both a size and a number of slots", domain=ErrorDomain.DOMAIN
        )
    for page in _pages(dom):
        if page.size is None:
            raise XmlError("<page> of <hugepages> has no size", domain=ErrorDomain.XML)
        if page.size == 0:
            raise XmlDetail("a huge page of size 0", domain=ErrorDomain.DOMAIN)


def _pages(dom: Domain) -> list[HugePage]:
    hugepages = dom.memory_backing.hugepages
    return hugepages.pages if hugepages is not None else []


def check_memory(dom: Domain) -> None:
    """What depends on the guest's nodes, and what does not go together."""
    most = dom.max_memory.value
    if most and most < dom.memory:
        raise XmlError(
            f"<maxMemory> of {most} KiB is less than <memory> of {dom.memory} KiB",
            domain=ErrorDomain.DOMAIN,
        )
    _hugepages(dom)
    wrong = ""
    backing = dom.memory_backing
    if most and not dom.numa_cells:
        wrong = "memory can be added to a guest with nodes only (<numa> in <cpu>)"
    elif dom.memtune.min_guarantee is not None:
        wrong = "QEMU cannot promise memory: <min_guarantee>"
    elif backing.hugepages is not None and backing.allocation.mode == "ondemand":
        wrong = "huge pages are never allocated on demand"
    elif backing.hugepages is not None and backing.source.type == "anonymous":
        wrong = "huge pages are no anonymous memory"
    if wrong:
        raise ConfigUnsupported(wrong, domain=ErrorDomain.QEMU)


def _hugepages(dom: Domain) -> None:
    """Each node of the guest has pages of one size."""
    cells = len(dom.numa_cells)
    taken: set[int] = set()
    masters = 0
    for page in _pages(dom):
        if page.nodeset is None:
            masters += 1
            if masters > 1:
                raise XmlDetail("huge pages of two sizes for all nodes", domain=ErrorDomain.DOMAIN)
            continue
        nodes = numbers_in(page.nodeset)
        if nodes[-1] >= cells:
            raise XmlDetail(
                f"huge pages for node {nodes[-1]}, which the guest does not have",
                domain=ErrorDomain.DOMAIN,
            )
        if taken & set(nodes):
            raise XmlDetail(
                f"huge pages of two sizes for nodes {page.nodeset}", domain=ErrorDomain.DOMAIN
            )
        taken |= set(nodes)
