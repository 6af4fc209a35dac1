# SPDX-License-Identifier: Apache-2.0
"""Which process a pid meant: identity over reuse of pids and over reboots.

The guardian process loads this module too and has to stay small: nothing but :mod:`os` here.
"""

from __future__ import annotations

import os

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Any

_boot_id = ""


def boot_id() -> str:
    """The id the kernel drew at this boot (``/proc/sys/kernel/random/boot_id``); read once."""
    global _boot_id
    if not _boot_id:
        with open("/proc/sys/kernel/random/boot_id", encoding="ascii") as file:
            _boot_id = file.read().strip()
    return _boot_id


def start_time(pid: int) -> int:
    """When *pid* started, in clock ticks since boot (field 22 of ``/proc/PID/stat``, proc(5)).

    It survives ``execve``, so a spawn helper and the program it becomes have the same one.

    Raises:
        ProcessLookupError: There is no such process.
    """
    try:
        with open(f"/proc/{pid}/stat", "rb") as file:
            stat = file.read()
    except FileNotFoundError as error:
        raise ProcessLookupError(f"no process {pid}") from error
    # The command in parentheses may hold spaces and parentheses; fields are counted after it.
    return int(stat[stat.rindex(b")") + 2 :].split()[19])


class ProcessIdentity:
    """A process for all time. Immutable; equal when all three are.

    Attributes:
        pid: Its id, which another process may have later.
        start_time: See :func:`start_time`.
        boot_id: See :func:`boot_id`.
    """

    __slots__ = ("boot_id", "pid", "start_time")

    def __init__(self, pid: int, start_time: int, boot_id: str) -> None:
        self.pid = pid
        self.start_time = start_time
        self.boot_id = boot_id

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, ProcessIdentity):
            return NotImplemented
        return self._key() == other._key()

    def __hash__(self) -> int:
        return hash(self._key())

    def __repr__(self) -> str:
        return f"ProcessIdentity({self.pid}, {self.start_time}, {self.boot_id!r})"

    def _key(self) -> tuple[int, int, str]:
        return self.pid, self.start_time, self.boot_id

    @classmethod
    def of(cls, pid: int) -> ProcessIdentity:
        """The identity of the process that has *pid* now.

        Raises:
            ProcessLookupError: There is none.
        """
        return cls(pid, start_time(pid), boot_id())

    def matches(self) -> bool:
        """Whether the process that has this pid now, if any, is the one meant."""
        if self.boot_id != boot_id():
            return False
        try:
            return start_time(self.pid) == self.start_time
        except ProcessLookupError:
            return False

    def to_json(self) -> dict[str, Any]:
        """What a status file keeps; :meth:`from_json` reads it."""
        return {"pid": self.pid, "start_time": self.start_time, "boot_id": self.boot_id}

    @classmethod
    def from_json(cls, data: dict[str, Any]) -> ProcessIdentity:
        """The identity that :meth:`to_json` wrote.

        Raises:
            ValueError: The data has not that form.
        """
        try:
            return cls(int(data["pid"]), int(data["start_time"]), str(data["boot_id"]))
        except (KeyError, TypeError, ValueError) as error:
            raise ValueError(f"not a process identity: {data!r}") from error


def process_ids() -> Iterator[int]:
    """The pids of all processes that are visible here."""
    return (int(name) for name in os.listdir("/proc") if name.isdigit())


def _environment(pid: int) -> dict[str, str]:
    """The initial environment of a process; empty for a gone, foreign or dead one."""
    try:
        with open(f"/proc/{pid}/environ", "rb") as file:
            data = file.read()
    except OSError:
        return {}
    pairs = (entry.partition(b"=") for entry in data.split(b"\0") if entry)
    return {os.fsdecode(name): os.fsdecode(value) for name, _, value in pairs}


def processes_with_environ(prefix: str) -> Iterator[tuple[ProcessIdentity, dict[str, str]]]:
    """Processes whose environment has variables that start with *prefix*, with those variables.

    Sees processes that this user may read: its own, and all for root.
    """
    for pid in process_ids():
        environment = _environment(pid)
        found = {name: value for name, value in environment.items() if name.startswith(prefix)}
        if not found:
            continue
        try:
            identity = ProcessIdentity.of(pid)
        except ProcessLookupError:  # it ended while we looked
            continue
        yield identity, found


def find_by_environ(variable: str, value: str) -> list[ProcessIdentity]:
    """The processes that were started with ``variable=value`` in their environment."""
    return [
        identity
        for identity, found in processes_with_environ(variable)
        if found.get(variable) == value
    ]
