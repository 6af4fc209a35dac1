# SPDX-License-Identifier: Apache-2.0
"""The groups of one guest: made before its process, found again by it, removed after it."""

from __future__ import annotations

import errno
import os
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from virloom.enums.error import ErrorDomain
from virloom.errors import OperationFailed, OperationInvalid, system_failure
from virloom.host.cgroup.backend import Backend
from virloom.host.cgroup.files import read_text, write_text
from virloom.host.cgroup.layout import (
    DEFAULT_PARTITION,
    THREADED,
    ThreadKind,
    guest_group,
    partition_path,
)
from virloom.host.cgroup.mounts import Controller, Hierarchies, Hierarchy, Version, groups_of
from virloom.host.cgroup.removal import remove
from virloom.host.cgroup.v1 import V1
from virloom.host.cgroup.v2 import V2
from virloom.host.identity import boot_id

_BACKENDS: Mapping[Version, Backend] = {1: V1(), 2: V2()}

#: What a host says to somebody who may not make groups.
_NO_RIGHT = (errno.EACCES, errno.EPERM, errno.EROFS)

#: How libvirt calls controllers when they are missing.
_TITLES: Mapping[Controller, str] = {"cpu": "CPU"}

MakeDirectory = Callable[[str], None]


class Place(NamedTuple):
    """A guest's group in one hierarchy.

    Attributes:
        version: Of the hierarchy.
        directory: The group's directory.
        controllers: What is limited there.
    """

    version: Version
    directory: str
    controllers: frozenset[Controller]

    @property
    def backend(self) -> Backend:
        """The files of its version."""
        return _BACKENDS[self.version]

    @property
    def threaded(self) -> bool:
        """Whether threads have groups of their own in it."""
        return self.version == 2 or bool(self.controllers & THREADED)

    def of_threads(self, name: str) -> str:
        """The directory of a group of threads."""
        return f"{self.directory}/{name}"


class GuestGroups:
    """What of the host one guest has.

    Attributes:
        places: Its groups.
        usual_devices: Paths of the devices that it may open whatever its document says.
    """

    def __init__(self, places: Sequence[Place], usual_devices: tuple[str, ...] = ()) -> None:
        self.usual_devices = usual_devices
        self.places = tuple(places)
        self._by_controller = {name: place for place in places for name in place.controllers}

    def __repr__(self) -> str:
        return f"GuestGroups({[place.directory for place in self.places]})"

    def has(self, controller: Controller) -> bool:
        """Whether *controller* can be used for the guest."""
        return controller in self._by_controller

    def place(self, controller: Controller) -> Place:
        """Where *controller* is used for the guest.

        Raises:
            OperationInvalid: Nowhere.
        """
        place = self._by_controller.get(controller)
        if place is None:
            title = _TITLES.get(controller, controller)
            raise OperationInvalid(
                f"cgroup {title} controller is not mounted", domain=ErrorDomain.QEMU
            )
        return place

    def entrances(self) -> list[str]:
        """The files that a single-threaded process writes ``0`` to, to be in the groups."""
        return [
            f"{place.of_threads('emulator') if place.threaded else place.directory}"
            f"/{place.backend.process_file}"
            for place in self.places
        ]

    def resource(self) -> dict[str, Any]:
        """For the record of the guest, in the form of :mod:`virloom.host.release`."""
        directories = [place.directory for place in self.places]
        return {"kind": "cgroup", "path": directories[0], "directories": directories,
                "boot_id": boot_id()}  # fmt: skip

    # -- threads -------------------------------------------------------------------------------

    def thread_places(self, kind: ThreadKind, number: int | None = None) -> list[tuple[Place, str]]:
        """The groups of one thread of the guest, each with its directory."""
        name = kind if number is None else f"{kind}{number}"
        return [(place, place.of_threads(name)) for place in self.places if place.threaded]

    def threads_of(self, controller: Controller, kind: ThreadKind) -> list[str]:
        """The directories of all threads of a kind, by their numbers."""
        place = self.place(controller)
        with os.scandir(place.directory) as entries:
            names = [entry.name for entry in entries if entry.name.startswith(kind)]
        numbered = {name.removeprefix(kind): name for name in names}
        numbers = sorted(number for number in numbered if number.isdecimal() or not number)
        return [place.of_threads(numbered[number]) for number in sorted(numbers, key=_order)]

    def add_thread_group(
        self, kind: ThreadKind, number: int, make: MakeDirectory = os.mkdir
    ) -> bool:
        """Makes the groups of a thread that comes; False if they were there already.

        Raises:
            SystemFailure: The kernel refuses.
        """
        new = False
        for place, directory in self.thread_places(kind, number):
            try:
                if _made(directory, make):
                    new = True
                    place.backend.prepare(place.directory, directory, threads=True)
            except OSError as exc:
                doing = f"cannot make the group '{directory}'"
                raise system_failure(doing, exc, domain=ErrorDomain.CGROUP) from exc
        return new

    def move_thread(self, kind: ThreadKind, number: int, thread: int) -> None:
        """Puts a thread where it belongs, unless it has ended, or its groups have gone.

        The kernel may take some ten milliseconds for it.

        Raises:
            SystemFailure: The kernel refuses.
        """
        for place, directory in self.thread_places(kind, number):
            try:
                write_text(f"{directory}/{place.backend.thread_file}", str(thread))
            except OSError as exc:
                if exc.errno not in (errno.ESRCH, errno.ENOENT, errno.ENODEV):
                    doing = f"cannot move thread {thread} to '{directory}'"
                    raise system_failure(doing, exc, domain=ErrorDomain.CGROUP) from exc

    def has_thread(self, kind: ThreadKind, number: int, thread: int) -> bool:
        """Whether a thread is where it belongs."""
        for place, directory in self.thread_places(kind, number):
            try:
                inside = read_text(f"{directory}/{place.backend.thread_file}").split()
            except OSError:
                return False
            if str(thread) not in inside:
                return False
        return True

    def remove_thread_group(self, kind: ThreadKind, number: int) -> None:
        """Removes the groups of a thread that has ended; what is not there is no error.

        Raises:
            SystemFailure: Something is still in it.
        """
        for _, directory in self.thread_places(kind, number):
            try:
                os.rmdir(directory)
            except FileNotFoundError:
                continue
            except OSError as exc:
                doing = f"cannot remove '{directory}'"
                raise system_failure(doing, exc, domain=ErrorDomain.CGROUP) from exc


def _order(number: str) -> int:
    return int(number or 0)


def planned(
    hierarchies: Hierarchies,
    partition: str | None,
    name: str,
    wanted: Iterable[Controller],
) -> GuestGroups | None:
    """Where the groups of a guest are going to be; None if there is nothing to make them in.

    Args:
        partition: As its document has it.
        name: Of its group.
        wanted: The controllers that may be used.

    Raises:
        ValueError: The partition is none.
    """
    path = f"{partition_path(partition or DEFAULT_PARTITION)}/{name}"
    used: dict[Hierarchy, set[Controller]] = {}
    for controller in wanted:
        hierarchy = hierarchies.by_controller.get(controller)
        if hierarchy is not None:
            used.setdefault(hierarchy, set()).add(controller)
    places = [
        Place(hierarchy.version, hierarchy.point + path, frozenset(controllers))
        for hierarchy, controllers in used.items()
    ]
    return GuestGroups(places) if places else None


def make(
    groups: GuestGroups, thread_names: Sequence[str], make_directory: MakeDirectory = os.mkdir
) -> GuestGroups | None:
    """Makes the groups.

    Args:
        thread_names: The groups for threads.

    Returns:
        What there is now: controllers that the kernel does not hand down are missing. None where
        this process has no right to make groups; nothing is left then.

    Raises:
        OperationFailed: A group of that name is in use.
        SystemFailure: The kernel refuses; the partition is not there, say.
    """
    made: list[Place] = []
    try:
        for place in groups.places:
            made.append(place)
            _make_place(place, thread_names, make_directory)
    except OSError as exc:
        remove([place.directory for place in made])
        if exc.errno in _NO_RIGHT:
            return None
        doing = f"cannot make the group '{made[-1].directory}'"
        raise system_failure(doing, exc, domain=ErrorDomain.CGROUP) from exc
    except BaseException:
        remove([place.directory for place in made])
        raise
    return GuestGroups([_usable(place) for place in made])


def _usable(place: Place) -> Place:
    """Version 2 may keep back what the root has."""
    if place.version == 1:
        return place
    present = read_text(f"{place.directory}/cgroup.controllers").split()
    names = {"blkio": "io", "cpuacct": "cpu"}
    kept = {
        name for name in place.controllers if name == "devices" or names.get(name, name) in present
    }
    return place._replace(controllers=frozenset(kept))


def _make_place(place: Place, thread_names: Sequence[str], make: MakeDirectory) -> None:
    parent = os.path.dirname(place.directory)
    backend = place.backend
    if parent.endswith(DEFAULT_PARTITION):
        top = os.path.dirname(parent)
        backend.hand_down(top, threads=False)
        if _made(parent, make):
            backend.prepare(top, parent, threads=False)
    backend.hand_down(parent, threads=False)
    if not _made(place.directory, make):
        _clear(place.directory)
        make(place.directory)
    backend.prepare(parent, place.directory, threads=False)
    if place.threaded:
        backend.hand_down(place.directory, threads=True)
        for name in thread_names:
            directory = place.of_threads(name)
            make(directory)
            backend.prepare(place.directory, directory, threads=True)


def _made(directory: str, make: MakeDirectory) -> bool:
    """Makes a directory; False if it was there."""
    try:
        make(directory)
    except FileExistsError:
        return False
    return True


def _clear(directory: str) -> None:
    """Removes a left-over group.

    Raises:
        OperationFailed: Somebody is in it.
    """
    if remove([directory]):
        raise OperationFailed(
            f"the control group '{directory}' is in use by another guest",
            domain=ErrorDomain.CGROUP,
        )


def find(pid: int, name: str, hierarchies: Hierarchies, proc: str = "/proc") -> GuestGroups | None:
    """The groups that a guest's process is in; None if it is in none of that name.

    Args:
        pid: The process, or any thread of it that is no vCPU.
        name: Of its group, which may be anywhere.

    Raises:
        OSError: The process has gone.
    """
    groups = groups_of(Path(proc, str(pid), "cgroup").read_text())
    by_hierarchy: dict[Hierarchy, set[Controller]] = {}
    for controller, hierarchy in hierarchies.by_controller.items():
        by_hierarchy.setdefault(hierarchy, set()).add(controller)
    places = []
    for hierarchy, controllers in by_hierarchy.items():
        group = guest_group(groups.get(hierarchy.key, "/"))
        directory = hierarchy.directory(group)
        if directory is not None and group.rpartition("/")[2] == name:
            place = Place(hierarchy.version, directory, frozenset(controllers))
            places.append(_usable(place))
    return GuestGroups(places) if places else None
