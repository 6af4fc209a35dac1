# SPDX-License-Identifier: Apache-2.0
"""Figures that grow with the clock, so that clients see that something happens."""

from __future__ import annotations

import time


class Figures:
    """The figures of one moment."""

    def __init__(self) -> None:
        microseconds = time.time_ns() // 1000
        self.seconds = microseconds // 1_000_000
        #: The base of most: tens of microseconds since the epoch.
        self.base = self.seconds * 100_000 + microseconds % 1_000_000 // 10

    def block(self) -> tuple[int, int, int, int, int]:
        """Requests and bytes read, requests and bytes written, errors."""
        base = self.base
        return base, base // 2, base // 3, base // 4, self.seconds // 2

    def interface(self) -> tuple[int, int, int, int, int, int, int, int]:
        """Bytes, packets, errors and drops, received and sent."""
        base, seconds = self.base, self.seconds
        received = base, base // 10, seconds, seconds // 2
        return *received, base // 2, base // 11, seconds // 3, seconds // 4
