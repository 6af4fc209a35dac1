# SPDX-License-Identifier: Apache-2.0
"""What a connection knows to do with domains: make, find, list, measure and watch them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from functools import cached_property
from typing import TYPE_CHECKING, Any, TypeVar, overload
from uuid import UUID

from virloom.client.domain import events as ev
from virloom.client.domain.domain import Domain
from virloom.client.domain.facet import Handle, ParamsToSet
from virloom.client.domain.ref import DomainRef
from virloom.client.domain.results import DomainStats
from virloom.client.link import Link, text_of
from virloom.client.params import decode, encode
from virloom.client.resource import uuid_of
from virloom.client.subscription import QUEUE_SIZE, Callback, EventHub, EventStream
from virloom.enums.qemu import ConnectDomainQemuMonitorEventRegisterFlags
from virloom.procedures import domain as p
from virloom.procedures import qemu as q
from virloom.procedures.record import VOID
from virloom.procedures.types import NonnullDomain

if TYPE_CHECKING:
    from virloom.client.migration import Arrivals
    from virloom.xml import Element

E = TypeVar("E", bound=ev.DomainEvent)


class DomainCalls:
    """The domain area of a connection."""

    def __init__(self, link: Link, hub: EventHub) -> None:
        self._link = link
        self._hub = hub

    @cached_property
    def arrivals(self) -> Arrivals:
        """The phases of migrations to this host."""
        from virloom.client.migration import Arrivals

        return Arrivals(self._link, self._hub)

    # Make

    async def create_xml(self, document: str | Element, flags: int = 0) -> Domain:
        """Starts a guest from its document; without a definition of that name it is transient.

        Args:
            document: The domain document, or a model object.
            flags: :class:`~virloom.enums.domain.DomainCreateFlags`.

        Raises:
            XmlError: The document is malformed.
            ConfigUnsupported: It asks for something that this host cannot give.
            OperationFailed: A guest with that name or UUID runs already.
        """
        args = p.DomainCreateXMLArgs(text_of(document), flags)
        return self._domain((await self._link.call(p.DOMAIN_CREATE_XML, args)).dom)

    async def create_xml_with_files(
        self, document: str | Element, files: Sequence[int], flags: int = 0
    ) -> Domain:
        """The same for a guest that inherits copies of open descriptors (containers)."""
        args = p.DomainCreateXMLWithFilesArgs(text_of(document), flags)
        ret, got = await self._link.call_with_fds(p.DOMAIN_CREATE_XML_WITH_FILES, args, files)
        got.close()
        return self._domain(ret.dom)

    async def attach_process(self, pid: int, flags: int = 0) -> Domain:
        """Takes over a QEMU that was started by hand, by its process's number.

        Drivers of this century refuse it, libvirt's own among them.
        """
        args = q.QemuDomainAttachArgs(pid, flags)
        return self._domain((await self._link.call(q.DOMAIN_ATTACH, args)).dom)

    async def define_xml(self, document: str | Element, flags: int = 0) -> Domain:
        """Defines a guest, or changes its definition.

        Args:
            document: The domain document, or a model object.
            flags: :class:`~virloom.enums.domain.DomainDefineFlags`.
        """
        text = text_of(document)
        if flags:
            with_flags = p.DomainDefineXMLFlagsArgs(text, flags)
            ret = await self._link.call(p.DOMAIN_DEFINE_XML_FLAGS, with_flags)
            return self._domain(ret.dom)
        args = p.DomainDefineXMLArgs(text)
        return self._domain((await self._link.call(p.DOMAIN_DEFINE_XML, args)).dom)

    async def restore(self, path: str, document: str | None = None, flags: int = 0) -> None:
        """Starts a guest from a saved state.

        Args:
            path: The file on the host.
            document: Another document to start it with.
            flags: :class:`~virloom.enums.domain.DomainSaveRestoreFlags`.
        """
        args = p.DomainRestoreFlagsArgs(path, document, flags)
        await self._link.call(p.DOMAIN_RESTORE_FLAGS, args)

    async def restore_params(self, values: ParamsToSet, flags: int = 0) -> None:
        """The same by parameters of libvirt's names, such as ``file`` and ``dxml``."""
        args = p.DomainRestoreParamsArgs(encode(values), flags)
        await self._link.call(p.DOMAIN_RESTORE_PARAMS, args)

    async def save_image_xml_desc(self, path: str, flags: int = 0) -> str:
        """The document in a saved state."""
        args = p.DomainSaveImageGetXMLDescArgs(path, flags)
        return (await self._link.call(p.DOMAIN_SAVE_IMAGE_GET_XML_DESC, args)).xml

    async def save_image_define_xml(self, path: str, document: str, flags: int = 0) -> None:
        """Replaces the document in a saved state."""
        args = p.DomainSaveImageDefineXMLArgs(path, document, flags)
        await self._link.call(p.DOMAIN_SAVE_IMAGE_DEFINE_XML, args)

    # Find and list

    def domain(self, ref: DomainRef) -> Domain:
        """The object of a domain that an event or a statistic names; asks nobody."""
        return Domain(Handle(self._link, ref))

    async def lookup_by_name(self, name: str) -> Domain:
        """Finds a domain.

        Raises:
            NoDomain: There is none of that name.
        """
        args = p.DomainLookupByNameArgs(name)
        return self._domain((await self._link.call(p.DOMAIN_LOOKUP_BY_NAME, args)).dom)

    async def lookup_by_uuid(self, uuid: UUID | str) -> Domain:
        """Finds a domain.

        Raises:
            InvalidArg: *uuid* is a text that is none.
            NoDomain: There is none with it.
        """
        args = p.DomainLookupByUUIDArgs(uuid_of(uuid).bytes)
        return self._domain((await self._link.call(p.DOMAIN_LOOKUP_BY_UUID, args)).dom)

    async def lookup_by_id(self, id: int) -> Domain:
        """Finds a running domain by its number.

        Raises:
            NoDomain: None runs with it.
        """
        args = p.DomainLookupByIdArgs(id)
        return self._domain((await self._link.call(p.DOMAIN_LOOKUP_BY_ID, args)).dom)

    async def list_all_domains(self, flags: int = 0) -> list[Domain]:
        """All domains, or some (:class:`~virloom.enums.domain.ConnectListAllDomainsFlags`)."""
        args = p.ConnectListAllDomainsArgs(1, flags)
        ret = await self._link.call(p.CONNECT_LIST_ALL_DOMAINS, args)
        return [self._domain(dom) for dom in ret.domains]

    async def list_domain_ids(self) -> list[int]:
        """The numbers of all running domains."""
        args = p.ConnectListDomainsArgs(_MOST_IDS)
        return (await self._link.call(p.CONNECT_LIST_DOMAINS, args)).ids

    async def list_defined_domains(self) -> list[str]:
        """The names of all defined domains that do not run."""
        args = p.ConnectListDefinedDomainsArgs(_MOST_IDS)
        return (await self._link.call(p.CONNECT_LIST_DEFINED_DOMAINS, args)).names

    async def num_of_domains(self) -> int:
        """How many domains run."""
        return (await self._link.call(p.CONNECT_NUM_OF_DOMAINS, VOID)).num

    async def num_of_defined_domains(self) -> int:
        """How many are defined and do not run."""
        return (await self._link.call(p.CONNECT_NUM_OF_DEFINED_DOMAINS, VOID)).num

    async def domain_capabilities(
        self,
        emulator: str | None = None,
        arch: str | None = None,
        machine: str | None = None,
        virttype: str | None = None,
        flags: int = 0,
    ) -> str:
        """What a guest of this kind may have: the domainCapabilities document."""
        args = p.ConnectGetDomainCapabilitiesArgs(emulator, arch, machine, virttype, flags)
        return (await self._link.call(p.CONNECT_GET_DOMAIN_CAPABILITIES, args)).capabilities

    async def domain_xml_to_native(self, format: str, document: str, flags: int = 0) -> str:
        """The hypervisor's own form of a document, such as ``qemu-argv``."""
        args = p.ConnectDomainXMLToNativeArgs(format, document, flags)
        return (await self._link.call(p.CONNECT_DOMAIN_XML_TO_NATIVE, args)).native_config

    async def domain_xml_from_native(self, format: str, config: str, flags: int = 0) -> str:
        """The document of a guest in the hypervisor's own form."""
        args = p.ConnectDomainXMLFromNativeArgs(format, config, flags)
        return (await self._link.call(p.CONNECT_DOMAIN_XML_FROM_NATIVE, args)).domain_xml

    # Measure

    async def all_domain_stats(
        self, stats: int = 0, flags: int = 0, *, domains: Iterable[DomainRef] = ()
    ) -> list[DomainStats]:
        """Statistics of many guests in one call.

        Args:
            stats: :class:`~virloom.enums.domain.DomainStatsTypes`; 0 for all that there are.
            flags: :class:`~virloom.enums.domain.ConnectGetAllDomainStatsFlags`.
            domains: Only these (``dom.ref``); without any, all.
        """
        wanted = [ref.wire for ref in domains]
        args = p.ConnectGetAllDomainStatsArgs(wanted, stats, flags)
        ret = await self._link.call(p.CONNECT_GET_ALL_DOMAIN_STATS, args)
        return [
            DomainStats(DomainRef.of_wire(one.dom), decode(one.params)) for one in ret.ret_stats
        ]

    # Watch

    @overload
    def events(
        self, kind: type[E], *, domain: DomainRef | None = None, queue: int = QUEUE_SIZE
    ) -> EventStream[E]: ...

    @overload
    def events(
        self,
        kind: ev.Kinds = None,
        *,
        domain: DomainRef | None = None,
        queue: int = QUEUE_SIZE,
    ) -> EventStream[ev.DomainEvent]: ...

    def events(
        self, kind: Any = None, *, domain: DomainRef | None = None, queue: int = QUEUE_SIZE
    ) -> EventStream[Any]:
        """Events as an async iterator (see :class:`~virloom.client.subscription.EventStream`).

        Args:
            kind: An event class, or several of them or of libvirt's event ids; None for all that
                libvirt 9.0.0 knows and the driver takes.
            domain: Only those of this domain (``dom.ref``).
            queue: How many events may wait before the reader is told of a gap.
        """
        topics = ev.topics_of(kind, domain)
        return EventStream(self._hub, topics, queue, partly=kind is None)

    def lifecycle_events(
        self, *, domain: DomainRef | None = None, queue: int = QUEUE_SIZE
    ) -> EventStream[ev.LifecycleEvent]:
        """Life cycle events: defined, started, suspended, stopped and so on."""
        return self.events(ev.LifecycleEvent, domain=domain, queue=queue)

    def monitor_events(
        self,
        event: str | None = None,
        *,
        domain: DomainRef | None = None,
        regex: bool = False,
        nocase: bool = False,
        queue: int = QUEUE_SIZE,
    ) -> EventStream[ev.MonitorEvent]:
        """Events of QEMU's own monitor.

        Args:
            event: The name, or a pattern with *regex*; None for all.
            domain: Only those of this domain (``dom.ref``).
            regex: *event* is a regular expression.
            nocase: Upper and lower case are the same in it.
            queue: How many events may wait before the reader is told of a gap.
        """
        flag = ConnectDomainQemuMonitorEventRegisterFlags
        flags = (flag.REGEX if regex else 0) | (flag.NOCASE if nocase else 0)
        return EventStream(self._hub, [ev.MonitorTopic(event, flags, domain)], queue)

    async def on_event(
        self,
        callback: Callable[[Any], object],
        kind: ev.Kinds = None,
        *,
        domain: DomainRef | None = None,
    ) -> Callable[[], None]:
        """Calls *callback* with each event, on the loop that opened the connection.

        It must not wait, and what it raises is logged. Arguments are those of :meth:`events`.

        Returns:
            A function that ends it.
        """
        topics, sink = ev.topics_of(kind, domain), Callback(callback)
        await self._hub.subscribe(topics, sink, partly=kind is None)
        return lambda: self._hub.forget(topics, sink)

    def _domain(self, dom: NonnullDomain) -> Domain:
        return self.domain(DomainRef.of_wire(dom))


#: The most that these calls of the protocol can bring.
_MOST_IDS = 16384
