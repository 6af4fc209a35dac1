# SPDX-License-Identifier: Apache-2.0
"""Where the host has its control groups: ``/proc/self/mountinfo`` and ``/proc/PID/cgroup``.

The formats are those of proc_pid_mountinfo(5) and cgroups(7).
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Literal, NamedTuple, get_args

from virloom.host.cgroup.files import read_text

Controller = Literal["cpu", "cpuset", "memory", "blkio", "devices", "cpuacct"]
Version = Literal[1, 2]

CONTROLLERS: tuple[Controller, ...] = get_args(Controller)

#: Which of version 2's controllers does what ours are named after; the first always counts.
_OF_V2: Mapping[Controller, str] = {
    "cpu": "cpu",
    "cpuset": "cpuset",
    "memory": "memory",
    "blkio": "io",
}
_ESCAPED = re.compile(r"\\([0-7]{3})")


class Hierarchy(NamedTuple):
    """A mounted tree of groups.

    Attributes:
        version: Of the interface.
        point: Where it is mounted.
        root: The group that is seen there; "/" unless a container sees its own only.
        controllers: What can be limited in it. Version 2 counts processor time without one.
        writable: Whether it is mounted for writing.
        key: How ``/proc/PID/cgroup`` names it: its controllers, nothing for version 2.
    """

    version: Version
    point: str
    root: str
    controllers: frozenset[Controller]
    writable: bool
    key: str

    def directory(self, group: str) -> str | None:
        """Where the group that ``/proc/PID/cgroup`` names is; None if it is not to be seen."""
        below = group if self.root == "/" else group.removeprefix(self.root)
        if below == group and self.root != "/":
            return None
        if "/.." in below or not (below == "" or below.startswith("/")):
            return None
        return self.point + below.rstrip("/")


class Hierarchies(NamedTuple):
    """All that are mounted.

    Attributes:
        by_controller: The one that each controller is used in.
    """

    by_controller: Mapping[Controller, Hierarchy]

    @classmethod
    def of_this_process(cls, proc: str = "/proc") -> Hierarchies:
        """What this process may make groups in; nothing where it may not.

        Args:
            proc: Where procfs is.
        """
        try:
            table = Path(proc, "self", "mountinfo").read_text()
            own = groups_of(Path(proc, "self", "cgroup").read_text())
        except OSError:
            return cls({})
        found = [h for h in hierarchies(table) if h.key in own]
        return cls(
            chosen([h for h in found if h.directory(own[h.key]) is not None and _may_use(h)])
        )


def _may_use(hierarchy: Hierarchy) -> bool:
    return hierarchy.writable and os.access(hierarchy.point, os.W_OK | os.X_OK)


def chosen(found: list[Hierarchy]) -> dict[Controller, Hierarchy]:
    """The hierarchy of each controller: version 1 where it is mounted there, else version 2."""
    table: dict[Controller, Hierarchy] = {}
    for hierarchy in sorted(found, key=lambda hierarchy: hierarchy.version):
        for controller in CONTROLLERS:
            if controller in hierarchy.controllers:
                table.setdefault(controller, hierarchy)
    return table


def hierarchies(mountinfo: str) -> list[Hierarchy]:
    """The hierarchies of a mount table, the first mount of each."""
    found: dict[str, Hierarchy] = {}
    for line in mountinfo.splitlines():
        fields, _, described = line.partition(" - ")
        kind, _, rest = described.partition(" ")
        if kind not in ("cgroup", "cgroup2"):
            continue
        root, point, options = fields.split(" ")[3:6]
        supers = rest.rsplit(" ", 1)[-1].split(",")
        writable = "rw" in options.split(",") and "rw" in supers
        point, root = _unescaped(point), _unescaped(root)
        if kind == "cgroup2":
            made = Hierarchy(2, point, root, _controllers_of_v2(point), writable, "")
        else:
            names = frozenset(c for c in CONTROLLERS if c in supers)
            made = Hierarchy(1, point, root, names, writable, _key(names))
        if made.controllers:
            found.setdefault(made.key, made)
    return list(found.values())


def groups_of(text: str) -> dict[str, str]:
    """The group of a process in each hierarchy, by :attr:`Hierarchy.key`."""
    groups = {}
    for line in text.splitlines():
        _, _, rest = line.partition(":")
        names, _, group = rest.partition(":")
        known = frozenset(c for c in CONTROLLERS if c in names.split(","))
        if not names or known:
            groups[_key(known)] = group
    return groups


def _key(controllers: frozenset[Controller]) -> str:
    return ",".join(sorted(controllers))


def _controllers_of_v2(point: str) -> frozenset[Controller]:
    """What can be limited below the root of a hierarchy of version 2."""
    try:
        words = read_text(f"{point}/cgroup.controllers").split()
    except OSError:
        return frozenset()
    names: set[Controller] = {ours for ours, theirs in _OF_V2.items() if theirs in words}
    if "cpu" in names:
        names.add("cpuacct")
    if names:
        names.add("devices")  # by a program, without a controller
    return frozenset(names)


def _unescaped(path: str) -> str:
    return _ESCAPED.sub(lambda match: chr(int(match.group(1), 8)), path)
