# SPDX-License-Identifier: Apache-2.0
"""Memory on the host: never more, less when it is short, and with swap never more."""

from __future__ import annotations

from collections.abc import Mapping

from virloom.drivers.qemu.limits.start import MEMORY_LIMITS
from virloom.enums.error import ErrorDomain
from virloom.errors import InvalidArg
from virloom.host.cgroup.backend import UNLIMITED, MemoryLimit
from virloom.host.cgroup.group import GuestGroups
from virloom.model.domain import Domain

KINDS: Mapping[str, str] = dict.fromkeys(MEMORY_LIMITS, "ullong")


def said_memory(dom: Domain) -> dict[str, int]:
    """KiB as a document says."""
    found: dict[str, int] = {}
    for name in MEMORY_LIMITS:
        value = getattr(dom.memtune, name)
        found[name] = UNLIMITED if value is None else min(value, UNLIMITED)
    return found


def check_memory(dom: Domain, values: Mapping[str, int]) -> None:
    """Refuses limits that make no sense together.

    Raises:
        InvalidArg: Memory alone may be more than memory with swap.
    """
    if not {"hard_limit", "swap_hard_limit"} & values.keys():
        return
    together = said_memory(dom) | dict(values)
    if together["hard_limit"] > together["swap_hard_limit"]:
        raise InvalidArg(
            f"hard_limit of {together['hard_limit']} KiB is more than swap_hard_limit, "
            f"{together['swap_hard_limit']} KiB, which it is a part of",
            domain=ErrorDomain.DOMAIN,
        )


def set_memory(dom: Domain, values: Mapping[str, int]) -> None:
    """Changes a document."""
    for name, value in values.items():
        setattr(dom.memtune, name, None if value >= UNLIMITED else value)


def present_memory(groups: GuestGroups) -> dict[str, int]:
    """KiB that a running guest is kept to.

    Raises:
        OperationInvalid: The host has no such group for it.
    """
    place = groups.place("memory")
    return {name: place.backend.memory(place.directory, name) for name in MEMORY_LIMITS}


def ordered(values: Mapping[str, int], present: int) -> list[MemoryLimit]:
    """In which order limits are changed: at no moment may memory be more than memory with swap.

    Args:
        present: The limit with swap.
    """
    first: list[MemoryLimit] = ["hard_limit", "swap_hard_limit", "soft_limit"]
    if values.get("swap_hard_limit", 0) > present:
        first = ["swap_hard_limit", "hard_limit", "soft_limit"]
    return [name for name in first if name in values]


def limit_memory(groups: GuestGroups, name: MemoryLimit, value: int) -> None:
    """Changes one limit of a running guest; the kernel may have to swap, which takes its time.

    Raises:
        SystemFailure: It needs more.
    """
    place = groups.place("memory")
    place.backend.set_memory(place.directory, name, value)
