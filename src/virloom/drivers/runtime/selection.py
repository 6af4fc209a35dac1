# SPDX-License-Identifier: Apache-2.0
"""Objects by the flags of a call that lists them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from enum import IntFlag
from typing import Protocol, TypeVar

T = TypeVar("T")

#: Flags come in groups: an object must match one flag of each group that has any.
Filters = Sequence[Mapping[int, Callable[[T], bool]]]


class Kept(Protocol):
    """What lists need to know of something that is defined, or only runs."""

    autostart: bool

    @property
    def name(self) -> str:
        """Its name."""
        ...

    @property
    def uuid(self) -> bytes:
        """The 16 bytes of its UUID."""
        ...

    @property
    def active(self) -> bool:
        """Whether it runs, or can be used."""
        ...

    @property
    def persistent(self) -> bool:
        """Whether it is defined."""
        ...


def kept_filters(flags: type[IntFlag]) -> Filters[Kept]:
    """The groups of flags that libvirt's lists of networks and of pools have alike.

    Args:
        flags: With ACTIVE, PERSISTENT and AUTOSTART, and the contrary of each.
    """
    return (
        {flags["ACTIVE"]: lambda one: one.active, flags["INACTIVE"]: lambda one: not one.active},
        {
            flags["PERSISTENT"]: lambda one: one.persistent,
            flags["TRANSIENT"]: lambda one: not one.persistent,
        },
        {
            flags["AUTOSTART"]: lambda one: one.autostart,
            flags["NO_AUTOSTART"]: lambda one: not one.autostart,
        },
    )


def selected(items: Iterable[T], flags: int, filters: Filters[T]) -> list[T]:
    """The objects that match *flags*; all without a flag."""
    wanted = [[test for flag, test in group.items() if flags & flag] for group in filters]
    return [
        item
        for item in items
        if all(any(test(item) for test in tests) for tests in wanted if tests)
    ]
