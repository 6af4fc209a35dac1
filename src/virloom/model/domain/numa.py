# SPDX-License-Identifier: Apache-2.0
"""``<numa>``: the guest's own nodes, how far they are apart, and what lies between them."""

from __future__ import annotations

from collections.abc import Iterator

from virloom.model.cpuset import NUMBERS
from virloom.model.units import KIBIBYTES
from virloom.xml.element import Element
from virloom.xml.fields import attribute, children, group
from virloom.xml.format import FormatFlags
from virloom.xml.kinds import STRING, UINT, UINT_OWNED, ULONG, YES_NO, Kind, answering, choice


def _owned(*words: str) -> Kind[str]:
    return answering(choice(*words))


class Sibling(Element):
    """``<sibling id='1' value='21'/>``: the distance to another cell; to oneself it is 10."""

    id: int | None = attribute(UINT, required=True)
    value: int | None = attribute(UINT, required=True)


class Distances(Element):
    """``<distances>``."""

    siblings: list[Sibling] = children(Sibling, "sibling")


class Amount(Element):
    """``<size value='10' unit='KiB'/>``."""

    value: int | None = attribute(ULONG, required=True)
    unit: str | None = attribute(STRING)


class NumaCache(Element):
    """``<cache level='1' associativity='direct' policy='writeback'>``: a cache beside memory."""

    level: int | None = attribute(UINT_OWNED)
    associativity: str | None = attribute(_owned("none", "direct", "full"))
    policy: str | None = attribute(_owned("none", "writeback", "writethrough"))
    size: Amount = group(Amount)
    line: Amount = group(Amount)


class NumaCell(Element):
    """``<cell id='0' cpus='0-3' memory='512000' unit='KiB'>``; ``memory`` in KiB."""

    id: int | None = attribute(UINT)
    cpus: str | None = attribute(NUMBERS)
    memory: int | None = None
    mem_access: str | None = attribute(choice("shared", "private"), "memAccess")
    discard: bool | None = attribute(YES_NO)
    distances: Distances = group(Distances)
    caches: list[NumaCache] = children(NumaCache, "cache")

    def take_attributes(self, attributes: dict[str, str]) -> dict[str, str]:
        """The memory and its unit."""
        rest = dict(attributes)
        memory, unit = rest.pop("memory", None), rest.pop("unit", None)
        if memory is not None:
            try:
                assert KIBIBYTES.scaled is not None
                self.memory = KIBIBYTES.scaled(memory, unit)
            except ValueError as error:
                raise ValueError("memory", str(error)) from None
        return rest

    def attribute_texts(self, flags: FormatFlags) -> Iterator[tuple[str, str]]:
        """In libvirt's order, the memory in KiB."""
        if self.id is not None:
            yield "id", str(self.id)
        if self.cpus is not None:
            yield "cpus", self.cpus
        if self.memory is not None:
            yield "memory", str(self.memory)
            yield "unit", "KiB"
        if self.mem_access is not None:
            yield "memAccess", self.mem_access
        if self.discard is not None:
            yield "discard", "yes" if self.discard else "no"


class Latency(Element):
    """``<latency initiator='0' target='0' cache='1' type='access' value='5'/>``, nanoseconds."""

    initiator: int | None = attribute(UINT, required=True)
    target: int | None = attribute(UINT, required=True)
    cache: int | None = attribute(UINT)
    type: str | None = attribute(choice("access", "read", "write"), required=True)
    value: int | None = attribute(ULONG, required=True)


class NumaBandwidth(Element):
    """``<bandwidth initiator='0' target='0' type='access' value='204800' unit='KiB'/>``."""

    initiator: int | None = attribute(UINT, required=True)
    target: int | None = attribute(UINT, required=True)
    cache: int | None = attribute(UINT)
    type: str | None = attribute(choice("access", "read", "write"), required=True)
    value: int | None = attribute(ULONG, required=True)
    unit: str | None = attribute(STRING)


class Interconnects(Element):
    """``<interconnects>``."""

    latencies: list[Latency] = children(Latency, "latency")
    bandwidths: list[NumaBandwidth] = children(NumaBandwidth, "bandwidth")


class Numa(Element):
    """``<numa>`` of ``<cpu>``."""

    cells: list[NumaCell] = children(NumaCell, "cell")
    interconnects: Interconnects = group(Interconnects)
