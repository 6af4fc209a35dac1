# SPDX-License-Identifier: Apache-2.0
"""QEMU's events with their data typed.

Only events that the driver acts on are here; of the others :func:`decode` makes nothing. Facts are
those of QEMU's ``qapi/*.json``. Data that a QEMU of another version leaves out gets the value that
means "unknown"; data of another form makes the whole event malformed.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

from virloom.drivers.qemu.monitor.protocol import Event


class MalformedEvent(ValueError):
    """An event whose data has not the documented form."""


class Notice(NamedTuple):
    """An event without data.

    ``STOP`` and ``RESUME`` (the vCPUs), ``POWERDOWN`` (the power button was pressed), ``SUSPEND``
    (to memory), ``SUSPEND_DISK``, ``WAKEUP``.
    """

    name: str


class Shutdown(NamedTuple):
    """The guest, or somebody for it, turned the machine off.

    Attributes:
        guest: Whether it was the guest.
        reason: ``guest-shutdown``, ``guest-reset``, ``guest-panic``, ``host-qmp-quit``,
            ``host-signal``, ``host-qmp-system-reset``, ``host-error``, ``host-ui``, ...
    """

    guest: bool | None
    reason: str


class Reset(NamedTuple):
    """The machine was reset; as :class:`Shutdown`."""

    guest: bool | None
    reason: str


class BlockIoError(NamedTuple):
    """A disk request failed.

    Attributes:
        qdev: Id or object path of the device; empty if QEMU does not tell.
        node: The block node.
        operation: ``read`` or ``write``.
        action: What QEMU did: ``report`` to the guest, ``ignore``, ``stop`` the guest.
        nospace: Whether the host's disk is full.
        reason: In words, for people only.
    """

    qdev: str
    node: str
    operation: str
    action: str
    nospace: bool
    reason: str


class RtcChange(NamedTuple):
    """The guest set its clock, to *offset* seconds from what it was started with."""

    offset: int
    qom_path: str


class Watchdog(NamedTuple):
    """The watchdog fired; QEMU did *action* (``reset``, ``shutdown``, ``poweroff``, ``pause``,
    ``debug``, ``none``, ``inject-nmi``)."""

    action: str


class BalloonChange(NamedTuple):
    """The guest has *actual* bytes of memory now."""

    actual: int


class VncClient(NamedTuple):
    """A VNC client came (``CONNECTED``), passed (``INITIALIZED``), or went (``DISCONNECTED``).

    Attributes:
        phase: Which of these.
        host, service, family: Its own address.
        server_host, server_service, server_family: The address that it came to.
        auth: The server's method.
        x509_dname, sasl_username: Who it proved to be.
    """

    phase: str
    host: str
    service: str
    family: str
    server_host: str
    server_service: str
    server_family: str
    auth: str
    x509_dname: str | None
    sasl_username: str | None


class DeviceDeleted(NamedTuple):
    """A device is gone, with its id if it had one."""

    device: str | None
    path: str


class DeviceUnplugFailed(NamedTuple):
    """The guest refused to let a device go."""

    device: str | None
    path: str


class TrayMoved(NamedTuple):
    """The tray of a disk drive was opened or closed; *qdev* is its device's id or path."""

    qdev: str
    open: bool


class GuestPanicked(NamedTuple):
    """The guest's kernel said that it crashed.

    Attributes:
        action: What QEMU did: ``pause``, ``poweroff``, ``run``.
        info: More, by hypervisor interface (``type`` says which: ``hyper-v``, ``s390``).
        loaded: True if the guest goes on by itself (``GUEST_CRASHLOADED``).
    """

    action: str
    info: Mapping[str, Any] | None
    loaded: bool


class RxFilterChanged(NamedTuple):
    """The guest changed which frames a network device takes; told once until it is queried."""

    name: str | None
    path: str


class PortChange(NamedTuple):
    """A program in the guest opened or closed the port with this id (a channel)."""

    id: str
    open: bool


class JobStatusChange(NamedTuple):
    """A job is in another state: ``created``, ``running``, ``paused``, ``ready``, ``standby``,
    ``waiting``, ``pending``, ``aborting``, ``concluded``, ``null``."""

    id: str
    status: str


class BlockJob(NamedTuple):
    """A block job ended or can end.

    Attributes:
        phase: ``COMPLETED``, ``CANCELLED``, ``READY``, ``PENDING``.
        id: The job.
        kind: ``commit``, ``stream``, ``mirror``, ``backup``, ``create``, ...
        offset, length: How far it came, in its own unit.
        error: In words; None for success.
    """

    phase: str
    id: str
    kind: str
    offset: int
    length: int
    error: str | None


class BlockJobError(NamedTuple):
    """A request of a block job failed; as :class:`BlockIoError`."""

    id: str
    operation: str
    action: str


TypedEvent = (
    Notice
    | Shutdown
    | Reset
    | BlockIoError
    | RtcChange
    | Watchdog
    | BalloonChange
    | VncClient
    | DeviceDeleted
    | DeviceUnplugFailed
    | TrayMoved
    | GuestPanicked
    | RxFilterChanged
    | PortChange
    | JobStatusChange
    | BlockJob
    | BlockJobError
)


def decode(event: Event) -> TypedEvent | None:
    """The event typed; None for one that the driver has no use for.

    Raises:
        MalformedEvent: Its data has not the documented form.
    """
    decoder = _DECODERS.get(event.name)
    return None if decoder is None else decoder(_Data(event))


class _Data:
    """An event's data; every access checks the form."""

    def __init__(self, event: Event, data: Mapping[str, Any] | None = None) -> None:
        self.event = event
        self._data = event.data if data is None else data

    def text(self, key: str, default: str | None = None) -> str:
        value = self._get(key, str, default)
        return str(value)

    def optional(self, key: str) -> str | None:
        return self.text(key) if self._data.get(key) is not None else None

    def flag(self, key: str, default: bool | None = None) -> bool:
        return bool(self._get(key, bool, default))

    def optional_flag(self, key: str) -> bool | None:
        return self.flag(key) if key in self._data else None

    def number(self, key: str, default: int | None = None) -> int:
        return int(self._get(key, int, default))

    def part(self, key: str) -> _Data:
        return _Data(self.event, self._get(key, dict, {}))

    def mapping(self, key: str) -> Mapping[str, Any] | None:
        return self.part(key)._data if key in self._data else None

    def _get(self, key: str, kind: type, default: Any) -> Any:
        value = self._data.get(key, default)
        if type(value) is not kind:
            raise MalformedEvent(f"event {self.event.name}: '{key}' is {value!r}")
        return value


def _notice(data: _Data) -> Notice:
    return Notice(data.event.name)


def _block_io_error(data: _Data) -> BlockIoError:
    # "qdev" exists since QEMU 9.0; before, "device" is the id of a drive, empty with -blockdev.
    return BlockIoError(
        qdev=data.text("qdev", "") or data.text("device", ""),
        node=data.text("node-name", ""),
        operation=data.text("operation"),
        action=data.text("action"),
        nospace=data.flag("nospace", False),
        reason=data.text("reason", ""),
    )


def _vnc(data: _Data) -> VncClient:
    client, server = data.part("client"), data.part("server")
    return VncClient(
        phase=data.event.name.removeprefix("VNC_"),
        host=client.text("host", ""),
        service=client.text("service", ""),
        family=client.text("family", "unknown"),
        server_host=server.text("host", ""),
        server_service=server.text("service", ""),
        server_family=server.text("family", "unknown"),
        auth=server.text("auth", ""),
        x509_dname=client.optional("x509_dname"),
        sasl_username=client.optional("sasl_username"),
    )


def _panicked(data: _Data) -> GuestPanicked:
    loaded = data.event.name == "GUEST_CRASHLOADED"
    return GuestPanicked(data.text("action", "run"), data.mapping("info"), loaded)


def _block_job(data: _Data) -> BlockJob:
    return BlockJob(
        phase=data.event.name.removeprefix("BLOCK_JOB_"),
        id=data.text("id", "") or data.text("device", ""),
        kind=data.text("type"),
        offset=data.number("offset", 0),
        length=data.number("len", 0),
        error=data.optional("error"),
    )


_DECODERS: Mapping[str, Callable[[_Data], TypedEvent]] = {
    "STOP": _notice,
    "RESUME": _notice,
    "POWERDOWN": _notice,
    "SUSPEND": _notice,
    "SUSPEND_DISK": _notice,
    "WAKEUP": _notice,
    "SHUTDOWN": lambda data: Shutdown(data.optional_flag("guest"), data.text("reason", "")),
    "RESET": lambda data: Reset(data.optional_flag("guest"), data.text("reason", "")),
    "BLOCK_IO_ERROR": _block_io_error,
    "RTC_CHANGE": lambda data: RtcChange(data.number("offset"), data.text("qom-path", "")),
    "WATCHDOG": lambda data: Watchdog(data.text("action")),
    "BALLOON_CHANGE": lambda data: BalloonChange(data.number("actual")),
    "VNC_CONNECTED": _vnc,
    "VNC_INITIALIZED": _vnc,
    "VNC_DISCONNECTED": _vnc,
    "DEVICE_DELETED": lambda data: DeviceDeleted(data.optional("device"), data.text("path")),
    "DEVICE_UNPLUG_GUEST_ERROR": lambda data: DeviceUnplugFailed(
        data.optional("device"), data.text("path")
    ),
    "DEVICE_TRAY_MOVED": lambda data: TrayMoved(
        data.text("id", "") or data.text("device", ""), data.flag("tray-open")
    ),
    "GUEST_PANICKED": _panicked,
    "GUEST_CRASHLOADED": _panicked,
    "NIC_RX_FILTER_CHANGED": lambda data: RxFilterChanged(data.optional("name"), data.text("path")),
    "VSERPORT_CHANGE": lambda data: PortChange(data.text("id"), data.flag("open")),
    "JOB_STATUS_CHANGE": lambda data: JobStatusChange(data.text("id"), data.text("status")),
    "BLOCK_JOB_COMPLETED": _block_job,
    "BLOCK_JOB_CANCELLED": _block_job,
    "BLOCK_JOB_READY": _block_job,
    "BLOCK_JOB_PENDING": _block_job,
    "BLOCK_JOB_ERROR": lambda data: BlockJobError(
        data.text("device"), data.text("operation"), data.text("action")
    ),
}
