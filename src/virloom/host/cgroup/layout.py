# SPDX-License-Identifier: Apache-2.0
"""Names and places of a guest's groups: libvirt's, as it has them on hosts without systemd.

``PARTITION/qemu-ID-NAME.libvirt-qemu``, and below it ``emulator``, ``vcpuN`` and ``iothreadN`` for
those controllers that tell threads apart.
"""

from __future__ import annotations

import hashlib
import string
from collections.abc import Iterable
from typing import Literal

from virloom.host.cgroup.mounts import CONTROLLERS, Controller

#: Where guests are whose document names no partition.
DEFAULT_PARTITION = "/machine"

#: What has groups of its own for threads.
THREADED: frozenset[Controller] = frozenset({"cpu", "cpuset", "cpuacct"})

#: Kinds of threads: ``emulator`` has no number.
ThreadKind = Literal["emulator", "vcpu", "iothread"]

#: Of the name of a machine (machined takes no more), and what it may have.
_NAME_LIMIT = 64
_NAME_CHARACTERS = string.ascii_letters + string.digits
_TOP = ("machine", "system", "user")
#: Files of a group begin so; a group of that name could not be made beside them.
_RESERVED = ("notify_on_release", "release_agent", "tasks")


def machine_name(id: int, name: str, root: str | None = None) -> str:
    """The name of a guest among the host's machines.

    Args:
        root: The root of a driver that is not the system's; None for the system's.
    """
    prefix = "qemu-"
    if root is not None:
        prefix += f"embed-{hashlib.sha256(root.encode()).hexdigest()[:8]}-"
    found = f"{prefix}{id}-"
    separated = True
    for character in name:
        if len(found) >= _NAME_LIMIT:
            break
        separator = character in ".-"
        if (separator and not separated) or character in _NAME_CHARACTERS:
            found += character
        elif not separator:
            continue
        separated = separator
    return found


def group_name(machine: str) -> str:
    """The name of a machine's group."""
    return _escaped(f"{machine}.libvirt-qemu")


def partition_path(partition: str) -> str:
    """The path of a partition's group below its hierarchy's root: ``/machine/a.partition``.

    Raises:
        ValueError: It is no absolute path, or has ``..`` in it.
    """
    if not partition.startswith("/") or ".." in partition.split("/"):
        raise ValueError(f"'{partition}' is not the path of a partition")
    parts = [part for part in partition.split("/") if part]
    named = [
        part
        if (place == 0 and part in _TOP) or part.endswith(".partition")
        else f"{part}.partition"
        for place, part in enumerate(parts)
    ]
    return "".join(f"/{_escaped(part)}" for part in named)


def _escaped(name: str) -> str:
    """A name that no file of the kernel can have."""
    first = name.partition(".")[0]
    taken = name in _RESERVED or name[:1] in ("_", ".")
    if taken or ("." in name and (first == "cgroup" or first in CONTROLLERS)):
        return f"_{name}"
    return name


def thread_groups(vcpus: Iterable[int], iothreads: Iterable[int]) -> list[str]:
    """The groups of a guest's threads."""
    return [
        "emulator",
        *(f"vcpu{number}" for number in vcpus),
        *(f"iothread{number}" for number in iothreads),
    ]


def guest_group(place: str) -> str:
    """The group of a guest in which a process at *place* is."""
    parent, _, name = place.rpartition("/")
    return parent if name == "emulator" else place
