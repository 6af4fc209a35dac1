# SPDX-License-Identifier: Apache-2.0
"""Where the storage driver keeps what it keeps; volumes are wherever their pools say."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

from virloom.host.files import ensure_directory


class StorageDirectories(NamedTuple):
    """The driver's directories, handed in by whoever gives it a home.

    Attributes:
        config: Documents of persistent pools (``NAME.xml``).
        run: Status records of active pools; nothing outlives a boot.
        cache: What can be found out again.
    """

    config: Path
    run: Path
    cache: Path

    @classmethod
    def system(cls, prefix: Path) -> StorageDirectories:
        """libvirt's places for the system's driver, below *prefix* (``/`` on a host)."""
        return cls(
            config=prefix / "etc" / "libvirt" / "storage",
            run=prefix / "run" / "libvirt" / "storage",
            cache=prefix / "var" / "cache" / "libvirt" / "storage",
        )

    @classmethod
    def session(cls, config: Path, runtime: Path, cache: Path) -> StorageDirectories:
        """libvirt's places for one user's driver, in the user's three ``libvirt`` directories."""
        return cls(config=config / "storage", run=runtime / "storage", cache=cache / "storage")

    @classmethod
    def embedded(cls, root: Path) -> StorageDirectories:
        """The places of the driver below *root* in an application's own process."""
        return cls(
            config=root / "etc" / "storage",
            run=root / "run" / "storage",
            cache=root / "cache" / "storage",
        )

    @property
    def autostart(self) -> Path:
        """Links to the documents of pools that start with the driver."""
        return self.config / "autostart"

    def make(self) -> None:
        """Makes what is missing.

        Raises:
            SystemFailure: A directory cannot be made or used, with its path.
        """
        for path in self:
            ensure_directory(path, 0o700)

    def record(self, name: str) -> Path:
        """The status record of the active pool *name*."""
        return self.run / f"{name}.json"

    def claim(self, name: str) -> Path:
        """The lock that is held while programs work at the pool *name*."""
        return self.run / f"{name}.claim"
