# SPDX-License-Identifier: Apache-2.0
"""A driver without hypervisor: domains in a dictionary, behind the real dispatcher.

It keeps what tests look at (calls, registrations, streams) in plain attributes, and can hold a
call back until it is told to go on.
"""

from __future__ import annotations

import asyncio
import re
import socket
from typing import Any
from uuid import UUID, uuid5

from virloom.endpoint.dispatch import Call, Dispatcher, serves
from virloom.endpoint.identity import Identity
from virloom.endpoint.local import LocalEndpoint
from virloom.endpoint.session import Session
from virloom.endpoint.stream import BytesStream, FdStream
from virloom.enums.domain import DomainEventID as Id
from virloom.enums.domain import DomainEventType as Event
from virloom.errors import InvalidArg, NoDomain, OperationInvalid, XmlError
from virloom.procedures import connect as c
from virloom.procedures import domain as p
from virloom.procedures import qemu as q
from virloom.procedures.record import Procedure, Record, TypedParamValue, Void, typed_value
from virloom.procedures.types import NonnullDomain, TypedParam

_NAMESPACE = UUID("6ba7b810-9dad-11d1-80b4-00c04fd430c8")


class Guest:
    """One domain."""

    def __init__(self, name: str, text: str) -> None:
        self.name = name
        self.uuid = uuid5(_NAMESPACE, name)
        self.id = -1
        self.text = text
        self.persistent = False
        self.paused = False
        self.autostart = 0
        self.metadata: dict[tuple[int, str | None], str] = {}
        self.memory_parameters: dict[str, TypedParamValue] = {
            "hard_limit": typed_value("ullong", 1024),
            "soft_limit": typed_value("ullong", 512),
        }

    @property
    def wire(self) -> NonnullDomain:
        """As the protocol names it."""
        return NonnullDomain(self.name, self.uuid.bytes, self.id)


class FakeDriver:
    """Serves what the client's tests need."""

    def __init__(self) -> None:
        self.guests: dict[str, Guest] = {}
        self.calls: list[str] = []
        #: callback id → (session, event id, wanted UUID); -1 stands for monitor events.
        self.callbacks: dict[int, tuple[Session, int, bytes | None]] = {}
        self.registered = 0
        self.deregistered = 0
        self.released = 0
        self.slow_finished = 0
        self.slow_begun = asyncio.Event()
        self.go_on = asyncio.Event()
        self.guest_sides: list[socket.socket] = []
        self.emit_while_registering = False
        self.fail_registrations = False
        self.refused_events: set[int] = set()
        self._next_id = 1
        self._next_callback = 0

    # Connection

    @serves(c.CONNECT_OPEN)
    def open(self, call: Call, args: c.ConnectOpenArgs) -> None:
        self.calls.append(f"open {args.name} {args.flags}")

    @serves(c.CONNECT_GET_LIB_VERSION)
    def lib_version(self, call: Call, args: Void) -> c.ConnectGetLibVersionRet:
        return c.ConnectGetLibVersionRet(9_000_000)

    @serves(c.CONNECT_GET_HOSTNAME)
    async def hostname(self, call: Call, args: Void) -> c.ConnectGetHostnameRet:
        self.slow_begun.set()
        await self.go_on.wait()
        self.slow_finished += 1
        return c.ConnectGetHostnameRet("slow-host")

    # Life cycle

    @serves(p.DOMAIN_DEFINE_XML)
    def define(self, call: Call, args: p.DomainDefineXMLArgs) -> p.DomainDefineXMLRet:
        guest = self._made(args.xml)
        guest.persistent = True
        self.emit_lifecycle(guest, Event.DEFINED, 0)
        return p.DomainDefineXMLRet(guest.wire)

    @serves(p.DOMAIN_CREATE_XML)
    def create_xml(self, call: Call, args: p.DomainCreateXMLArgs) -> p.DomainCreateXMLRet:
        guest = self._made(args.xml_desc)
        self._start(guest, args.flags)
        return p.DomainCreateXMLRet(guest.wire)

    @serves(p.DOMAIN_CREATE_WITH_FLAGS)
    def create(self, call: Call, args: p.DomainCreateWithFlagsArgs) -> p.DomainCreateWithFlagsRet:
        guest = self._guest(args.dom)
        self._start(guest, args.flags)
        return p.DomainCreateWithFlagsRet(guest.wire)

    @serves(p.DOMAIN_DESTROY)
    def destroy(self, call: Call, args: p.DomainDestroyArgs) -> None:
        guest = self._guest(args.dom)
        if guest.id < 0:
            raise OperationInvalid("domain is not running")
        guest.id = -1
        self.emit_lifecycle(guest, Event.STOPPED, 1)
        if not guest.persistent:
            del self.guests[guest.name]

    @serves(p.DOMAIN_UNDEFINE)
    def undefine(self, call: Call, args: p.DomainUndefineArgs) -> None:
        guest = self._guest(args.dom)
        del self.guests[guest.name]
        self.emit_lifecycle(guest, Event.UNDEFINED, 0)

    @serves(p.DOMAIN_SUSPEND)
    def suspend(self, call: Call, args: p.DomainSuspendArgs) -> None:
        self._guest(args.dom).paused = True

    @serves(p.DOMAIN_RESUME)
    def resume(self, call: Call, args: p.DomainResumeArgs) -> None:
        self._guest(args.dom).paused = False

    @serves(p.DOMAIN_SHUTDOWN_FLAGS)
    def shutdown_flags(self, call: Call, args: p.DomainShutdownFlagsArgs) -> None:
        self.calls.append(f"shutdown {args.dom.name} {args.flags}")

    @serves(p.DOMAIN_SHUTDOWN)
    def shutdown(self, call: Call, args: p.DomainShutdownArgs) -> None:
        self.calls.append(f"shutdown {args.dom.name}")

    @serves(p.DOMAIN_GET_AUTOSTART)
    def autostart(self, call: Call, args: p.DomainGetAutostartArgs) -> p.DomainGetAutostartRet:
        return p.DomainGetAutostartRet(self._guest(args.dom).autostart)

    @serves(p.DOMAIN_SET_AUTOSTART)
    def set_autostart(self, call: Call, args: p.DomainSetAutostartArgs) -> None:
        self._guest(args.dom).autostart = args.autostart

    # Finding and describing

    @serves(p.DOMAIN_LOOKUP_BY_NAME)
    def by_name(self, call: Call, args: p.DomainLookupByNameArgs) -> p.DomainLookupByNameRet:
        if args.name not in self.guests:
            raise NoDomain(f"no domain with matching name '{args.name}'")
        return p.DomainLookupByNameRet(self.guests[args.name].wire)

    @serves(p.DOMAIN_LOOKUP_BY_UUID)
    def by_uuid(self, call: Call, args: p.DomainLookupByUUIDArgs) -> p.DomainLookupByUUIDRet:
        return p.DomainLookupByUUIDRet(self._guest(NonnullDomain("", args.uuid, -1)).wire)

    @serves(p.DOMAIN_LOOKUP_BY_ID)
    def by_id(self, call: Call, args: p.DomainLookupByIdArgs) -> p.DomainLookupByIdRet:
        for guest in self.guests.values():
            if guest.id == args.id:
                return p.DomainLookupByIdRet(guest.wire)
        raise NoDomain(f"no domain with matching id {args.id}")

    @serves(p.CONNECT_LIST_ALL_DOMAINS)
    def list_all(self, call: Call, args: p.ConnectListAllDomainsArgs) -> p.ConnectListAllDomainsRet:
        found = [guest.wire for guest in self.guests.values()]
        return p.ConnectListAllDomainsRet(found, len(found))

    @serves(p.DOMAIN_GET_STATE)
    def state(self, call: Call, args: p.DomainGetStateArgs) -> p.DomainGetStateRet:
        guest = self._guest(args.dom)
        if guest.id < 0:
            return p.DomainGetStateRet(5, 2)
        return p.DomainGetStateRet(3, 1) if guest.paused else p.DomainGetStateRet(1, 99)

    @serves(p.DOMAIN_GET_INFO)
    def info(self, call: Call, args: p.DomainGetInfoArgs) -> p.DomainGetInfoRet:
        self._guest(args.dom)
        return p.DomainGetInfoRet(1, 2048, 1024, 2, 777)

    @serves(p.DOMAIN_GET_XML_DESC)
    def xml_desc(self, call: Call, args: p.DomainGetXMLDescArgs) -> p.DomainGetXMLDescRet:
        return p.DomainGetXMLDescRet(self._guest(args.dom).text)

    @serves(p.DOMAIN_GET_METADATA)
    def metadata(self, call: Call, args: p.DomainGetMetadataArgs) -> p.DomainGetMetadataRet:
        return p.DomainGetMetadataRet(self._guest(args.dom).metadata[args.type, args.uri])

    @serves(p.DOMAIN_SET_METADATA)
    def set_metadata(self, call: Call, args: p.DomainSetMetadataArgs) -> None:
        self._guest(args.dom).metadata[args.type, args.uri] = args.metadata or ""

    # Figures and parameters

    @serves(p.DOMAIN_GET_MEMORY_PARAMETERS)
    def memory_parameters(
        self, call: Call, args: p.DomainGetMemoryParametersArgs
    ) -> p.DomainGetMemoryParametersRet:
        known = self._guest(args.dom).memory_parameters
        if args.nparams == 0:
            return p.DomainGetMemoryParametersRet([], len(known))
        return p.DomainGetMemoryParametersRet(
            [TypedParam(name, value) for name, value in known.items()], len(known)
        )

    @serves(p.DOMAIN_SET_MEMORY_PARAMETERS)
    def set_memory_parameters(self, call: Call, args: p.DomainSetMemoryParametersArgs) -> None:
        self._guest(args.dom).memory_parameters.update({x.field: x.value for x in args.params})

    @serves(p.DOMAIN_GET_VCPUS)
    def vcpus(self, call: Call, args: p.DomainGetVcpusArgs) -> p.DomainGetVcpusRet:
        infos = [p.VcpuInfo(n, 1, 1000 + n, n) for n in range(args.maxinfo)]
        one = b"\x05".ljust(args.maplen, b"\0")
        return p.DomainGetVcpusRet(infos, one * args.maxinfo)

    @serves(p.CONNECT_GET_ALL_DOMAIN_STATS)
    def all_stats(
        self, call: Call, args: p.ConnectGetAllDomainStatsArgs
    ) -> p.ConnectGetAllDomainStatsRet:
        wanted = {dom.uuid for dom in args.doms}
        params = [
            TypedParam("state.state", typed_value("int", 1)),
            TypedParam("state.fine", typed_value("boolean", True)),
        ]
        return p.ConnectGetAllDomainStatsRet(
            [
                p.DomainStatsRecord(guest.wire, params)
                for guest in self.guests.values()
                if not wanted or guest.uuid.bytes in wanted
            ]
        )

    # Screen and monitor

    @serves(p.DOMAIN_OPEN_CONSOLE)
    def console(self, call: Call, args: p.DomainOpenConsoleArgs) -> None:
        self.calls.append(f"console {args.dev_name} {args.flags}")
        ours, theirs = socket.socketpair()
        self.guest_sides.append(ours)
        call.attach_stream(FdStream(theirs.detach()))

    @serves(p.DOMAIN_SCREENSHOT)
    def screenshot(self, call: Call, args: p.DomainScreenshotArgs) -> p.DomainScreenshotRet:
        call.attach_stream(BytesStream(b"P6 1 1 255\n\0\0\0"))
        return p.DomainScreenshotRet("image/x-portable-pixmap")

    @serves(q.DOMAIN_MONITOR_COMMAND)
    def monitor(
        self, call: Call, args: q.QemuDomainMonitorCommandArgs
    ) -> q.QemuDomainMonitorCommandRet:
        return q.QemuDomainMonitorCommandRet(f"{args.flags}:{args.cmd}")

    # Events

    @serves(p.CONNECT_DOMAIN_EVENT_CALLBACK_REGISTER_ANY)
    async def register(
        self, call: Call, args: p.ConnectDomainEventCallbackRegisterAnyArgs
    ) -> p.ConnectDomainEventCallbackRegisterAnyRet:
        if self.fail_registrations or args.event_id in self.refused_events:
            raise InvalidArg("no such event")
        number = self._callback(call, args.event_id, args.dom)
        if self.emit_while_registering:
            for guest in self.guests.values():
                self.emit_lifecycle(guest, Event.STARTED, 0)
        return p.ConnectDomainEventCallbackRegisterAnyRet(number)

    @serves(p.CONNECT_DOMAIN_EVENT_CALLBACK_DEREGISTER_ANY)
    async def deregister(
        self, call: Call, args: p.ConnectDomainEventCallbackDeregisterAnyArgs
    ) -> None:
        self._forget(args.callback_id)

    @serves(q.CONNECT_DOMAIN_MONITOR_EVENT_REGISTER)
    def register_monitor(
        self, call: Call, args: q.QemuConnectDomainMonitorEventRegisterArgs
    ) -> q.QemuConnectDomainMonitorEventRegisterRet:
        self.calls.append(f"monitor events {args.event} {args.flags}")
        return q.QemuConnectDomainMonitorEventRegisterRet(self._callback(call, -1, args.dom))

    @serves(q.CONNECT_DOMAIN_MONITOR_EVENT_DEREGISTER)
    def deregister_monitor(
        self, call: Call, args: q.QemuConnectDomainMonitorEventDeregisterArgs
    ) -> None:
        self._forget(args.callback_id)

    def emit(
        self, procedure: Procedure[Any, Void], guest: Guest, event_id: int, *rest: Any
    ) -> None:
        """Sends an event whose fields after the domain are *rest* to whoever wants it."""
        for number, (session, wanted, uuid) in list(self.callbacks.items()):
            if wanted == event_id and uuid in (None, guest.uuid.bytes):
                session.send_event(procedure, _message(procedure, number, guest.wire, rest))

    def emit_lifecycle(self, guest: Guest, event: int, detail: int) -> None:
        """The same for a life cycle event."""
        self.emit(p.DOMAIN_EVENT_CALLBACK_LIFECYCLE, guest, Id.LIFECYCLE, event, detail)

    async def release(self) -> None:
        """The connection's end."""
        self.released += 1

    def close_sockets(self) -> None:
        """Closes what plays the guest's side of consoles."""
        for side in self.guest_sides:
            side.close()
        self.guest_sides.clear()

    def _callback(self, call: Call, event_id: int, dom: NonnullDomain | None) -> int:
        number = self._next_callback
        self._next_callback += 1
        self.registered += 1
        self.callbacks[number] = (call.session, event_id, dom.uuid if dom else None)
        return number

    def _forget(self, number: int) -> None:
        if self.callbacks.pop(number, None) is None:
            raise InvalidArg(f"no callback {number}")
        self.deregistered += 1

    def _made(self, text: str) -> Guest:
        found = re.search(r"<name>(.*?)</name>", text)
        if not found:
            raise XmlError("a domain needs a name")
        return self.guests.setdefault(found[1], Guest(found[1], text))

    def _start(self, guest: Guest, flags: int) -> None:
        if guest.id >= 0:
            raise OperationInvalid("domain is already running")
        guest.id, self._next_id = self._next_id, self._next_id + 1
        guest.paused = bool(flags & 1)
        self.emit_lifecycle(guest, Event.STARTED, 0)

    def _guest(self, dom: NonnullDomain) -> Guest:
        for guest in self.guests.values():
            if guest.uuid.bytes == dom.uuid:
                return guest
        raise NoDomain(f"no domain with matching uuid '{UUID(bytes=dom.uuid)}'")


def _message(
    procedure: Procedure[Any, Void], callback_id: int, dom: NonnullDomain, rest: tuple[Any, ...]
) -> Record:
    fields = dict(procedure.args.WIRE)
    if "msg" not in fields:
        made: Record = procedure.args(callback_id, dom, *rest)
        return made
    inner = fields["msg"](dom, *rest)
    between = (0,) if "reason" in fields else ()
    wrapped: Record = procedure.args(callback_id, *between, inner)
    return wrapped


def endpoint_of(
    driver: FakeDriver, home: asyncio.AbstractEventLoop | None = None, *, readonly: bool = False
) -> LocalEndpoint:
    """An endpoint on the driver, which runs on *home* (by default on the running loop)."""
    return LocalEndpoint(
        Dispatcher([driver]),
        home or asyncio.get_running_loop(),
        Identity.of_this_process(readonly=readonly),
        driver.release,
    )


def document(name: str) -> str:
    """The smallest document that the driver takes."""
    return f"<domain type='qemu'><name>{name}</name><memory>1024</memory></domain>"
