# SPDX-License-Identifier: Apache-2.0
"""Where the filter driver keeps what it keeps."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

from virloom.host.files import ensure_directory


class FilterDirectories(NamedTuple):
    """The driver's directories, handed in by whoever gives it a home.

    Attributes:
        config: Documents (``NAME.xml``).
        run: The lock of the one owner.
        state: Which of the stock filters were installed.
        cache: What can be found out again.
        bindings: Records of bindings (``PORT.json``), of the current boot.
        leases: The file of the leases of guests, of the current boot.
    """

    config: Path
    run: Path
    state: Path
    cache: Path
    bindings: Path
    leases: Path

    @classmethod
    def embedded(cls, root: Path) -> FilterDirectories:
        """Below an embedded driver's root, beside those of the QEMU driver."""
        return cls(
            config=root / "etc" / "nwfilter",
            run=root / "run" / "nwfilter",
            state=root / "lib" / "nwfilter",
            cache=root / "cache" / "nwfilter",
            bindings=root / "run" / "nwfilter-binding",
            leases=root / "run" / "nwfilter.leases",
        )

    @classmethod
    def system(cls, prefix: Path) -> FilterDirectories:
        """libvirt's places for the system's driver, below *prefix* (``/`` on a host)."""
        run = prefix / "run" / "libvirt"
        return cls(
            config=prefix / "etc" / "libvirt" / "nwfilter",
            run=run / "nwfilter",
            state=prefix / "var" / "lib" / "libvirt" / "nwfilter",
            cache=prefix / "var" / "cache" / "libvirt" / "nwfilter",
            bindings=run / "nwfilter-binding",
            leases=run / "network" / "nwfilter.leases",
        )

    def make(self) -> None:
        """Makes what is missing.

        Raises:
            SystemFailure: A directory cannot be made or used, with its path.
        """
        directories = (self.config, self.run, self.state, self.cache, self.bindings)
        for path in (*directories, self.leases.parent):
            ensure_directory(path, 0o700)

    def record(self, port: str) -> Path:
        """The record of the binding of a port."""
        return self.bindings / f"{port}.json"

    def records(self) -> list[Path]:
        """All records that there are."""
        return sorted(self.bindings.glob("*.json"))
