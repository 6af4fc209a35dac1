# SPDX-License-Identifier: Apache-2.0
"""Somebody who has copies of descriptors while the process that uses them is replaced."""

from __future__ import annotations

from typing import Protocol


class Keeper(Protocol):
    """Has descriptors when this process is killed, for the next one."""

    def keep(self, name: str, fd: int) -> None:
        """Has a copy of *fd* from now on."""

    def forget(self, name: str) -> None:
        """Closes its copy."""
