# SPDX-License-Identifier: Apache-2.0
"""Objects by the flags of a call that lists them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import TypeVar

T = TypeVar("T")

#: Flags come in groups: an object must match one flag of each group that has any.
Filters = Sequence[Mapping[int, Callable[[T], bool]]]


def selected(items: Iterable[T], flags: int, filters: Filters[T]) -> list[T]:
    """The objects that match *flags*; all without a flag."""
    wanted = [[test for flag, test in group.items() if flags & flag] for group in filters]
    return [
        item
        for item in items
        if all(any(test(item) for test in tests) for tests in wanted if tests)
    ]
