# SPDX-License-Identifier: Apache-2.0
"""What happens to domains, as typed events; and the table from which they are made."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable
from enum import IntEnum
from typing import Any

from virloom.client.domain.ref import DomainRef
from virloom.client.link import Link
from virloom.client.params import ParamValue, decode, member
from virloom.client.subscription import Topic
from virloom.client.value import Value
from virloom.enums import domain as e
from virloom.errors import InvalidArg
from virloom.procedures import domain as p
from virloom.procedures import qemu as q
from virloom.procedures.record import Procedure, Record, Void


class DomainEvent(Value):
    """The base of all of them."""

    domain: DomainRef


class LifecycleEvent(DomainEvent):
    """Defined, started, suspended, stopped and so on; the detail's enum goes with the event."""

    event: e.DomainEventType | int
    detail: IntEnum | int


class RebootEvent(DomainEvent):
    """The guest has rebooted."""


class RtcChangeEvent(DomainEvent):
    """The guest has set its clock."""

    offset: int
    """Seconds from UTC."""


class WatchdogEvent(DomainEvent):
    """The guest's watchdog has fired."""

    action: e.DomainEventWatchdogAction | int


class IOErrorEvent(DomainEvent):
    """A disk failed."""

    src_path: str
    dev_alias: str
    action: e.DomainEventIOErrorAction | int


class IOErrorReasonEvent(IOErrorEvent):
    """The same, and why (``enospc``, or empty)."""

    reason: str


class GraphicsAddress(Value):
    """One end of a connection to the guest's screen."""

    family: e.DomainEventGraphicsAddressType | int
    node: str
    service: str


class GraphicsEvent(DomainEvent):
    """Somebody came to, or left, the guest's screen."""

    phase: e.DomainEventGraphicsPhase | int
    local: GraphicsAddress
    remote: GraphicsAddress
    auth_scheme: str
    subject: tuple[tuple[str, str], ...]


class ControlErrorEvent(DomainEvent):
    """The guest's monitor does not answer any more."""


class BlockJobEvent(DomainEvent):
    """A block job has moved on; ``path`` is the disk's source."""

    path: str
    type: e.DomainBlockJobType | int
    status: e.ConnectDomainEventBlockJobStatus | int


class BlockJob2Event(DomainEvent):
    """The same; ``dst`` is the disk's target."""

    dst: str
    type: e.DomainBlockJobType | int
    status: e.ConnectDomainEventBlockJobStatus | int


class DiskChangeEvent(DomainEvent):
    """The source of a disk has changed."""

    old_src_path: str | None
    new_src_path: str | None
    dev_alias: str
    reason: e.ConnectDomainEventDiskChangeReason | int


class TrayChangeEvent(DomainEvent):
    """A tray was opened or closed."""

    dev_alias: str
    reason: e.DomainEventTrayChangeReason | int


class PMWakeupEvent(DomainEvent):
    """The guest has woken up."""


class PMSuspendEvent(DomainEvent):
    """The guest has suspended itself to memory."""


class PMSuspendDiskEvent(DomainEvent):
    """The guest has suspended itself to disk."""


class BalloonChangeEvent(DomainEvent):
    """The guest has more or less memory."""

    actual: int
    """KiB."""


class DeviceRemovedEvent(DomainEvent):
    """A device is gone."""

    dev_alias: str


class DeviceAddedEvent(DomainEvent):
    """A device is there."""

    dev_alias: str


class DeviceRemovalFailedEvent(DomainEvent):
    """The guest keeps a device that was to go."""

    dev_alias: str


class TunableEvent(DomainEvent):
    """Tuning parameters have changed."""

    params: dict[str, ParamValue]


class AgentLifecycleEvent(DomainEvent):
    """The guest's agent came or went."""

    state: e.ConnectDomainEventAgentLifecycleState | int
    reason: e.ConnectDomainEventAgentLifecycleReason | int


class MigrationIterationEvent(DomainEvent):
    """A migration begins another pass over the memory."""

    iteration: int


class JobCompletedEvent(DomainEvent):
    """A job has ended; its statistics."""

    params: dict[str, ParamValue]


class MetadataChangeEvent(DomainEvent):
    """Title, description or an element of the metadata has changed."""

    type: e.DomainMetadataType | int
    nsuri: str | None


class BlockThresholdEvent(DomainEvent):
    """A disk has been written to beyond its threshold (bytes)."""

    dev: str
    path: str | None
    threshold: int
    excess: int


class MemoryFailureEvent(DomainEvent):
    """The host found bad memory under the guest."""

    recipient: e.DomainMemoryFailureRecipientType | int
    action: e.DomainMemoryFailureActionType | int
    flags: e.DomainMemoryFailureFlags


class MemoryDeviceSizeChangeEvent(DomainEvent):
    """A memory device has another size."""

    alias: str
    size: int
    """KiB."""


class NicMACChangeEvent(DomainEvent):
    """The guest has given an interface another address."""

    alias: str
    old_mac: str
    new_mac: str


class VcpuRemovedEvent(DomainEvent):
    """The guest has let go of a processor."""

    vcpuid: int


class ChannelLifecycleEvent(DomainEvent):
    """A program in the guest opened or closed its end of a channel."""

    channel_name: str
    state: int
    reason: int


class MonitorEvent(DomainEvent):
    """An event of QEMU's own monitor."""

    event: str
    seconds: int
    micros: int
    details: str | None
    """JSON."""


Convert = Callable[[Any], Any]


def _enum(enum: type[IntEnum]) -> Convert:
    return lambda number: member(enum, number)


_DETAILS: dict[int, type[IntEnum]] = {
    e.DomainEventType.DEFINED: e.DomainEventDefinedDetailType,
    e.DomainEventType.UNDEFINED: e.DomainEventUndefinedDetailType,
    e.DomainEventType.STARTED: e.DomainEventStartedDetailType,
    e.DomainEventType.SUSPENDED: e.DomainEventSuspendedDetailType,
    e.DomainEventType.RESUMED: e.DomainEventResumedDetailType,
    e.DomainEventType.STOPPED: e.DomainEventStoppedDetailType,
    e.DomainEventType.SHUTDOWN: e.DomainEventShutdownDetailType,
    e.DomainEventType.PMSUSPENDED: e.DomainEventPMSuspendedDetailType,
    e.DomainEventType.CRASHED: e.DomainEventCrashedDetailType,
}


def _address(wire: p.DomainEventGraphicsAddress) -> GraphicsAddress:
    family = member(e.DomainEventGraphicsAddressType, wire.family)
    return GraphicsAddress(family, wire.node, wire.service)


class Kind:
    """One row: which procedure brings the event, and how its fields are converted.

    A field that is not named in *convert* is taken as it is.
    """

    def __init__(
        self,
        procedure: Procedure[Any, Void],
        event: type[DomainEvent],
        /,
        **convert: Convert,
    ) -> None:
        self.procedure = procedure
        self.event = event
        self._convert = convert

    def decode(self, message: Record) -> DomainEvent:
        """The event; older messages come wrapped in one with a callback id."""
        inner: Any = getattr(message, "msg", message)
        values = {
            name: self._convert.get(name, _as_it_is)(getattr(inner, name))
            for name in self.event._fields
            if name != "domain"
        }
        if self.event is LifecycleEvent and inner.event in _DETAILS:
            values["detail"] = member(_DETAILS[inner.event], inner.detail)
        return self.event(DomainRef.of_wire(inner.dom), **values)


def _as_it_is(value: Any) -> Any:
    return value


_JOB = {
    "type": _enum(e.DomainBlockJobType),
    "status": _enum(e.ConnectDomainEventBlockJobStatus),
}

#: Ids that are newer than the table of constants.
VCPU_REMOVED, CHANNEL_LIFECYCLE = 28, 29

#: Every domain event that can be registered for, by libvirt's event id.
KINDS: dict[int, Kind] = {
    e.DomainEventID.LIFECYCLE: Kind(
        p.DOMAIN_EVENT_CALLBACK_LIFECYCLE, LifecycleEvent, event=_enum(e.DomainEventType)
    ),
    e.DomainEventID.REBOOT: Kind(p.DOMAIN_EVENT_CALLBACK_REBOOT, RebootEvent),
    e.DomainEventID.RTC_CHANGE: Kind(p.DOMAIN_EVENT_CALLBACK_RTC_CHANGE, RtcChangeEvent),
    e.DomainEventID.WATCHDOG: Kind(
        p.DOMAIN_EVENT_CALLBACK_WATCHDOG, WatchdogEvent, action=_enum(e.DomainEventWatchdogAction)
    ),
    e.DomainEventID.IO_ERROR: Kind(
        p.DOMAIN_EVENT_CALLBACK_IO_ERROR, IOErrorEvent, action=_enum(e.DomainEventIOErrorAction)
    ),
    e.DomainEventID.GRAPHICS: Kind(
        p.DOMAIN_EVENT_CALLBACK_GRAPHICS,
        GraphicsEvent,
        phase=_enum(e.DomainEventGraphicsPhase),
        local=_address,
        remote=_address,
        subject=lambda identities: tuple((one.type, one.name) for one in identities),
    ),
    e.DomainEventID.IO_ERROR_REASON: Kind(
        p.DOMAIN_EVENT_CALLBACK_IO_ERROR_REASON,
        IOErrorReasonEvent,
        action=_enum(e.DomainEventIOErrorAction),
    ),
    e.DomainEventID.CONTROL_ERROR: Kind(p.DOMAIN_EVENT_CALLBACK_CONTROL_ERROR, ControlErrorEvent),
    e.DomainEventID.BLOCK_JOB: Kind(p.DOMAIN_EVENT_CALLBACK_BLOCK_JOB, BlockJobEvent, **_JOB),
    e.DomainEventID.DISK_CHANGE: Kind(
        p.DOMAIN_EVENT_CALLBACK_DISK_CHANGE,
        DiskChangeEvent,
        reason=_enum(e.ConnectDomainEventDiskChangeReason),
    ),
    e.DomainEventID.TRAY_CHANGE: Kind(
        p.DOMAIN_EVENT_CALLBACK_TRAY_CHANGE,
        TrayChangeEvent,
        reason=_enum(e.DomainEventTrayChangeReason),
    ),
    e.DomainEventID.PMWAKEUP: Kind(p.DOMAIN_EVENT_CALLBACK_PMWAKEUP, PMWakeupEvent),
    e.DomainEventID.PMSUSPEND: Kind(p.DOMAIN_EVENT_CALLBACK_PMSUSPEND, PMSuspendEvent),
    e.DomainEventID.BALLOON_CHANGE: Kind(
        p.DOMAIN_EVENT_CALLBACK_BALLOON_CHANGE, BalloonChangeEvent
    ),
    e.DomainEventID.PMSUSPEND_DISK: Kind(
        p.DOMAIN_EVENT_CALLBACK_PMSUSPEND_DISK, PMSuspendDiskEvent
    ),
    e.DomainEventID.DEVICE_REMOVED: Kind(
        p.DOMAIN_EVENT_CALLBACK_DEVICE_REMOVED, DeviceRemovedEvent
    ),
    e.DomainEventID.BLOCK_JOB_2: Kind(p.DOMAIN_EVENT_BLOCK_JOB_2, BlockJob2Event, **_JOB),
    e.DomainEventID.TUNABLE: Kind(p.DOMAIN_EVENT_CALLBACK_TUNABLE, TunableEvent, params=decode),
    e.DomainEventID.AGENT_LIFECYCLE: Kind(
        p.DOMAIN_EVENT_CALLBACK_AGENT_LIFECYCLE,
        AgentLifecycleEvent,
        state=_enum(e.ConnectDomainEventAgentLifecycleState),
        reason=_enum(e.ConnectDomainEventAgentLifecycleReason),
    ),
    e.DomainEventID.DEVICE_ADDED: Kind(p.DOMAIN_EVENT_CALLBACK_DEVICE_ADDED, DeviceAddedEvent),
    e.DomainEventID.MIGRATION_ITERATION: Kind(
        p.DOMAIN_EVENT_CALLBACK_MIGRATION_ITERATION, MigrationIterationEvent
    ),
    e.DomainEventID.JOB_COMPLETED: Kind(
        p.DOMAIN_EVENT_CALLBACK_JOB_COMPLETED, JobCompletedEvent, params=decode
    ),
    e.DomainEventID.DEVICE_REMOVAL_FAILED: Kind(
        p.DOMAIN_EVENT_CALLBACK_DEVICE_REMOVAL_FAILED, DeviceRemovalFailedEvent
    ),
    e.DomainEventID.METADATA_CHANGE: Kind(
        p.DOMAIN_EVENT_CALLBACK_METADATA_CHANGE,
        MetadataChangeEvent,
        type=_enum(e.DomainMetadataType),
    ),
    e.DomainEventID.BLOCK_THRESHOLD: Kind(p.DOMAIN_EVENT_BLOCK_THRESHOLD, BlockThresholdEvent),
    e.DomainEventID.MEMORY_FAILURE: Kind(
        p.DOMAIN_EVENT_MEMORY_FAILURE,
        MemoryFailureEvent,
        recipient=_enum(e.DomainMemoryFailureRecipientType),
        action=_enum(e.DomainMemoryFailureActionType),
        flags=e.DomainMemoryFailureFlags,
    ),
    e.DomainEventID.MEMORY_DEVICE_SIZE_CHANGE: Kind(
        p.DOMAIN_EVENT_MEMORY_DEVICE_SIZE_CHANGE, MemoryDeviceSizeChangeEvent
    ),
    e.DomainEventID.NIC_MAC_CHANGE: Kind(p.DOMAIN_EVENT_NIC_MAC_CHANGE, NicMACChangeEvent),
    VCPU_REMOVED: Kind(p.DOMAIN_EVENT_VCPU_REMOVED, VcpuRemovedEvent),
    CHANNEL_LIFECYCLE: Kind(p.DOMAIN_EVENT_CALLBACK_CHANNEL_LIFECYCLE, ChannelLifecycleEvent),
}

#: The events that libvirt 9.0.0 knows; what a subscriber without a choice gets.
IN_9_0_0 = tuple(i for i in KINDS if i <= e.DomainEventID.MEMORY_DEVICE_SIZE_CHANGE)

_MONITOR = Kind(q.DOMAIN_MONITOR_EVENT, MonitorEvent)


class DomainTopic(Topic):
    """Events of one kind, of one domain or of all."""

    area = "domain"

    def __init__(self, event_id: int, domain: DomainRef | None) -> None:
        self._event_id = event_id
        self._domain = domain

    def key(self) -> Hashable:
        return self._event_id, self._domain

    async def register(self, link: Link) -> int:
        args = p.ConnectDomainEventCallbackRegisterAnyArgs(
            self._event_id, self._domain.wire if self._domain else None
        )
        return (await link.call(p.CONNECT_DOMAIN_EVENT_CALLBACK_REGISTER_ANY, args)).callback_id

    async def deregister(self, link: Link, callback_id: int) -> None:
        args = p.ConnectDomainEventCallbackDeregisterAnyArgs(callback_id)
        await link.call(p.CONNECT_DOMAIN_EVENT_CALLBACK_DEREGISTER_ANY, args)

    def decode(self, message: Record) -> DomainEvent:
        return KINDS[self._event_id].decode(message)


class MonitorTopic(Topic):
    """Events of QEMU's monitor, by name or pattern, of one domain or of all."""

    area = "qemu"

    def __init__(self, event: str | None, flags: int, domain: DomainRef | None) -> None:
        self._event = event
        self._flags = flags
        self._domain = domain

    def key(self) -> Hashable:
        return "monitor", self._event, self._flags, self._domain

    async def register(self, link: Link) -> int:
        args = q.QemuConnectDomainMonitorEventRegisterArgs(
            self._domain.wire if self._domain else None, self._event, self._flags
        )
        return (await link.call(q.CONNECT_DOMAIN_MONITOR_EVENT_REGISTER, args)).callback_id

    async def deregister(self, link: Link, callback_id: int) -> None:
        args = q.QemuConnectDomainMonitorEventDeregisterArgs(callback_id)
        await link.call(q.CONNECT_DOMAIN_MONITOR_EVENT_DEREGISTER, args)

    def decode(self, message: Record) -> DomainEvent:
        return _MONITOR.decode(message)


#: What kinds of events are asked for: a class or several, or libvirt's ids of them; None for all
#: that libvirt 9.0.0 has.
OneKind = type[DomainEvent] | int
Kinds = OneKind | Iterable[OneKind] | None


def topics_of(kinds: Kinds, domain: DomainRef | None) -> list[Topic]:
    """The topics of the wanted kinds.

    Raises:
        InvalidArg: A class is not one of an event that can be registered for.
    """
    if kinds is None:
        kinds = IN_9_0_0
    elif isinstance(kinds, type | int):
        kinds = (kinds,)
    wanted = [_id_of(kind) for kind in kinds]
    return [DomainTopic(event_id, domain) for event_id in dict.fromkeys(wanted)]


def _id_of(kind: OneKind) -> int:
    for event_id, row in KINDS.items():
        if row.event is kind or event_id == kind:
            return event_id
    raise InvalidArg(f"{kind!r} is not a kind of domain event")
