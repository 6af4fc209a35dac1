# SPDX-License-Identifier: Apache-2.0
"""What the kernel says of the host's interfaces: ``/sys/class/net`` and ``/proc/net/vlan``."""

from __future__ import annotations

import errno
from pathlib import Path
from typing import NamedTuple

#: What a read fails with where an attribute means nothing for a device, or the device has gone.
_NOTHING = frozenset((errno.ENOENT, errno.ENOTDIR, errno.EINVAL, errno.ENODEV, errno.EOPNOTSUPP))

#: Of linux/if.h.
_IFF_UP = 1


class HostLink(NamedTuple):
    """One network device.

    Attributes:
        name: Its name.
        mac: Its hardware address in lower case; empty where it has none.
        state: ``operstate``: ``up``, ``down``, ``unknown``, …
        port: Whether it is a part of a bridge or a bond.
        tap: Whether a program is at its other end (tun, tap).
        on: Whether it is switched on (``IFF_UP``), with or without a carrier.
    """

    name: str
    mac: str
    state: str
    port: bool
    tap: bool
    on: bool = False

    @property
    def active(self) -> bool:
        """Whether it is up; one whose state nobody knows (``lo``) is not."""
        return self.state == "up"

    @property
    def down(self) -> bool:
        """Whether it is known to be off."""
        return self.state == "down"


class Links:
    """The network devices of the namespace that *sys* shows.

    Args:
        sys: Where sysfs is mounted.
        proc: Where procfs is mounted.
    """

    def __init__(self, sys: Path = Path("/sys"), proc: Path = Path("/proc")) -> None:
        self._devices = sys / "class" / "net"
        self._vlans = proc / "net" / "vlan"

    def names(self) -> list[str]:
        """The names of all devices, sorted by their bytes.

        Raises:
            OSError: There is no sysfs.
        """
        return sorted(path.name for path in self._devices.iterdir() if path.is_dir())

    def find(self, name: str) -> HostLink | None:
        """The device of that name, however odd the name that somebody asks for."""
        return self.read(name) if name in self.names() else None

    def all(self) -> list[HostLink]:
        """Every device; one that goes meanwhile is left out."""
        return [link for name in self.names() if (link := self.read(name)) is not None]

    def read(self, name: str) -> HostLink | None:
        """The device of a name that :meth:`names` gave; None once it has gone."""
        state = self.attribute(name, "operstate")
        if state is None:
            return None
        device = self._devices / name
        port = (device / "master").exists() or (device / "brport").exists()
        on = bool(int(self.attribute(name, "flags") or "0", 16) & _IFF_UP)
        address = self.attribute(name, "address") or ""
        return HostLink(name, address, state, port, self.is_tap(name), on)

    def attribute(self, name: str, what: str) -> str | None:
        """An attribute of a device, for example ``bridge/stp_state``; None where it has none.

        Raises:
            OSError: It cannot be read, for another reason than that.
        """
        return _read(self._devices / name / what)

    def number(self, name: str, what: str) -> int | None:
        """An attribute that is a number."""
        text = self.attribute(name, what)
        return int(text) if text else None

    def is_up(self, name: str) -> bool:
        """Whether a device is there and switched on (``IFF_UP``), with or without a carrier."""
        link = self.find(name)
        return link is not None and link.on

    def whole(self, name: str) -> str | None:
        """The bridge or bond that a device is a part of."""
        master = self._devices / name / "master"
        return master.resolve().name if master.exists() else None

    def uppers(self, name: str) -> list[str]:
        """The devices that a device carries: VLANs, and what it is a part of."""
        return sorted(path.name[6:] for path in (self._devices / name).glob("upper_*"))

    def is_tap(self, name: str) -> bool:
        """Whether a program is at the other end of a device."""
        return (self._devices / name / "tun_flags").exists()

    def kind(self, name: str) -> str:
        """``bridge``, ``bond``, ``vlan``, or ``ethernet`` for all else (``DEVTYPE``)."""
        lines = (self.attribute(name, "uevent") or "").splitlines()
        kind = next((line[8:] for line in lines if line.startswith("DEVTYPE=")), "")
        return kind if kind in ("bridge", "bond", "vlan") else "ethernet"

    def bridge_ports(self, name: str) -> list[str]:
        """The devices in a bridge, sorted by their bytes."""
        ports = self._devices / name / "brif"
        return sorted(path.name for path in ports.iterdir()) if ports.is_dir() else []

    def vlan(self, name: str) -> tuple[int, str] | None:
        """The tag of a VLAN and the device that carries it, by ``/proc/net/vlan/NAME``."""
        text = _read(self._vlans / name) or ""
        words = text.split()
        if "VID:" not in words or "Device:" not in words:
            return None
        return int(words[words.index("VID:") + 1]), words[words.index("Device:") + 1]


def _read(path: Path) -> str | None:
    try:
        return path.read_text().strip()
    except OSError as exc:
        if exc.errno in _NOTHING:
            return None
        raise
