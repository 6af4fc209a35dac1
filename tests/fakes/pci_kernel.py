# SPDX-License-Identifier: Apache-2.0
"""A tree of PCI devices whose kernel binds and unbinds drivers when its files are written to."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path


class PciKernel:
    """The tree below ``sys/bus/pci``, and what writing to it does.

    Args:
        root: What stands for the root of the host.
        fits: The driver that takes a device if it may, by the device's address.
        refused: Drivers that take nothing.
    """

    def __init__(
        self, root: Path, fits: Mapping[str, str] = {}, refused: tuple[str, ...] = ()
    ) -> None:
        self.bus = root / "sys/bus/pci"
        self.written: list[tuple[str, str]] = []
        self._fits = dict(fits)
        self._refused = refused

    def add(self, address: str, group: int, code: int = 0x020000, *, bound: bool = True) -> str:
        """Adds a device; its directory."""
        device = self.bus / "devices" / address
        device.mkdir(parents=True)
        (device / "class").write_text(f"{code:#08x}\n")
        (device / "driver_override").write_text("(null)\n")
        members = self.bus.parents[1] / "kernel/iommu_groups" / str(group) / "devices"
        members.mkdir(parents=True, exist_ok=True)
        (members / address).symlink_to(device)
        (device / "iommu_group").symlink_to(members.parent)
        if bound and address in self._fits:
            self.bind(address, self._fits[address])
        return str(device)

    def bind(self, address: str, driver: str) -> None:
        """Gives a device to a driver."""
        place = self.bus / "drivers" / driver
        place.mkdir(parents=True, exist_ok=True)
        (self.bus / "devices" / address / "driver").symlink_to(place)

    def write(self, path: str, value: str) -> None:
        """What the kernel does with what is written to a file of its."""
        self.written.append((os.path.relpath(path, self.bus), value.strip()))
        name = os.path.basename(path)
        if name == "driver_override":
            Path(path).write_text(value if value.strip() else "(null)\n")
        elif name == "unbind":
            if not os.path.islink(os.path.dirname(path)):
                raise FileNotFoundError(path)
            os.unlink(os.path.dirname(path))
        elif name == "drivers_probe":
            self._probe(value)
        else:
            raise FileNotFoundError(path)

    def _probe(self, address: str) -> None:
        device = self.bus / "devices" / address
        asked = (device / "driver_override").read_text().strip()
        driver = self._fits.get(address) if asked == "(null)" else asked
        if driver is not None and driver not in self._refused and not (device / "driver").exists():
            self.bind(address, driver)
