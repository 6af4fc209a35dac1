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
    """

    config: Path
    run: Path
    state: Path
    cache: Path

    @classmethod
    def system(cls, prefix: Path) -> FilterDirectories:
        """libvirt's places for the system's driver, below *prefix* (``/`` on a host)."""
        return cls(
            config=prefix / "etc" / "libvirt" / "nwfilter",
            run=prefix / "run" / "libvirt" / "nwfilter",
            state=prefix / "var" / "lib" / "libvirt" / "nwfilter",
            cache=prefix / "var" / "cache" / "libvirt" / "nwfilter",
        )

    def make(self) -> None:
        """Makes what is missing.

        Raises:
            SystemFailure: A directory cannot be made or used, with its path.
        """
        for path in self:
            ensure_directory(path, 0o700)
