# SPDX-License-Identifier: Apache-2.0
"""Whether a domain has checkpoints at all: few do, and the others need not load what knows more."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from virloom.drivers.qemu.domain import Guest

if TYPE_CHECKING:
    from virloom.drivers.qemu.driver import QemuDriver


def directory_of(driver: QemuDriver, name: str) -> Path:
    """Where the checkpoints of the domain *name* are."""
    return driver.directories.lib / "checkpoint" / name


def count_checkpoints(driver: QemuDriver, guest: Guest) -> int:
    """How many checkpoints are known of a domain."""
    if not directory_of(driver, guest.name).exists():
        return 0
    from virloom.drivers.qemu.checkpoints import files

    return len(files.checkpoints_of(driver, guest))


def forget_checkpoints(driver: QemuDriver, guest: Guest) -> None:
    """The domain has gone, and what is known of its checkpoints goes too; the bitmaps stay."""
    guest.checkpoints = None
    if directory_of(driver, guest.name).exists():
        from virloom.drivers.qemu.checkpoints import files

        files.remove_all(driver, guest.name)


def copy_checkpoints(driver: QemuDriver, old: str, new: str) -> None:
    """The domain *old* is about to get another name.

    Raises:
        SystemFailure: They cannot be copied.
    """
    if directory_of(driver, old).exists():
        from virloom.drivers.qemu.checkpoints import files

        files.copy(driver, old, new)


def drop_checkpoints(driver: QemuDriver, old: str) -> None:
    """No domain has that name any more."""
    if directory_of(driver, old).exists():
        from virloom.drivers.qemu.checkpoints import files

        files.remove_all(driver, old)
