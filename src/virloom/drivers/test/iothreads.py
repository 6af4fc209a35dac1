# SPDX-License-Identifier: Apache-2.0
"""How the threads for input and output of a running domain pretend to poll."""

from __future__ import annotations

from typing import NamedTuple


class Polling(NamedTuple):
    """The longest time in ns, and how it grows and shrinks."""

    max_ns: int = 32768
    grow: int = 0
    shrink: int = 0


class IoThreads:
    """The polling of each thread, by the thread's number."""

    def __init__(self) -> None:
        self._polling: dict[int, Polling] = {}

    def polling(self, number: int) -> Polling:
        """How a thread polls."""
        return self._polling.get(number, Polling())

    def set_polling(self, number: int, polling: Polling) -> None:
        """Sets how a thread polls."""
        self._polling[number] = polling

    def remove(self, number: int) -> None:
        """A thread has gone."""
        self._polling.pop(number, None)

    @property
    def all(self) -> dict[int, Polling]:
        """The threads that came, or were changed, after the domain."""
        return dict(self._polling)
