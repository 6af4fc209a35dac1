# SPDX-License-Identifier: Apache-2.0
"""The process of an active guest, and the way to talk to it."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, NamedTuple

from virloom.drivers.qemu.block.volumes import as_told
from virloom.drivers.qemu.locks.guest import GuestLeases
from virloom.drivers.qemu.monitor.client import Monitor
from virloom.drivers.qemu.process.logs import GuestLog
from virloom.drivers.qemu.process.record import GuestRecord
from virloom.endpoint.stream import StreamEnd
from virloom.enums.domain import (
    DomainEventStoppedDetailType,
    DomainPausedReason,
    DomainRunningReason,
    DomainShutoffReason,
)
from virloom.enums.error import ErrorDomain
from virloom.errors import OperationFailed, OperationInvalid, VirloomError
from virloom.host.process import Process
from virloom.model.domain import Cpu, Domain
from virloom.xml import FormatFlags, format_document, parse_document

if TYPE_CHECKING:
    from virloom.drivers.qemu.agent.client import Agent
    from virloom.drivers.qemu.backup.state import RunningBackup
    from virloom.drivers.qemu.blockjobs.job import BlockJob
    from virloom.drivers.qemu.domain import Guest
    from virloom.host.cgroup.group import GuestGroups
    from virloom.host.counters import Counter


class StopCause(NamedTuple):
    """Why a guest ends: the reason that its state shows, and the detail of its last event."""

    reason: DomainShutoffReason
    detail: DomainEventStoppedDetailType


SHUT_DOWN = StopCause(DomainShutoffReason.SHUTDOWN, DomainEventStoppedDetailType.SHUTDOWN)
SAVED = StopCause(DomainShutoffReason.SAVED, DomainEventStoppedDetailType.SAVED)
DESTROYED = StopCause(DomainShutoffReason.DESTROYED, DomainEventStoppedDetailType.DESTROYED)
CRASHED = StopCause(DomainShutoffReason.CRASHED, DomainEventStoppedDetailType.CRASHED)
FAILED = StopCause(DomainShutoffReason.CRASHED, DomainEventStoppedDetailType.FAILED)
FROM_SNAPSHOT = StopCause(
    DomainShutoffReason.FROM_SNAPSHOT, DomainEventStoppedDetailType.FROM_SNAPSHOT
)
START_FAILED = StopCause(DomainShutoffReason.FAILED, DomainEventStoppedDetailType.FAILED)


class RunningGuest:
    """One incarnation of a guest.

    Attributes:
        guest: The domain that runs.
        record: Its status file.
        model: The live tree, with what QEMU has given the guest.
        monitor: The connection to QEMU; None once it is lost.
        process: QEMU, our child or one that was taken over.
        log: Its log file.
        cause: Why it is being stopped; None while nobody does.
        shutdown_seen: QEMU has announced its shutdown.
        fake_reboot: The guest's next power-off is to be a reboot.
        pause_reason, resume_reason: What the next stop or start of the CPUs means.
        removals: Who waits for a device to go, by its alias: True when it has gone, False when
            the guest keeps it.
        agent: The connection to the guest's agent; None while nobody in the guest is one.
        blockjobs: Jobs on its disks by QEMU's names of them.
        backup: The backup that is going on.
        formatting: Set when QEMU has formatted an image, by the name of that job.
        consoles: Open console streams by device alias.
        counters: What counts events of the host's processor, by their names.
        loading: It is given the state of a saved guest; if it ends, its start has failed.
        dump_error: What went wrong with the last dump, in QEMU's words.
        progressed: Set when QEMU tells of its migration stream or of a dump, or can tell no more.
        asleep: Set when the guest goes to sleep; whoever sends it there clears it before.
        ended: Done when the process is gone and all it held is released.
        groups: Its control groups; None if it has none.
        leases: What others may not write to meanwhile.
        monitor_error: What broke the monitor, for those who ask for the control state.
    """

    def __init__(
        self,
        guest: Guest,
        record: GuestRecord,
        model: Domain,
        monitor: Monitor | None,
        process: Process,
        log: GuestLog,
    ) -> None:
        self.guest = guest
        self.record = record
        self.model = model
        self.monitor = monitor
        self.process = process
        self.log = log
        self.cause: StopCause | None = None
        self.shutdown_seen = False
        self.fake_reboot = bool(record.runtime.get("fake_reboot"))
        self.pause_reason = DomainPausedReason.UNKNOWN
        self.resume_reason = DomainRunningReason.UNPAUSED
        self.removals: dict[str, asyncio.Future[bool]] = {}
        self.agent: Agent | None = None
        self.blockjobs: dict[str, BlockJob] = {}
        self.backup: RunningBackup | None = None
        self.formatting: dict[str, asyncio.Event] = {}
        self.consoles: dict[str, StreamEnd] = {}
        self.counters: dict[str, Counter] = {}
        self.loading = False
        self.dump_error: str | None = None
        self.progressed = asyncio.Event()
        self.asleep = asyncio.Event()
        self.ended: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self.monitor_error: str | None = None
        self.groups: GuestGroups | None = None
        self.leases = GuestLeases(self)
        self.undo_autodestroy: Callable[[], None] = lambda: None

    @property
    def pid(self) -> int:
        """QEMU's process id."""
        return self.process.pid

    async def execute(
        self,
        command: str,
        arguments: Mapping[str, Any] | None = None,
        *,
        limit: float | None = None,
    ) -> Any:
        """Runs a monitor command and returns what QEMU answers.

        Raises:
            OperationTimeout: QEMU does not answer within *limit* seconds, or the usual ones.
            OperationFailed: The monitor is lost, or the guest has ended meanwhile.
            InternalError: QEMU refuses.
        """
        limit = self.guest.patience.answer if limit is None else limit
        told = not command.startswith("query-")  # those come every second, and change nothing
        try:
            result = await self.require_monitor().execute(command, arguments, timeout=limit)
        except VirloomError as exc:
            if told:
                self.guest.note("monitor", f"{command}: {exc.message}")
            raise
        if told:
            self.guest.note("monitor", f"{command}: done")
        self.require_current()
        return result

    async def go_on(self) -> None:
        """Lets the CPUs run, with the leases that the guest needs for that.

        Raises:
            ResourceBusy: Another guest has one of its images.
            VirloomError: As :meth:`execute`; or nobody gives leases.
        """
        await self.leases.take()
        self.require_current()
        await self.execute("cont")

    def require_monitor(self) -> Monitor:
        """The connection to QEMU.

        Raises:
            OperationFailed: It is lost; says why.
        """
        if self.monitor is None:
            raise OperationFailed(
                f"domain '{self.guest.name}' cannot be controlled: "
                f"{self.monitor_error or 'its monitor is closed'}",
                domain=ErrorDomain.QEMU,
            )
        return self.monitor

    def require_current(self) -> None:
        """Checks after a wait that this incarnation still runs.

        Raises:
            OperationInvalid: It has ended; the domain may run again as another one.
        """
        if self.guest.running is not self:
            raise OperationInvalid(
                f"domain '{self.guest.name}' ended while this call was being served",
                domain=ErrorDomain.QEMU,
            )

    def set_document(self) -> None:
        """Notes the live document, secrets included, for the next :meth:`save`."""
        flags = FormatFlags.SECURE | FormatFlags.STATUS
        self.record.document = format_document(self.model, flags)

    def migratable_model(self) -> Domain:
        """The tree for another host: with the processor that was asked for, not what came of it."""
        text = self.record.runtime.get("asked_cpu")
        model = as_told(self.model)
        return model.beside(cpu=parse_document(Cpu, text)) if text else model

    def save(self) -> None:
        """Brings the status file up to date.

        Raises:
            SystemFailure: It cannot be written; the former one is still there.
        """
        self.record.state = int(self.guest.state)
        self.record.reason = int(self.guest.reason)
        self.record.persistent = self.guest.persistent
        self.record.runtime["fake_reboot"] = self.fake_reboot
        self.record.runtime["agent_timeout"] = self.guest.agent_timeout
        self.record.save()

    def is_stopped_process(self) -> bool:
        """Whether the process is stopped by a signal, as ``/proc/PID/stat`` tells (proc(5))."""
        try:
            with open(f"/proc/{self.pid}/stat", "rb") as file:
                stat = file.read()
        except OSError:
            return False
        return stat[stat.rindex(b")") + 2 :][:1] in (b"T", b"t")

    def cpu_times(self) -> tuple[int, int]:
        """Nanoseconds that QEMU has run in user and in system mode (proc(5), fields 14 and 15)."""
        with open(f"/proc/{self.pid}/stat", "rb") as file:
            stat = file.read()
        fields = stat[stat.rindex(b")") + 2 :].split()
        tick = 1_000_000_000 // os.sysconf("SC_CLK_TCK")
        return int(fields[11]) * tick, int(fields[12]) * tick

    def close_agent(self) -> None:
        """Hangs up on the agent; whoever waits for an answer of it gets an error."""
        if self.agent is not None:
            agent, self.agent = self.agent, None
            agent.close()

    def close_counters(self) -> None:
        """Counts nothing any more."""
        while self.counters:
            self.counters.popitem()[1].close()

    def close(self) -> None:
        """Lets go of every descriptor; what other callers wait for ends with an error."""
        for stream in list(self.consoles.values()):
            stream.abort()
        self.consoles.clear()
        self.close_counters()
        self.close_agent()
        self.progressed.set()
        for job in self.blockjobs.values():
            job.concluded.set()
        for formatted in self.formatting.values():
            formatted.set()
        if self.monitor is not None:
            monitor, self.monitor = self.monitor, None
            monitor.close()
        self.process.close()
        self.log.close()
