# SPDX-License-Identifier: Apache-2.0
"""A tree of files like the kernel's ``/sys``, of hardware that the host need not have."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from virloom.drivers.nodedev.tree import SysTree


class FakeSys:
    """A tree to which devices are added."""

    def __init__(self, root: Path) -> None:
        self.root = root / "sys"
        self.udev = root / "udev"
        self.root.mkdir()
        self.udev.mkdir()
        self.tree = SysTree(self.root, self.udev)

    def add(
        self, path: str, subsystem: str, uevent: str = "", files: Mapping[str, str | bytes] = {}
    ) -> Path:
        """Adds a device, listed below its class as the kernel does it."""
        directory = self.root / path.lstrip("/")
        directory.mkdir(parents=True, exist_ok=True)
        listed = self.root / "class" / subsystem
        listed.mkdir(parents=True, exist_ok=True)
        (listed / directory.name).symlink_to(directory)
        (directory / "subsystem").symlink_to(listed)
        for name, value in {"uevent": uevent, **files}.items():
            file = directory / name
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_bytes(value if isinstance(value, bytes) else value.encode())
        return directory

    def link(self, path: str, name: str, target: str) -> None:
        """Adds a link to what need not be there."""
        link = self.root / path.lstrip("/") / name
        link.parent.mkdir(parents=True, exist_ok=True)
        link.symlink_to(self.root / target.lstrip("/"))

    def add_pci(self, address: str, config: bytes = b"", **files: str) -> str:
        """Adds a PCI device; its path."""
        path = f"/devices/pci0000:00/{address}"
        known: dict[str, str | bytes] = {"vendor": "0x8086\n", "device": "0x1572\n", **files}
        self.add(path, "pci", "PCI_CLASS=20000\n", {**known, "config": config})
        return path
