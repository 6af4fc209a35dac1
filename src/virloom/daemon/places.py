# SPDX-License-Identifier: Apache-2.0
"""Where a daemon has its files: of the system, of one user, or below a root of its own."""

from __future__ import annotations

import os
from pathlib import Path
from typing import NamedTuple

from virloom.host.session_run import session_run


class Places(NamedTuple):
    """Directories of a daemon.

    Attributes:
        settings: Configuration files (``virtqemud.conf``, ``qemu.conf``).
        run: Sockets.
        prefix: What system paths are below (``/``, or ``--root``); None for a user's daemon.
        cache: What can be found out again, of a user's daemon.
        log: Where a daemon in the background logs.
        session: Whether it serves one user only.
    """

    settings: Path
    run: Path
    prefix: Path | None
    cache: Path
    log: Path
    session: bool

    @property
    def uri_path(self) -> str:
        """The path of the URIs that lead to its daemons."""
        return "/session" if self.session else "/system"

    @property
    def pid_files(self) -> Path:
        """Where libvirt has the pid files: beside its directory for the host's daemons."""
        return self.run if self.session else self.run.parent

    @classmethod
    def system(cls, prefix: Path) -> Places:
        """libvirt's paths of the host's daemons, below *prefix*."""
        return cls(
            prefix / "etc/libvirt",
            prefix / "run/libvirt",
            prefix,
            prefix / "var/cache/libvirt",
            prefix / "var/log/libvirt",
            session=False,
        )

    @classmethod
    def of_user(cls) -> Places:
        """libvirt's paths of a user's daemons, by the XDG variables."""
        home = Path(os.environ.get("HOME") or "/")
        config = Path(os.environ.get("XDG_CONFIG_HOME") or home / ".config") / "libvirt"
        cache = Path(os.environ.get("XDG_CACHE_HOME") or home / ".cache") / "libvirt"
        return cls(config, Path(session_run()), None, cache, cache, session=True)
