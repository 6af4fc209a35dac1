# SPDX-License-Identifier: Apache-2.0
"""Which process a pid meant: identity over reuse of pids and over reboots.

Standard library only and no asyncio: the guardian process loads this module too.
"""

from __future__ import annotations

import contextlib
import functools
import os
from collections.abc import Iterator
from typing import Any, NamedTuple


@functools.cache
def boot_id() -> str:
    """The id the kernel drew at this boot (``/proc/sys/kernel/random/boot_id``)."""
    with open("/proc/sys/kernel/random/boot_id", encoding="ascii") as file:
        return file.read().strip()


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


class ProcessIdentity(NamedTuple):
    """A process for all time: pid, start time and boot."""

    pid: int
    start_time: int
    boot_id: str

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
        return self._asdict()

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
        if found:
            with contextlib.suppress(ProcessLookupError):  # it ended while we looked
                yield ProcessIdentity.of(pid), found


def find_by_environ(variable: str, value: str) -> list[ProcessIdentity]:
    """The processes that were started with ``variable=value`` in their environment."""
    return [
        identity
        for identity, found in processes_with_environ(variable)
        if found.get(variable) == value
    ]
