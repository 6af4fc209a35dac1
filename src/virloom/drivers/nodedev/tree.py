# SPDX-License-Identifier: Apache-2.0
"""The kernel's tree of devices (``/sys``), read; and what udev knows of them beside, where it runs.

The root is a parameter, so that a tree of files stands for hardware that a host has not.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import NamedTuple

#: No file of the tree that is looked at is longer.
_LIMIT = 65536


class SysDevice(NamedTuple):
    """A directory of the tree that is a device.

    Attributes:
        path: Below the root of the tree: ``/devices/pci0000:00/0000:00:01.0``.
        subsystem: ``pci``, ``net``, ``block``, …
        properties: The kernel's (``uevent``), and udev's.
        links: Other names of its file in ``/dev``, as udev has them; sorted.
    """

    path: str
    subsystem: str
    properties: Mapping[str, str]
    links: tuple[str, ...] = ()

    @property
    def name(self) -> str:
        """The kernel's name: ``0000:00:01.0``, ``eth0``."""
        return self.path.rpartition("/")[2]

    @property
    def node(self) -> str | None:
        """Its file in ``/dev``."""
        name = self.properties.get("DEVNAME")
        return f"/dev/{name.removeprefix('/dev/')}" if name else None


class SysTree:
    """A tree.

    Args:
        root: Where it is mounted, or a directory that is like it.
        udev: Where udev keeps its data; there need not be any.
    """

    def __init__(self, root: Path = Path("/sys"), udev: Path = Path("/run/udev/data")) -> None:
        self._root = Path(os.path.realpath(root))
        self._udev = udev

    def devices(self) -> list[SysDevice]:
        """All devices, those above before those below."""
        found = (self.device(path) for path in sorted(set(self._paths())))
        return [device for device in found if device is not None]

    def _paths(self) -> Iterator[str]:
        for pattern in ("bus/*/devices/*", "class/*/*"):
            for entry in self._root.glob(pattern):
                path = os.path.realpath(entry)
                if entry.is_symlink() and path.startswith(f"{self._root}/devices/"):
                    yield path.removeprefix(str(self._root))

    def device(self, path: str) -> SysDevice | None:
        """The device of a directory; None where it is none, or has gone meanwhile."""
        subsystem = self.link(path, "subsystem")
        text = self.text(path, "uevent")
        if subsystem is None or text is None:
            return None
        properties = dict(line.split("=", 1) for line in text.splitlines() if "=" in line)
        links = self._complete(path, subsystem, properties)
        return SysDevice(path, subsystem, properties, tuple(sorted(links)))

    def _complete(self, path: str, subsystem: str, properties: dict[str, str]) -> list[str]:
        """Adds what udev says; the names that it gave the device's file."""
        if "MAJOR" in properties:
            letter = "b" if subsystem == "block" else "c"
            key = f"{letter}{properties['MAJOR']}:{properties.get('MINOR', '')}"
        elif "IFINDEX" in properties:
            key = f"n{properties['IFINDEX']}"
        else:
            key = f"+{subsystem}:{path.rpartition('/')[2]}"
        links = []
        for line in (_read(self._udev / key) or b"").decode(errors="replace").splitlines():
            kind, _, rest = line.partition(":")
            if kind == "S":
                links.append(f"/dev/{rest}")
            elif kind == "E" and "=" in rest:
                name, _, value = rest.partition("=")
                if value:  # of an empty one udev says that there is none
                    properties.setdefault(name, value)
        return links

    # -- what a directory has ------------------------------------------------------------------

    def data(self, path: str, name: str) -> bytes | None:
        """What a file holds; None where there is none, or it cannot be read."""
        return _read(self._root / path.lstrip("/") / name)

    def text(self, path: str, name: str) -> str | None:
        """What a file says, without the blanks around it."""
        data = self.data(path, name)
        return data.decode(errors="replace").strip() if data is not None else None

    def line(self, path: str, name: str) -> str | None:
        """What a file says, with the blanks around it, of which some makers are fond."""
        data = self.data(path, name)
        return data.decode(errors="replace").rstrip("\r\n") if data is not None else None

    def number(self, path: str, name: str) -> int | None:
        """What a file says, where that is a number: decimal, or with ``0x`` in front."""
        try:
            return int(self.text(path, name) or "", 0)
        except ValueError:
            return None

    def link(self, path: str, name: str) -> str | None:
        """The last part of what a link leads to."""
        try:
            return os.path.basename(os.readlink(self._root / path.lstrip("/") / name))
        except OSError:
            return None

    def write(self, path: str, name: str, text: str) -> None:
        """Has the kernel do what is done by writing to a file.

        Raises:
            OSError: It would not.
        """
        fd = os.open(self._root / path.lstrip("/") / name, os.O_WRONLY | os.O_CLOEXEC)
        try:
            os.write(fd, text.encode())
        finally:
            os.close(fd)

    def resolved(self, path: str) -> str | None:
        """The directory that a path leads to, below the root; None where there is none."""
        found = os.path.realpath(self._root / path.lstrip("/"))
        there = os.path.isdir(found) and found.startswith(f"{self._root}/")
        return found.removeprefix(str(self._root)) if there else None

    def names(self, path: str) -> list[str]:
        """What is in a directory, in the kernel's order; nothing where there is none."""
        try:
            return os.listdir(self._root / path.lstrip("/"))
        except OSError:
            return []


def _read(path: Path) -> bytes | None:
    try:
        with path.open("rb", buffering=0) as file:
            return file.read(_LIMIT)
    except OSError:  # it has gone, is only written to, or the device does not answer
        return None
