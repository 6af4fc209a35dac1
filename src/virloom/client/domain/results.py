# SPDX-License-Identifier: Apache-2.0
"""What a domain's calls return."""

from __future__ import annotations

from enum import IntEnum
from typing import NamedTuple

from virloom.client.domain.ref import DomainRef
from virloom.client.params import ParamValue, member
from virloom.client.value import Value
from virloom.enums import domain as e

_REASONS: dict[int, type[IntEnum]] = {
    e.DomainState.NOSTATE: e.DomainNostateReason,
    e.DomainState.RUNNING: e.DomainRunningReason,
    e.DomainState.BLOCKED: e.DomainBlockedReason,
    e.DomainState.PAUSED: e.DomainPausedReason,
    e.DomainState.SHUTDOWN: e.DomainShutdownReason,
    e.DomainState.SHUTOFF: e.DomainShutoffReason,
    e.DomainState.CRASHED: e.DomainCrashedReason,
    e.DomainState.PMSUSPENDED: e.DomainPMSuspendedReason,
}


class DomainStatus(NamedTuple):
    """State and reason; plain numbers where a newer host has more of them than we know."""

    state: e.DomainState | int
    reason: IntEnum | int

    @classmethod
    def of(cls, state: int, reason: int) -> DomainStatus:
        """From the two numbers of the protocol."""
        kinds = _REASONS.get(state)
        return cls(member(e.DomainState, state), member(kinds, reason) if kinds else reason)


class DomainInfo(Value):
    """The short description of a domain."""

    state: e.DomainState | int
    max_memory: int
    """KiB."""
    memory: int
    """KiB that the guest has now."""
    vcpus: int
    cpu_time: int
    """Nanoseconds."""


class ControlInfo(Value):
    """Whether the driver can talk to the guest's monitor."""

    state: e.DomainControlState | int
    error: e.DomainControlErrorReason | int
    state_time: int
    """Milliseconds in this state."""


class BlockStats(Value):
    """Counters of a disk; -1 where the host does not count."""

    rd_req: int
    rd_bytes: int
    wr_req: int
    wr_bytes: int
    errs: int


class BlockInfo(Value):
    """Sizes of a disk, in bytes."""

    capacity: int
    allocation: int
    physical: int


class BlockJobInfo(Value):
    """A running block job."""

    type: e.DomainBlockJobType | int
    bandwidth: int
    cur: int
    end: int


class DiskError(Value):
    """A disk that has failed, by its target's name."""

    disk: str
    error: e.DomainDiskErrorCode | int


class InterfaceStats(Value):
    """Counters of a network interface; -1 where the host does not count."""

    rx_bytes: int
    rx_packets: int
    rx_errs: int
    rx_drop: int
    tx_bytes: int
    tx_packets: int
    tx_errs: int
    tx_drop: int


class IPAddress(Value):
    """An address of a guest's interface."""

    address: str
    prefix: int
    version: int
    """4 or 6."""


class GuestInterface(Value):
    """An interface as the chosen source knows it."""

    name: str
    hwaddr: str | None
    addresses: tuple[IPAddress, ...]


class VcpuInfo(Value):
    """One virtual processor."""

    number: int
    state: e.VcpuState | int
    cpu_time: int
    """Nanoseconds."""
    cpu: int
    """The host's processor that it runs on; negative: VcpuHostCpuState of the domain enums."""
    affinity: frozenset[int]
    """The host's processors that it may run on."""


class IOThreadInfo(Value):
    """One I/O thread."""

    id: int
    affinity: frozenset[int]


class SchedulerType(NamedTuple):
    """The scheduler's name, and how many parameters it has."""

    name: str
    parameters: int


class JobInfo(Value):
    """A job of the domain; times in milliseconds, amounts in bytes."""

    type: e.DomainJobType | int
    time_elapsed: int
    time_remaining: int
    data_total: int
    data_processed: int
    data_remaining: int
    mem_total: int
    mem_processed: int
    mem_remaining: int
    file_total: int
    file_processed: int
    file_remaining: int


class JobStats(NamedTuple):
    """A job's kind and its statistics."""

    type: e.DomainJobType | int
    values: dict[str, ParamValue]


class SecurityLabel(Value):
    """A security label of the QEMU process."""

    label: str
    enforcing: bool


class FSInfo(Value):
    """A file system mounted in the guest."""

    mountpoint: str
    name: str
    fstype: str
    devices: tuple[str, ...]


class GuestTime(NamedTuple):
    """The guest's clock: seconds since 1970, and nanoseconds."""

    seconds: int
    nanoseconds: int


class Screenshot(NamedTuple):
    """A picture of a guest's screen."""

    mime: str | None
    data: bytes


class DomainStats(Value):
    """Statistics of one domain by libvirt's names, such as ``state.state`` or ``cpu.time``."""

    domain: DomainRef
    values: dict[str, ParamValue]
