# SPDX-License-Identifier: Apache-2.0
"""Where the network driver keeps what it keeps."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

from virloom.host.files import ensure_directory


class NetworkDirectories(NamedTuple):
    """The driver's directories, handed in by whoever gives it a home.

    Attributes:
        config: Documents of persistent networks (``NAME.xml``).
        run: Status records of active networks and their pid files; nothing outlives a boot.
        dnsmasq: Configuration and leases of dnsmasq.
        cache: What can be found out again.
        hooks: Scripts of the host that are run for networks; None: there are none.
    """

    config: Path
    run: Path
    dnsmasq: Path
    cache: Path
    hooks: Path | None = None

    @classmethod
    def embedded(cls, root: Path) -> NetworkDirectories:
        """Below an embedded driver's root, beside those of the QEMU driver."""
        return cls(
            config=root / "etc" / "qemu" / "networks",
            run=root / "run" / "network",
            dnsmasq=root / "lib" / "dnsmasq",
            cache=root / "cache" / "network",
        )

    @classmethod
    def system(cls, prefix: Path) -> NetworkDirectories:
        """libvirt's places for the system's driver, below *prefix* (``/`` on a host)."""
        return cls(
            config=prefix / "etc" / "libvirt" / "qemu" / "networks",
            run=prefix / "run" / "libvirt" / "network",
            dnsmasq=prefix / "var" / "lib" / "libvirt" / "dnsmasq",
            cache=prefix / "var" / "cache" / "libvirt" / "network",
            hooks=prefix / "etc" / "libvirt" / "hooks",
        )

    @classmethod
    def session(cls, config: Path, runtime: Path, cache: Path) -> NetworkDirectories:
        """libvirt's places for one user's driver, in the user's three ``libvirt`` directories."""
        return cls(
            config=config / "qemu" / "networks",
            run=runtime / "network" / "run",
            dnsmasq=config / "dnsmasq" / "lib",
            cache=cache / "network",
        )

    @property
    def autostart(self) -> Path:
        """Links to the documents of networks that start with the driver."""
        return self.config / "autostart"

    def make(self) -> None:
        """Makes what is missing.

        dnsmasq runs as a user of its own, who reads what is in its directory.

        Raises:
            SystemFailure: A directory cannot be made or used, with its path.
        """
        # First those that others pass through: parents get the permissions of who makes them.
        for path in (self.run, self.dnsmasq):
            ensure_directory(path, 0o755)
        for path in (self.config, self.cache):
            ensure_directory(path, 0o700)

    def record(self, name: str) -> Path:
        """The status record of the active network *name*."""
        return self.run / f"{name}.json"
