# SPDX-License-Identifier: Apache-2.0
"""Where the QEMU driver keeps what it keeps."""

from __future__ import annotations

from pathlib import Path

from virloom.host.files import ensure_directory


class Directories:
    """The driver's directories, handed in by whoever gives it a home.

    Attributes:
        config: Documents of persistent domains (``NAME.xml``).
        autostart: Links to those that start with the driver.
        settings: The file ``qemu.conf``.
        run: Status records of running guests; nothing there outlives a boot.
        lib: What belongs to a running guest: its directory with sockets.
        nvram: Firmware variables, which outlive runs.
        save: The states of domains that were saved to be started again (``NAME.save``).
        snapshots: What is known of the domains' snapshots (``DOMAIN/SNAPSHOT.xml``).
        log: QEMU's output, ``NAME.log``.
        cache: What can be found out again.
        certificates: QEMU's own certificates, for what it encrypts.
        hooks: Scripts of the host that are run for its guests; None: there are none.
        root: What tells the driver's guests from those of others on the host; None for the
            system's own driver.
        embeds: Whether they are an application's own, who has its guests to itself.
    """

    def __init__(
        self,
        *,
        config: Path,
        settings: Path,
        run: Path,
        lib: Path,
        log: Path,
        cache: Path,
        certificates: Path = Path("/etc/pki/qemu"),
        hooks: Path | None = None,
        root: str | None = None,
        embeds: bool = False,
    ) -> None:
        self.config = config
        self.autostart = config / "autostart"
        self.settings = settings
        self.run = run
        self.lib = lib
        self.nvram = lib / "nvram"
        self.save = lib / "save"
        self.snapshots = lib / "snapshot"
        self.log = log
        self.cache = cache
        self.certificates = certificates
        self.hooks = hooks
        self.root = root
        self.embeds = embeds

    @classmethod
    def embedded(cls, root: Path) -> Directories:
        """libvirt's layout of an embedded driver's root."""
        return cls(
            config=root / "etc" / "qemu",
            settings=root / "etc" / "qemu.conf",
            run=root / "run" / "qemu",
            lib=root / "lib" / "qemu",
            log=root / "log" / "qemu",
            cache=root / "cache" / "qemu",
            certificates=root / "etc" / "pki" / "qemu",
            root=str(root),
            embeds=True,
        )

    @classmethod
    def system(cls, prefix: Path) -> Directories:
        """libvirt's places for the system's driver, below *prefix* (``/`` on a host)."""
        return cls(
            config=prefix / "etc" / "libvirt" / "qemu",
            settings=prefix / "etc" / "libvirt" / "qemu.conf",
            run=prefix / "run" / "libvirt" / "qemu",
            lib=prefix / "var" / "lib" / "libvirt" / "qemu",
            log=prefix / "var" / "log" / "libvirt" / "qemu",
            cache=prefix / "var" / "cache" / "libvirt" / "qemu",
            certificates=prefix / "etc" / "pki" / "qemu",
            hooks=prefix / "etc" / "libvirt" / "hooks",
            root=None if prefix == Path("/") else str(prefix),
        )

    @classmethod
    def session(cls, config: Path, runtime: Path, cache: Path) -> Directories:
        """libvirt's places for one user's driver, in the user's three ``libvirt`` directories."""
        return cls(
            config=config / "qemu",
            settings=config / "qemu.conf",
            run=runtime / "qemu" / "run",
            lib=config / "qemu" / "lib",
            log=cache / "qemu" / "log",
            cache=cache / "qemu" / "cache",
            root=str(config),
        )

    def make(self) -> None:
        """Makes what is missing, for this user only.

        Raises:
            SystemFailure: A directory cannot be made or used, with its path.
        """
        for path in (self.run, self.config, self.lib, self.log, self.cache):
            ensure_directory(path, 0o700)

    def record(self, name: str) -> Path:
        """The status record of the running guest *name*."""
        return self.run / f"{name}.json"

    def guest(self, id: int, name: str) -> Path:
        """The directory of a running guest; short, as libvirt cuts it, whatever the name."""
        return self.lib / f"domain-{id}-{name[:20]}"

    def channels(self, id: int, name: str) -> Path:
        """Where libvirt 9 has the sockets of a guest's channels that no document names."""
        return self.lib / "channel" / "target" / self.guest(id, name).name

    def bus(self, id: int, name: str) -> Path:
        """Where libvirt 9 has the socket of a guest's own D-Bus."""
        return self.run / "dbus" / f"{id}-{name[:20]}-dbus.sock"

    def guest_log(self, name: str) -> Path:
        """The log file of guest *name*."""
        return self.log / f"{name}.log"
