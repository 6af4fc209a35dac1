# SPDX-License-Identifier: Apache-2.0
"""What QEMU's events mean for a guest: its state, libvirt's events, the actions it asked for."""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import Callable, Coroutine, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from virloom.drivers.qemu.monitor.protocol import Event
from virloom.drivers.qemu.process import device_events
from virloom.drivers.qemu.process.dump import dump_memory
from virloom.drivers.qemu.process.running import (
    CRASHED,
    FAILED,
    FROM_SNAPSHOT,
    SAVED,
    SHUT_DOWN,
    RunningGuest,
    StopCause,
)
from virloom.drivers.qemu.process.stop import finish, stop
from virloom.enums.domain import (
    DomainCrashedReason,
    DomainEventCrashedDetailType,
    DomainEventID,
    DomainEventPMSuspendedDetailType,
    DomainEventResumedDetailType,
    DomainEventShutdownDetailType,
    DomainEventStartedDetailType,
    DomainEventSuspendedDetailType,
    DomainEventType,
    DomainPausedReason,
    DomainRunningReason,
    DomainShutdownReason,
    DomainState,
)
from virloom.errors import VirloomError

if TYPE_CHECKING:
    from virloom.drivers.qemu.driver import QemuDriver

logger = logging.getLogger(__name__)

#: Seconds that we wait for the end of the monitor's stream once the process has ended, and the
#: other way round. Both are there within microseconds unless something keeps them.
_DRAIN_LIMIT = 2.0

#: Characters of a monitor event's data that are noted.
_SHOWN = 500

#: Why the CPUs were stopped → what the event says.
_SUSPENDED_DETAIL = {
    DomainPausedReason.IOERROR: DomainEventSuspendedDetailType.IOERROR,
    DomainPausedReason.WATCHDOG: DomainEventSuspendedDetailType.WATCHDOG,
    DomainPausedReason.SHUTTING_DOWN: DomainEventSuspendedDetailType.GUEST_SHUTDOWN,
}


#: Why the CPUs go on → what the event says.
_RESUMED_DETAIL = {
    DomainRunningReason.RESTORED: DomainEventResumedDetailType.FROM_SNAPSHOT,
    DomainRunningReason.FROM_SNAPSHOT: DomainEventResumedDetailType.FROM_SNAPSHOT,
}


class Supervisor:
    """Watches one running guest until it has ended."""

    def __init__(self, driver: QemuDriver, running: RunningGuest) -> None:
        self._driver = driver
        self._running = running
        self._exited = False
        self._disconnected = False
        self._returning = False
        self._handlers: dict[str, Callable[[Mapping[str, Any]], None]] = {
            "STOP": self._stopped,
            "RESUME": self._resumed,
            "SHUTDOWN": self._shutdown,
            "RESET": self._reset,
            "GUEST_PANICKED": self._panicked,
            "GUEST_CRASHLOADED": self._crash_loaded,
            "SUSPEND": self._pm_suspended,
            "SUSPEND_DISK": self._pm_suspended_to_disk,
            "WAKEUP": self._pm_woken,
            "MIGRATION": self._progressed,
            "MIGRATION_PASS": self._passed,
            "DUMP_COMPLETED": self._dumped,
        }

    def attach(self) -> None:
        """Begins to watch: monitor events from now on, and the end of the process."""
        monitor = self._running.monitor
        if monitor is None:
            self._disconnected = True
        else:
            monitor.on_event = self.event
            monitor.on_close = self._monitor_closed
        self._running.process.on_exit(self._process_exited)

    def event(self, event: Event) -> None:
        """Takes one monitor event."""
        self._running.guest.note("monitor", f"event {event.name} {_shown(event.data)}".rstrip())
        if self._driver.monitor_events.wanted():
            self._driver.monitor_events.emit(self._running.guest.ref(), event)
        handler = self._handlers.get(event.name)
        if handler is not None:
            handler(event.data)
        else:
            device_events.handle(self._driver, self._running, event)

    # -- the CPUs stop and go on ---------------------------------------------------------------

    def _stopped(self, data: Mapping[str, Any]) -> None:
        running, guest = self._running, self._running.guest
        reason, running.pause_reason = running.pause_reason, DomainPausedReason.UNKNOWN
        if guest.state != DomainState.RUNNING or running.shutdown_seen:
            return
        guest.set_state(DomainState.PAUSED, reason)
        self._give_up_leases(reason)
        detail = _SUSPENDED_DETAIL.get(reason, DomainEventSuspendedDetailType.PAUSED)
        self._lifecycle(DomainEventType.SUSPENDED, detail)
        self._save()

    def _give_up_leases(self, reason: int) -> None:
        leases = self._running.leases
        if leases.taken and reason != DomainPausedReason.SNAPSHOT:  # which writes to the images
            leases.stopped()
            name = self._running.guest.name
            self._driver.background(leases.give_up(), f"leases of '{name}'")

    async def _regain_leases(self) -> None:
        """The CPUs run; they stop again where another guest has got an image meanwhile."""
        try:
            await self._running.leases.take()
        except VirloomError:
            await self._running.execute("stop")
            raise

    def _resumed(self, data: Mapping[str, Any]) -> None:
        running, guest = self._running, self._running.guest
        if guest.state == DomainState.RUNNING:
            return
        reason, running.resume_reason = running.resume_reason, DomainRunningReason.UNPAUSED
        guest.set_state(DomainState.RUNNING, reason)
        if running.leases.missing:  # QEMU let them run by itself, as after a dump
            self._begin(self._regain_leases())
        detail = _RESUMED_DETAIL.get(reason, DomainEventResumedDetailType.UNPAUSED)
        self._lifecycle(DomainEventType.RESUMED, detail)
        self._save()

    def _reset(self, data: Mapping[str, Any]) -> None:
        self._tell_agents_caller()
        self._driver.events.emit(DomainEventID.REBOOT, self._running.guest.ref())

    def _tell_agents_caller(self) -> None:
        """Whoever told the guest's agent to end it, boot it or let it sleep need not wait."""
        if self._running.agent is not None:
            self._running.agent.notice_end()

    def _progressed(self, data: Mapping[str, Any]) -> None:
        self._running.progressed.set()

    def _passed(self, data: Mapping[str, Any]) -> None:
        """Memory is gone through once more, to a file as to another host."""
        if self._running.guest.jobs.async_kind is not None:
            ref = self._running.guest.ref()
            self._driver.events.emit(DomainEventID.MIGRATION_ITERATION, ref, data["pass"])

    def _dumped(self, data: Mapping[str, Any]) -> None:
        error = data.get("error")
        self._running.dump_error = str(error) if error else None
        self._running.progressed.set()

    # -- the guest sleeps ----------------------------------------------------------------------

    def _pm_suspended(self, data: Mapping[str, Any]) -> None:
        self._asleep(DomainEventID.PMSUSPEND, DomainEventPMSuspendedDetailType.MEMORY)

    def _pm_suspended_to_disk(self, data: Mapping[str, Any]) -> None:
        self._asleep(DomainEventID.PMSUSPEND_DISK, DomainEventPMSuspendedDetailType.DISK)

    def _asleep(self, event: DomainEventID, detail: DomainEventPMSuspendedDetailType) -> None:
        guest = self._running.guest
        self._running.asleep.set()
        self._tell_agents_caller()
        self._driver.events.emit(event, guest.ref())
        if guest.state == DomainState.RUNNING:
            guest.set_state(DomainState.PMSUSPENDED, 0)
            self._lifecycle(DomainEventType.PMSUSPENDED, detail)
            self._save()

    def _pm_woken(self, data: Mapping[str, Any]) -> None:
        guest = self._running.guest
        self._driver.events.emit(DomainEventID.PMWAKEUP, guest.ref())
        if guest.state == DomainState.PMSUSPENDED:
            guest.set_state(DomainState.RUNNING, DomainRunningReason.WAKEUP)
            self._lifecycle(DomainEventType.STARTED, DomainEventStartedDetailType.WAKEUP)
            self._save()

    # -- the guest ends ------------------------------------------------------------------------

    def _shutdown(self, data: Mapping[str, Any]) -> None:
        running, guest = self._running, self._running.guest
        if running.shutdown_seen:
            return
        by_guest = bool(data.get("guest"))
        reason = str(data.get("reason", ""))
        if by_guest and running.fake_reboot and running.cause is None:
            running.fake_reboot = False
            running.shutdown_seen = True  # the CPUs stop for a moment, of which nobody is told
            self._act("restart")
            return
        running.shutdown_seen = True
        self._tell_agents_caller()
        if running.cause in (SAVED, CRASHED, FROM_SNAPSHOT):  # it has not shut down
            return
        guest.set_state(DomainState.SHUTDOWN, DomainShutdownReason.UNKNOWN)
        detail = (
            DomainEventShutdownDetailType.GUEST if by_guest else DomainEventShutdownDetailType.HOST
        )
        self._lifecycle(DomainEventType.SHUTDOWN, detail)
        if running.record.stage != "stopping":  # whoever ends it has written how it ends
            self._save()
        if running.cause is not None or not by_guest:
            return  # QEMU goes by itself: somebody sent it a signal, or quit
        model = running.model
        action = model.on_reboot if reason == "guest-reset" else model.on_poweroff
        self._act(action or "destroy")

    def _crash_loaded(self, data: Mapping[str, Any]) -> None:
        """The guest's kernel has crashed, and another one that it had ready goes on."""
        self._lifecycle(DomainEventType.CRASHED, DomainEventCrashedDetailType.CRASHLOADED)

    def _panicked(self, data: Mapping[str, Any]) -> None:
        guest = self._running.guest
        guest.set_state(DomainState.CRASHED, DomainCrashedReason.PANICKED)
        self._lifecycle(DomainEventType.CRASHED, DomainEventCrashedDetailType.PANICKED)
        self._save()
        action = self._running.model.on_crash or "destroy"
        if action.startswith("coredump-"):
            self._begin(self._dump_and(action.removeprefix("coredump-")))
        else:
            self._act(action, CRASHED)

    def _act(self, action: str, cause: StopCause = SHUT_DOWN) -> None:
        """Does what the document wants at the end of the guest's run."""
        if action == "preserve":
            return
        if action == "restart":
            self._begin(self._restart())
        else:
            self._begin(stop(self._running, cause))

    async def _dump_and(self, action: str) -> None:
        """Keeps the memory of a crashed guest, if that can be done; then *action*."""
        try:
            asked = self._driver.config.auto_dump_path
            directory = Path(asked) if asked else self._driver.directories.lib / "dump"
            path = await dump_memory(self._running, directory)
            logger.warning("domain '%s' has crashed: '%s'", self._running.guest.name, path)
        except VirloomError as exc:
            logger.error("domain '%s': no core file: %s", self._running.guest.name, exc)
        self._act(action, CRASHED)

    async def _restart(self) -> None:
        """The same process boots again, as libvirt does it: reset, then let the CPUs run."""
        running, guest = self._running, self._running.guest
        crashed = guest.state == DomainState.CRASHED
        reason = DomainRunningReason.CRASHED if crashed else DomainRunningReason.BOOTED
        await running.execute("system_reset")
        running.shutdown_seen = False
        if guest.state != DomainState.RUNNING:
            guest.set_state(DomainState.PAUSED, DomainPausedReason.STARTING_UP)
            running.resume_reason = reason
        await running.go_on()
        self._save()

    def _begin(self, work: Coroutine[Any, Any, None]) -> None:
        self._driver.background(self._guarded(work), f"end of domain '{self._running.guest.name}'")

    async def _guarded(self, work: Coroutine[Any, Any, None]) -> None:
        try:
            await work
        except VirloomError as exc:
            logger.error("domain '%s': %s", self._running.guest.name, exc)

    # -- the process has gone ------------------------------------------------------------------

    def _process_exited(self, code: int | None) -> None:
        self._exited = True
        self._running.guest.note("process", f"QEMU, process {self._running.pid}, {_end(code)}")
        if self._disconnected:
            self._finish()
        else:  # the last events are in the socket still
            asyncio.get_running_loop().call_later(_DRAIN_LIMIT, self._finish)

    def _monitor_closed(self, error: VirloomError | None) -> None:
        self._disconnected = True
        self._running.progressed.set()
        if self._exited:
            self._finish()
            return
        reason = str(error) if error is not None else "QEMU has closed it"
        asyncio.get_running_loop().call_later(_DRAIN_LIMIT, self._lost, reason)

    def _lost(self, reason: str) -> None:
        """The monitor is gone and QEMU is not: nobody controls this guest any more."""
        running = self._running
        if self._exited or running.guest.running is not running:
            return
        running.monitor_error = f"the monitor is lost: {reason}"
        running.monitor = None
        running.guest.note("process", running.monitor_error)
        logger.error("domain '%s': %s", running.guest.name, running.monitor_error)
        self._driver.events.emit(DomainEventID.CONTROL_ERROR, running.guest.ref())

    def _finish(self) -> None:
        running = self._running
        if running.cause is None:
            running.cause = SHUT_DOWN if running.shutdown_seen else FAILED
        if running.record.lent and not running.loading and running.guest.running is running:
            if not self._returning:
                self._returning = True
                self._driver.background(
                    self._return_devices(), f"devices of '{running.guest.name}'"
                )
            return
        finish(self._driver, running)

    async def _return_devices(self) -> None:
        """Drivers of the host may take their time; the guest has its devices until then."""
        from virloom.drivers.qemu.hostdevs.taking import return_devices  # few guests have any

        await return_devices(self._running.record)
        finish(self._driver, self._running)

    def _lifecycle(self, event: DomainEventType, detail: int) -> None:
        self._driver.events.emit(
            DomainEventID.LIFECYCLE, self._running.guest.ref(), int(event), int(detail)
        )

    def _save(self) -> None:
        try:
            self._running.save()
        except VirloomError as exc:
            # The former record still leads to the guest; what it says too little is found out
            # by asking QEMU when the guest is taken over.
            logger.error("domain '%s': %s", self._running.guest.name, exc)


def _shown(data: Mapping[str, Any]) -> str:
    """The data of a monitor event, of which the guest may decide the length."""
    return json.dumps(data)[:_SHOWN] if data else ""


def _end(code: int | None) -> str:
    if code is None:
        return "has ended"
    return f"was ended by signal {-code}" if code < 0 else f"has ended with code {code}"
