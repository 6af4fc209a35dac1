# SPDX-License-Identifier: Apache-2.0
"""Descriptors that a client opened for a guest's images, by the name that disk sources use."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Callable
from typing import TYPE_CHECKING

from virloom.enums.error import ErrorDomain
from virloom.errors import InvalidArg, system_failure
from virloom.host.fdpass import OwnedFds

if TYPE_CHECKING:
    from virloom.model.domain import Disk


class FdGroup:
    """Descriptors of one image, perhaps one for each kind of access.

    Args:
        name: What ``<source fdgroup='…'/>`` calls it.
        fds: The descriptors; owned.
    """

    def __init__(self, name: str, fds: list[int]) -> None:
        self.name = name
        self._fds = OwnedFds(fds)

    @property
    def first(self) -> int:
        """A descriptor to look at the image by."""
        return self._fds.numbers[0]

    def open(self, access: str) -> int:
        """A descriptor with just this access (``r`` or ``rw``), the caller's own.

        Raises:
            InvalidArg: None of the group allows it.
            SystemFailure: The one that does cannot be opened once more.
        """
        wanted = os.O_RDONLY if access == "r" else os.O_RDWR
        modes = {fcntl.fcntl(fd, fcntl.F_GETFL) & os.O_ACCMODE: fd for fd in self._fds.numbers}
        if wanted in modes:
            return os.dup(modes[wanted])
        if wanted == os.O_RDWR or os.O_RDWR not in modes:
            raise InvalidArg(
                f"no file descriptor of group '{self.name}' is open for "
                + ("reading" if access == "r" else "writing"),
                domain=ErrorDomain.STORAGE,
            )
        try:
            return os.open(f"/proc/self/fd/{modes[os.O_RDWR]}", os.O_RDONLY | os.O_CLOEXEC)
        except OSError as exc:
            raise system_failure(f"cannot open the image of '{self.name}' again", exc) from exc

    def close(self) -> None:
        """Closes the descriptors; idempotent."""
        self._fds.close()


class FdGroups:
    """The groups of one guest. Each lives as long as the connection that it came over."""

    def __init__(self) -> None:
        self._groups: dict[str, tuple[FdGroup, Callable[[], None]]] = {}

    def put(
        self, group: FdGroup, when_closed: Callable[[Callable[[], None]], Callable[[], None]]
    ) -> None:
        """Keeps *group*, in place of another of its name.

        Args:
            when_closed: Registers what is done at the connection's end, and returns how to take
                that back (:meth:`~virloom.endpoint.session.Session.on_close`).
        """
        replaced = self._groups.pop(group.name, None)
        if replaced is not None:
            replaced[0].close()
            replaced[1]()
        self._groups[group.name] = group, when_closed(lambda: self._drop(group))

    def _drop(self, group: FdGroup) -> None:
        group.close()
        present = self._groups.get(group.name)
        if present is not None and present[0] is group:
            del self._groups[group.name]

    def get(self, name: str) -> FdGroup:
        """The group of this name.

        Raises:
            InvalidArg: No connection has associated one.
        """
        found = self._groups.get(name)
        if found is None:
            raise InvalidArg(
                f"file descriptor group '{name}' was not associated with the domain",
                domain=ErrorDomain.QEMU,
            )
        return found[0]


def groups_of(disk: Disk) -> list[str | None]:
    """The group of each image that the document names for *disk*, top first."""
    names = [disk.source.fdgroup]
    store = disk.backing_store
    while store is not None:
        names.append(store.source.fdgroup)
        store = store.backing_store
    return names
