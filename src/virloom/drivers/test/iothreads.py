# SPDX-License-Identifier: Apache-2.0
"""Threads for input and output that a running domain pretends to have."""

from __future__ import annotations

from typing import NamedTuple


class Polling(NamedTuple):
    """How a thread polls: the longest time in ns, and how it grows and shrinks."""

    max_ns: int = 32768
    grow: int = 0
    shrink: int = 0


class IoThreads:
    """The polling of each thread, by the thread's number."""

    def __init__(self) -> None:
        self._threads: dict[int, Polling] = {}

    def restart(self, numbers: list[int]) -> None:
        """The domain has been started with these threads."""
        self._threads = {number: Polling() for number in numbers}
