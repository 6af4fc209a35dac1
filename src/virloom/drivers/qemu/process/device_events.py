# SPDX-License-Identifier: Apache-2.0
"""QEMU's events about devices, and libvirt's events that come of them."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from virloom.drivers.qemu.monitor.protocol import Event
from virloom.drivers.qemu.process.channels import port_changed
from virloom.drivers.qemu.process.display_events import DISPLAYS
from virloom.drivers.qemu.process.resources import alias_of, image_path
from virloom.drivers.qemu.process.running import RunningGuest
from virloom.enums.domain import (
    DomainEventID,
    DomainEventIOErrorAction,
    DomainEventTrayChangeReason,
    DomainEventWatchdogAction,
    DomainMemoryFailureActionType,
    DomainMemoryFailureFlags,
    DomainMemoryFailureRecipientType,
    DomainPausedReason,
)
from virloom.errors import VirloomError

if TYPE_CHECKING:
    from virloom.drivers.qemu.driver import QemuDriver

logger = logging.getLogger(__name__)

#: QEMU's ``WatchdogAction`` (qapi/run-state.json) as libvirt numbers it.
_WATCHDOG = {
    "none": DomainEventWatchdogAction.NONE,
    "pause": DomainEventWatchdogAction.PAUSE,
    "reset": DomainEventWatchdogAction.RESET,
    "poweroff": DomainEventWatchdogAction.POWEROFF,
    "shutdown": DomainEventWatchdogAction.SHUTDOWN,
    "debug": DomainEventWatchdogAction.DEBUG,
    "inject-nmi": DomainEventWatchdogAction.INJECTNMI,
}

#: QEMU's ``MemoryFailureRecipient`` and ``MemoryFailureAction`` (the same).
_RECIPIENTS = {
    "hypervisor": DomainMemoryFailureRecipientType.HYPERVISOR,
    "guest": DomainMemoryFailureRecipientType.GUEST,
}
_FAILURE_ACTIONS = {
    "ignore": DomainMemoryFailureActionType.IGNORE,
    "inject": DomainMemoryFailureActionType.INJECT,
    "fatal": DomainMemoryFailureActionType.FATAL,
    "reset": DomainMemoryFailureActionType.RESET,
}

#: What ACPI's _OST tells of: an ejection that was asked for, and one that the guest wanted.
_EJECTIONS = (1, 3, 0x103)
#: What Linux tells before it has done it, and what the specification says that it should.
_EJECTION_GOES_ON = (0x83, 0x84, 0x85)

#: QEMU's ``BlockErrorAction`` (qapi/block-core.json).
_IO_ERROR = {
    "ignore": DomainEventIOErrorAction.NONE,
    "report": DomainEventIOErrorAction.REPORT,
    "stop": DomainEventIOErrorAction.PAUSE,
}


def handle(driver: QemuDriver, running: RunningGuest, event: Event) -> None:
    """Emits what *event* means to clients; events that mean nothing to them are left alone."""
    handler = _HANDLERS.get(event.name)
    if handler is not None:
        handler(driver, running, event.name, event.data)


def _rtc_change(
    driver: QemuDriver, running: RunningGuest, name: str, data: Mapping[str, Any]
) -> None:
    offset, clock = int(data.get("offset", 0)), running.model.clock
    if clock.offset == "variable":
        # QEMU counts from what it was started with, clients from the basis.
        begun = running.record.runtime.setdefault("clock", int(clock.adjustment or 0))
        offset += int(begun)
        clock.adjustment = str(offset)
        _write_down(running)
    driver.events.emit(DomainEventID.RTC_CHANGE, running.guest.ref(), offset)


def _watchdog(
    driver: QemuDriver, running: RunningGuest, name: str, data: Mapping[str, Any]
) -> None:
    action = _WATCHDOG.get(str(data.get("action")), DomainEventWatchdogAction.NONE)
    if action == DomainEventWatchdogAction.PAUSE:
        running.pause_reason = DomainPausedReason.WATCHDOG
    driver.events.emit(DomainEventID.WATCHDOG, running.guest.ref(), int(action))
    wanted = running.model.devices.watchdogs
    if action == DomainEventWatchdogAction.PAUSE and any(dog.action == "dump" for dog in wanted):
        from virloom.drivers.qemu.saving.dump import dump_barked  # virloom.drivers.qemu.later

        driver.background(dump_barked(driver, running), f"dump of '{running.guest.name}'")


def _io_error(
    driver: QemuDriver, running: RunningGuest, name: str, data: Mapping[str, Any]
) -> None:
    action = _IO_ERROR.get(str(data.get("action")), DomainEventIOErrorAction.NONE)
    if action == DomainEventIOErrorAction.PAUSE:
        running.pause_reason = DomainPausedReason.IOERROR
    node = str(data.get("node-name", ""))
    alias, path = _disk_of(running, node, str(data.get("device", "")))
    reason = "enospc" if data.get("nospace") else ""  # QEMU's other words are for people only
    ref = running.guest.ref()
    driver.events.emit(DomainEventID.IO_ERROR, ref, path, alias, int(action))
    driver.events.emit(DomainEventID.IO_ERROR_REASON, ref, path, alias, int(action), reason)


def _memory_failure(
    driver: QemuDriver, running: RunningGuest, name: str, data: Mapping[str, Any]
) -> None:
    recipient = _RECIPIENTS.get(str(data.get("recipient")))
    action = _FAILURE_ACTIONS.get(str(data.get("action")))
    if recipient is None or action is None:
        return  # of a QEMU that knows more than libvirt's numbers can say
    said = data.get("flags", {})
    flags = DomainMemoryFailureFlags.ACTION_REQUIRED if said.get("action-required") else 0
    flags |= DomainMemoryFailureFlags.RECURSIVE if said.get("recursive") else 0
    ref = running.guest.ref()
    driver.events.emit(DomainEventID.MEMORY_FAILURE, ref, int(recipient), int(action), int(flags))


def _told_by_firmware(
    driver: QemuDriver, running: RunningGuest, name: str, data: Mapping[str, Any]
) -> None:
    """What came of an ejection (_OST, section 6.3.5 of the ACPI specification).

    QEMU 7.2 without KVM keeps a processor's object, and so never tells that it is deleted.
    """
    info = data.get("info", {})
    if info.get("source") not in _EJECTIONS or info.get("status") in _EJECTION_GOES_ON:
        return
    kind, gone = info.get("slot-type"), info.get("status") == 0
    if kind == "CPU":
        settled = {"device": f"vcpu{info.get('slot')}"}
        (_deleted if gone else _kept)(driver, running, name, settled)
    elif kind == "DIMM" and not gone:
        _kept(driver, running, name, info)


def _write_down(running: RunningGuest) -> None:
    """What has changed in the live document is on the disk."""
    try:
        running.set_document()
        running.save()
    except VirloomError as exc:  # the former record still leads to the guest
        logger.error("domain '%s': %s", running.guest.name, exc)


def _disk_of(running: RunningGuest, node: str, device: str) -> tuple[str, str]:
    """Alias and source of the disk that has this block node or device."""
    nodes: dict[str, Any] = running.record.runtime.get("nodes", {})
    for disk in running.model.devices.disks:
        alias = alias_of(disk)
        names = {name for layer in nodes.get(alias, {}).get("layers", ()) for name in layer}
        if (node and node in names) or (device and device in (alias, f"drive-{alias}")):
            return alias, image_path(disk) or ""
    return "", ""


def _balloon(driver: QemuDriver, running: RunningGuest, name: str, data: Mapping[str, Any]) -> None:
    from virloom.drivers.qemu.tuning.flexible import taken  # virloom.drivers.qemu.later

    actual = int(data.get("actual", 0)) // 1024  # without virtio-mem, as libvirt tells it
    running.model.current_memory = actual + taken(running.model)
    driver.events.emit(DomainEventID.BALLOON_CHANGE, running.guest.ref(), actual)


def _resized(driver: QemuDriver, running: RunningGuest, name: str, data: Mapping[str, Any]) -> None:
    from virloom.drivers.qemu.tuning.flexible import note_size  # virloom.drivers.qemu.later

    alias = str(data.get("id", ""))
    size = note_size(running.model, alias, int(data.get("size", 0)))
    if size is not None:
        event = DomainEventID.MEMORY_DEVICE_SIZE_CHANGE
        driver.events.emit(event, running.guest.ref(), alias, size)


def _tray(driver: QemuDriver, running: RunningGuest, name: str, data: Mapping[str, Any]) -> None:
    opened = bool(data.get("tray-open"))
    alias = str(data.get("id") or data.get("device", "")).removeprefix("drive-")
    for disk in running.model.devices.disks:
        if alias_of(disk) == alias:
            disk.target.tray = "open" if opened else None
    reason = DomainEventTrayChangeReason.OPEN if opened else DomainEventTrayChangeReason.CLOSE
    driver.events.emit(DomainEventID.TRAY_CHANGE, running.guest.ref(), alias, int(reason))


def _deleted(driver: QemuDriver, running: RunningGuest, name: str, data: Mapping[str, Any]) -> None:
    from virloom.drivers.qemu.hotplug.detach import device_gone  # virloom.drivers.qemu.later

    if data.get("device"):  # its parts are announced as well, by their paths only
        device_gone(driver, running, str(data["device"]))


def _kept(driver: QemuDriver, running: RunningGuest, name: str, data: Mapping[str, Any]) -> None:
    from virloom.drivers.qemu.hotplug.detach import device_stays  # virloom.drivers.qemu.later

    if data.get("device"):
        device_stays(driver, running, str(data["device"]))


def _job(driver: QemuDriver, running: RunningGuest, name: str, data: Mapping[str, Any]) -> None:
    from virloom.drivers.qemu.blockjobs.events import job_changed  # virloom.drivers.qemu.later

    job_changed(driver, running, str(data.get("id", "")), str(data.get("status", "")))


def _threshold(
    driver: QemuDriver, running: RunningGuest, name: str, data: Mapping[str, Any]
) -> None:
    from virloom.drivers.qemu.block.threshold import crossed  # virloom.drivers.qemu.later

    crossed(driver, running, name, data)


def _job_ended(
    driver: QemuDriver, running: RunningGuest, name: str, data: Mapping[str, Any]
) -> None:
    """How far a job was, which its backup tells of when QEMU has forgotten it."""
    backup = running.backup
    part = backup.part(str(data.get("device", ""))) if backup is not None else None
    if part is not None:
        part.done, part.whole = int(data.get("offset", 0)), int(data.get("len", 0))


def _wants_to_receive(
    driver: QemuDriver, running: RunningGuest, name: str, data: Mapping[str, Any]
) -> None:
    """A card lets other frames in: its macvtap may have to do so too."""
    from virloom.drivers.qemu.nics.receive_filters import follow, is_followed  # few guests say so

    for card in running.model.devices.interfaces:
        if alias_of(card) == data.get("name") and is_followed(card):
            driver.background(follow(running, card), f"'{name}' of '{running.guest.name}'")


_HANDLERS: dict[str, Callable[[QemuDriver, RunningGuest, str, Mapping[str, Any]], None]] = {
    "RTC_CHANGE": _rtc_change,
    "WATCHDOG": _watchdog,
    "BLOCK_IO_ERROR": _io_error,
    "BALLOON_CHANGE": _balloon,
    "MEMORY_DEVICE_SIZE_CHANGE": _resized,
    "DEVICE_TRAY_MOVED": _tray,
    "DEVICE_DELETED": _deleted,
    "DEVICE_UNPLUG_GUEST_ERROR": _kept,
    "MEMORY_FAILURE": _memory_failure,
    "JOB_STATUS_CHANGE": _job,
    "ACPI_DEVICE_OST": _told_by_firmware,
    "BLOCK_WRITE_THRESHOLD": _threshold,
    "BLOCK_JOB_COMPLETED": _job_ended,
    "BLOCK_JOB_CANCELLED": _job_ended,
    "VSERPORT_CHANGE": port_changed,
    "NIC_RX_FILTER_CHANGED": _wants_to_receive,
    **DISPLAYS,
}
