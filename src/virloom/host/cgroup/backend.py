# SPDX-License-Identifier: Apache-2.0
"""What both versions of control groups can: one interface over the files of a group."""

from __future__ import annotations

import os
import stat
from collections.abc import Sequence
from typing import Literal, NamedTuple, Protocol

from virloom.enums.error import ErrorDomain
from virloom.errors import system_failure
from virloom.host.cgroup.devices import DeviceRule

#: What can be limited of a block device.
BlockLimit = Literal[
    "weight", "read_iops_sec", "write_iops_sec", "read_bytes_sec", "write_bytes_sec"
]

#: What can be limited of memory: never more, less when it is short, with swap never more.
MemoryLimit = Literal["hard_limit", "soft_limit", "swap_hard_limit"]

#: KiB that stand for no limit (``VIR_DOMAIN_MEMORY_PARAM_UNLIMITED``).
UNLIMITED = 9007199254740991


class Bandwidth(NamedTuple):
    """Processor time: *quota* of each *period*, both in microseconds; a quota of -1 is no limit."""

    period: int
    quota: int


class Usage(NamedTuple):
    """Processor time in nanoseconds."""

    total: int
    user: int
    system: int


class Backend(Protocol):
    """The files of one version; *group* is always the directory of a group.

    Every method raises SystemFailure where the kernel does not take a value.
    """

    #: Files that take the id of a process, and of one thread.
    process_file: str
    thread_file: str

    def hand_down(self, parent: str, *, threads: bool) -> None:
        """Lets groups below *parent* have its controllers, *threads* groups for single threads."""

    def prepare(self, parent: str, group: str, *, threads: bool) -> None:
        """Makes a group that has just been made usable, *threads* one for single threads."""

    def shares(self, group: str) -> int:
        """The weight among the groups beside it."""

    def set_shares(self, group: str, value: int) -> None:
        """Changes the weight.

        Raises:
            InvalidArg: It is beyond what the kernel knows.
        """

    def bandwidth(self, group: str) -> Bandwidth:
        """The limit of processor time."""

    def set_bandwidth(self, group: str, period: int | None, quota: int | None) -> None:
        """Changes one or both; a negative quota is no limit."""

    def memory(self, group: str, limit: MemoryLimit) -> int:
        """KiB."""

    def set_memory(self, group: str, limit: MemoryLimit, kib: int) -> None:
        """Changes a limit; :data:`UNLIMITED` takes it away."""

    def set_nodes(self, group: str, nodes: str) -> None:
        """The host's nodes that memory is taken from, as ``0-1,3``."""

    def weight(self, group: str) -> int:
        """The weight of block I/O."""

    def set_weight(self, group: str, value: int) -> None:
        """Changes it.

        Raises:
            OperationInvalid: No scheduler of the host's has weights.
        """

    def set_block_limit(self, group: str, limit: BlockLimit, device: str, value: int) -> None:
        """Limits a device, by its path; 0 is no limit.

        Raises:
            OperationInvalid: No scheduler of the host's has weights.
        """

    def usage(self, group: str) -> Usage:
        """What the processes of a group, and of those below it, have used."""

    def usage_per_cpu(self, group: str) -> Sequence[int]:
        """Nanoseconds by host CPU.

        Raises:
            OperationUnsupported: This version does not count them apart.
        """

    def set_devices(self, group: str, rules: Sequence[DeviceRule]) -> None:
        """Lets the group use nothing but these devices; those that it goes on with work on."""


def device_number(path: str) -> str:
    """``MAJOR:MINOR`` of a block device.

    Raises:
        SystemFailure: It is not there, or is none.
    """
    try:
        status = os.stat(path)
        if not stat.S_ISBLK(status.st_mode):
            raise OSError(22, "not a block device")
    except OSError as exc:
        doing = f"'{path}' must be a block device"
        raise system_failure(doing, exc, domain=ErrorDomain.CGROUP) from exc
    return f"{os.major(status.st_rdev)}:{os.minor(status.st_rdev)}"
