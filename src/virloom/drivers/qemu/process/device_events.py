# SPDX-License-Identifier: Apache-2.0
"""QEMU's events about devices, and libvirt's events that come of them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from virloom.drivers.qemu.monitor.protocol import Event
from virloom.drivers.qemu.process.channels import port_changed
from virloom.drivers.qemu.process.resources import alias_of, image_path
from virloom.drivers.qemu.process.running import RunningGuest
from virloom.enums.domain import (
    DomainEventGraphicsAddressType,
    DomainEventGraphicsPhase,
    DomainEventID,
    DomainEventIOErrorAction,
    DomainEventTrayChangeReason,
    DomainEventWatchdogAction,
    DomainPausedReason,
)
from virloom.procedures.domain import DomainEventGraphicsAddress, DomainEventGraphicsIdentity

if TYPE_CHECKING:
    from virloom.drivers.qemu.driver import QemuDriver

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

#: QEMU's ``BlockErrorAction`` (qapi/block-core.json).
_IO_ERROR = {
    "ignore": DomainEventIOErrorAction.NONE,
    "report": DomainEventIOErrorAction.REPORT,
    "stop": DomainEventIOErrorAction.PAUSE,
}

_PHASES = {
    "VNC_CONNECTED": DomainEventGraphicsPhase.CONNECT,
    "VNC_INITIALIZED": DomainEventGraphicsPhase.INITIALIZE,
    "VNC_DISCONNECTED": DomainEventGraphicsPhase.DISCONNECT,
}

#: What ACPI's _OST tells of: an ejection that was asked for, and one that the guest wanted.
_EJECTIONS = (3, 0x103)
#: What Linux tells before it has done it, and what the specification says that it should.
_EJECTION_GOES_ON = (0x84, 0x85)

#: QEMU's ``NetworkAddressFamily`` (qapi/sockets.json).
_FAMILIES = {
    "ipv4": DomainEventGraphicsAddressType.IPV4,
    "ipv6": DomainEventGraphicsAddressType.IPV6,
    "unix": DomainEventGraphicsAddressType.UNIX,
}


def handle(driver: QemuDriver, running: RunningGuest, event: Event) -> None:
    """Emits what *event* means to clients; events that mean nothing to them are left alone."""
    handler = _HANDLERS.get(event.name)
    if handler is not None:
        handler(driver, running, event.name, event.data)


def _rtc_change(
    driver: QemuDriver, running: RunningGuest, name: str, data: Mapping[str, Any]
) -> None:
    offset = int(data.get("offset", 0))
    driver.events.emit(DomainEventID.RTC_CHANGE, running.guest.ref(), offset)


def _watchdog(
    driver: QemuDriver, running: RunningGuest, name: str, data: Mapping[str, Any]
) -> None:
    action = _WATCHDOG.get(str(data.get("action")), DomainEventWatchdogAction.NONE)
    if action == DomainEventWatchdogAction.PAUSE:
        running.pause_reason = DomainPausedReason.WATCHDOG
    driver.events.emit(DomainEventID.WATCHDOG, running.guest.ref(), int(action))


def _io_error(
    driver: QemuDriver, running: RunningGuest, name: str, data: Mapping[str, Any]
) -> None:
    action = _IO_ERROR.get(str(data.get("action")), DomainEventIOErrorAction.NONE)
    if action == DomainEventIOErrorAction.PAUSE:
        running.pause_reason = DomainPausedReason.IOERROR
    node = str(data.get("node-name", ""))
    alias, path = _disk_of(running, node, str(data.get("device", "")))
    reason = "enospc" if data.get("nospace") else str(data.get("reason", ""))
    ref = running.guest.ref()
    driver.events.emit(DomainEventID.IO_ERROR, ref, path, alias, int(action))
    driver.events.emit(DomainEventID.IO_ERROR_REASON, ref, path, alias, int(action), reason)


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


def _ejected(driver: QemuDriver, running: RunningGuest, name: str, data: Mapping[str, Any]) -> None:
    """The guest has tried to let a processor go (_OST, section 6.3.5 of the ACPI specification).

    QEMU 7.2 without KVM keeps the processor's object, and so never tells that it is deleted.
    """
    from virloom.drivers.qemu.hotplug.detach import device_gone, device_stays

    info = data.get("info", {})
    if info.get("slot-type") != "CPU" or info.get("source") not in _EJECTIONS:
        return
    alias = f"vcpu{info.get('slot')}"
    if info.get("status") == 0:
        device_gone(driver, running, alias)
    elif info.get("status") not in _EJECTION_GOES_ON:
        device_stays(driver, running, alias)


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


def _graphics(
    driver: QemuDriver, running: RunningGuest, name: str, data: Mapping[str, Any]
) -> None:
    client, server = data.get("client", {}), data.get("server", {})
    identities = [
        DomainEventGraphicsIdentity(kind, str(client[key]))
        for kind, key in (("x509dname", "x509_dname"), ("saslUsername", "sasl_username"))
        if client.get(key)
    ]
    driver.events.emit(
        DomainEventID.GRAPHICS,
        running.guest.ref(),
        int(_PHASES[name]),
        _graphics_address(server),
        _graphics_address(client),
        str(server.get("auth", "")),
        identities,
    )


def _graphics_address(side: Mapping[str, Any]) -> DomainEventGraphicsAddress:
    family = _FAMILIES.get(str(side.get("family")), DomainEventGraphicsAddressType.UNIX)
    return DomainEventGraphicsAddress(
        int(family), str(side.get("host", "")), str(side.get("service", ""))
    )


_HANDLERS: dict[str, Callable[[QemuDriver, RunningGuest, str, Mapping[str, Any]], None]] = {
    "RTC_CHANGE": _rtc_change,
    "WATCHDOG": _watchdog,
    "BLOCK_IO_ERROR": _io_error,
    "BALLOON_CHANGE": _balloon,
    "MEMORY_DEVICE_SIZE_CHANGE": _resized,
    "DEVICE_TRAY_MOVED": _tray,
    "DEVICE_DELETED": _deleted,
    "DEVICE_UNPLUG_GUEST_ERROR": _kept,
    "JOB_STATUS_CHANGE": _job,
    "ACPI_DEVICE_OST": _ejected,
    "BLOCK_WRITE_THRESHOLD": _threshold,
    "BLOCK_JOB_COMPLETED": _job_ended,
    "BLOCK_JOB_CANCELLED": _job_ended,
    "VNC_CONNECTED": _graphics,
    "VNC_INITIALIZED": _graphics,
    "VNC_DISCONNECTED": _graphics,
    "VSERPORT_CHANGE": port_changed,
}
