# SPDX-License-Identifier: Apache-2.0
"""Where QEMU can have vCPUs, and which of those are plugged when a guest that runs gets others."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import NamedTuple

from virloom.drivers.qemu.monitor.commands.cpu import HotpluggableCpu
from virloom.enums.error import ErrorDomain
from virloom.errors import ConfigUnsupported, InvalidArg, OperationUnsupported

#: Where QEMU has the devices that were given an id.
_NAMED = "/machine/peripheral/"


class Place(NamedTuple):
    """A CPU device that is there or could be, and the vCPUs that it is.

    Attributes:
        first, size: Number of its first vCPU, and how many it is: one except where QEMU plugs
            whole cores.
        cpu: What QEMU says of it.
    """

    first: int
    size: int
    cpu: HotpluggableCpu

    @property
    def filled(self) -> bool:
        """Whether the CPU is there."""
        return self.cpu.qom_path is not None

    @property
    def alias(self) -> str | None:
        """The id that it was plugged with; None where it is absent or came with the machine."""
        path = self.cpu.qom_path or ""
        return path.removeprefix(_NAMED) if path.startswith(_NAMED) else None

    def numbers(self) -> range:
        """Of its vCPUs."""
        return range(self.first, self.first + self.size)


def places_of(cpus: Sequence[HotpluggableCpu]) -> list[Place]:
    """The places in order of their vCPUs: by socket, then die, core and thread."""
    names = ("socket-id", "die-id", "cluster-id", "core-id", "thread-id")
    ordered = sorted(cpus, key=lambda cpu: [cpu.position.get(name, 0) for name in names])
    places, first = [], 0
    for cpu in ordered:
        places.append(Place(first, cpu.vcpus, cpu))
        first += cpu.vcpus
    return places


def choose_count(places: Sequence[Place], now: int, count: int) -> tuple[list[Place], bool]:
    """Which are plugged or unplugged so that there are *count* vCPUs, and whether plugged.

    Raises:
        ConfigUnsupported: It cannot be done: too few of them can be unplugged, say.
    """
    chosen = []
    grows = count > now
    for place in places if grows else reversed(places):
        left = abs(count - now)
        if not left:
            break
        if place.filled == grows or place.size > left or not (grows or place.alias):
            continue
        chosen.append(place)
        now += place.size if grows else -place.size
    if now != count:
        raise ConfigUnsupported(
            f"no vCPUs can be {'plugged' if grows else 'unplugged'} so that there are {count}",
            domain=ErrorDomain.QEMU,
        )
    return chosen, grows


def choose_some(places: Sequence[Place], numbers: Collection[int], *, enabled: bool) -> Place:
    """The one that is plugged or unplugged.

    Raises:
        InvalidArg: A vCPU is as it should be already, or its core has others besides.
        OperationUnsupported: Not just one is meant, or it cannot be unplugged.
    """
    chosen = [place for place in places if set(place.numbers()) & set(numbers)]
    for place in chosen:
        for number in sorted(set(place.numbers()) & set(numbers)):
            if place.filled == enabled:
                raise InvalidArg(
                    f"vcpu '{number}' is already in requested state", domain=ErrorDomain.QEMU
                )
        if not set(place.numbers()) <= set(numbers):
            raise InvalidArg(
                f"vCPUs {place.first} to {place.first + place.size - 1} can only be plugged "
                "together",
                domain=ErrorDomain.QEMU,
            )
    if len(chosen) != 1:
        raise OperationUnsupported(
            "only one hotpluggable entity can be selected", domain=ErrorDomain.QEMU
        )
    if not enabled and chosen[0].alias is None:
        raise OperationUnsupported(
            f"vcpu '{chosen[0].first}' can't be unplugged", domain=ErrorDomain.QEMU
        )
    return chosen[0]
