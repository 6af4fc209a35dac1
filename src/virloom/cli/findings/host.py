# SPDX-License-Identifier: Apache-2.0
"""What the kernel of a host tells about virtualization, read below a root that tests can choose."""

from __future__ import annotations

import os
from pathlib import Path
from typing import NamedTuple

_IOMMU_TABLES = {"vmx": "DMAR", "svm": "IVRS"}
"""The ACPI table that announces the IOMMU, by the flag of the processor's maker."""


class Mount(NamedTuple):
    """A line of ``/proc/self/mounts``."""

    place: str
    kind: str
    options: frozenset[str]


class Host:
    """The files of one host.

    Args:
        root: What its paths are below.
    """

    def __init__(self, root: Path = Path("/")) -> None:
        self._root = root

    def path(self, name: str) -> Path:
        """Where the host's absolute path *name* is."""
        return self._root / name.lstrip("/")

    def exists(self, name: str) -> bool:
        """Whether there is such a file."""
        return os.path.exists(self.path(name))

    def usable(self, name: str) -> bool:
        """Whether we may read and write it."""
        return os.access(self.path(name), os.R_OK | os.W_OK)

    def cpu_flags(self) -> frozenset[str]:
        """What the processors can do, as ``/proc/cpuinfo`` names it."""
        for line in _lines(self.path("/proc/cpuinfo")):
            name, _, words = line.partition(":")
            if name.strip() in ("flags", "Features", "features"):
                return frozenset(words.split())
        return frozenset()

    def mounts(self) -> list[Mount]:
        """What is mounted, in order."""
        found = []
        for line in _lines(self.path("/proc/self/mounts")):
            words = line.split()
            if len(words) >= 4:
                found.append(Mount(words[1], words[2], frozenset(words[3].split(","))))
        return found

    def controllers(self) -> frozenset[str]:
        """The cgroup controllers that guests can have, by the names of version 1."""
        found: set[str] = set()
        for mount in self.mounts():
            if mount.kind == "cgroup":
                found |= mount.options
            elif mount.kind == "cgroup2":
                # Accounting of processor time and the filter of devices need no controller there.
                found |= {"cpuacct", "devices"} | self._unified(mount.place)
        return frozenset(found)

    def has_cgroups(self) -> bool:
        """Whether control groups are mounted at all."""
        return any(mount.kind in ("cgroup", "cgroup2") for mount in self.mounts())

    def iommu_table(self) -> str | None:
        """The ACPI table that would tell of an IOMMU; None where none is known to."""
        flags = self.cpu_flags()
        return next((table for flag, table in _IOMMU_TABLES.items() if flag in flags), None)

    def acpi_table(self, name: str) -> bool:
        """Whether the firmware has an ACPI table."""
        return self.exists(f"/sys/firmware/acpi/tables/{name}")

    def iommu_groups(self) -> bool:
        """Whether the kernel has put devices into groups of the IOMMU."""
        try:
            return any(self.path("/sys/kernel/iommu_groups").iterdir())
        except OSError:
            return False

    def encrypts_guests(self) -> bool:
        """Whether the kernel has AMD's encryption of guests switched on."""
        lines = _lines(self.path("/sys/module/kvm_amd/parameters/sev"))
        return lines[:1] in (["1"], ["Y"])

    def release(self) -> tuple[int, ...]:
        """The version of the kernel as numbers."""
        text = "".join(_lines(self.path("/proc/sys/kernel/osrelease"))[:1])
        numbers = text.partition("-")[0].split(".")
        return tuple(int(number) for number in numbers if number.isdigit())

    def _unified(self, place: str) -> set[str]:
        groups = [line[3:] for line in _lines(self.path("/proc/self/cgroup")) if line[:3] == "0::"]
        for group in [*groups, "/"]:
            file = self.path(place) / group.lstrip("/") / "cgroup.controllers"
            if file.exists():
                words = " ".join(_lines(file)).split()
                return {"blkio" if word == "io" else word for word in words}
        return set()


def _lines(path: Path) -> list[str]:
    """The lines of a file; none where it cannot be read."""
    try:
        return path.read_text(errors="replace").splitlines()
    except OSError:
        return []
