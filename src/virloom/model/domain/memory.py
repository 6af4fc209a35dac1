# SPDX-License-Identifier: Apache-2.0
"""``<maxMemory>``, ``<memoryBacking>`` and ``<memtune>``: the guest's memory on the host."""

from __future__ import annotations

from collections.abc import Iterator

from virloom.model.cpuset import NUMBERS
from virloom.model.units import KIBIBYTES, unit_factor
from virloom.xml.element import Element
from virloom.xml.fields import attribute, child, children, content, flag, group, leaf
from virloom.xml.format import FormatFlags
from virloom.xml.kinds import UINT_OWNED, ULONG, Kind, option

#: What stands for "no limit", in KiB (``VIR_DOMAIN_MEMORY_PARAM_UNLIMITED``).
UNLIMITED = 9007199254740991


def _limit(text: str, unit: str | None) -> int | None:
    assert KIBIBYTES.scaled is not None
    value = KIBIBYTES.scaled(text, unit)
    return None if value >= UNLIMITED else value


#: KiB; no limit is nothing said.
_LIMIT: Kind[int | None] = Kind(None, scaled=_limit, amount=KIBIBYTES.amount)  # type: ignore[arg-type] # None is never written


class MaxMemory(Element):
    """``<maxMemory slots='16' unit='KiB'>4194304</maxMemory>``, in KiB."""

    slots: int | None = attribute(UINT_OWNED)
    value: int | None = content(KIBIBYTES)


class HugePage(Element):
    """``<page size='2048' unit='KiB' nodeset='0'/>``; ``size`` in KiB, ``nodeset`` the guest's."""

    size: int | None = None
    nodeset: str | None = attribute(NUMBERS)

    def take_attributes(self, attributes: dict[str, str]) -> dict[str, str]:
        """The size and its unit."""
        rest = dict(attributes)
        size, unit = rest.pop("size", None), rest.pop("unit", None)
        if size is not None:
            try:
                assert ULONG.parse is not None
                self.size = -(-ULONG.parse(size) * (unit_factor(unit) if unit else 1024) // 1024)
            except ValueError as error:
                raise ValueError("size", str(error)) from None
        return rest

    def attribute_texts(self, flags: FormatFlags) -> Iterator[tuple[str, str]]:
        """Size in KiB, then the nodes."""
        if self.size is not None:
            yield "size", str(self.size)
            yield "unit", "KiB"
        if self.nodeset is not None:
            yield "nodeset", self.nodeset


class HugePages(Element):
    """``<hugepages>``; without pages, the host's default size."""

    pages: list[HugePage] = children(HugePage, "page")


class BackingSource(Element):
    """``<source type='memfd'/>``."""

    type: str | None = attribute(option("file", "anonymous", "memfd"))


class MemoryAccess(Element):
    """``<access mode='shared'/>``."""

    mode: str | None = attribute(option("shared", "private"))


class MemoryAllocation(Element):
    """``<allocation mode='immediate' threads='4'/>``."""

    mode: str | None = attribute(option("immediate", "ondemand"))
    threads: int | None = attribute(UINT_OWNED)


class MemoryBacking(Element):
    """``<memoryBacking>``."""

    hugepages: HugePages | None = child(HugePages)
    nosharepages: bool = flag()
    locked: bool = flag()
    source: BackingSource = group(BackingSource)
    access: MemoryAccess = group(MemoryAccess)
    allocation: MemoryAllocation = group(MemoryAllocation)
    discard: bool = flag()


class Memtune(Element):
    """``<memtune>``; all in KiB."""

    hard_limit: int | None = leaf(_LIMIT)
    soft_limit: int | None = leaf(_LIMIT)
    min_guarantee: int | None = leaf(_LIMIT)
    swap_hard_limit: int | None = leaf(_LIMIT)
