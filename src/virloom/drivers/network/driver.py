# SPDX-License-Identifier: Apache-2.0
"""The virtual networks of one set of directories, and what may be done to them."""

from __future__ import annotations

import logging
from collections.abc import Callable
from uuid import UUID

from virloom.drivers.network.activation import CHANGING, Activation
from virloom.drivers.network.completion import complete
from virloom.drivers.network.directories import NetworkDirectories
from virloom.drivers.network.guard import RulesGuard
from virloom.drivers.network.hooks import NetworkHooks
from virloom.drivers.network.naming import (
    bridges_of,
    give_address,
    has_own_bridge,
    name_bridge,
)
from virloom.drivers.network.network import VirtualNetwork
from virloom.drivers.network.ports import holding
from virloom.drivers.network.ports.life import PortLife
from virloom.drivers.network.record import NetworkRecord
from virloom.drivers.network.steps import reached
from virloom.drivers.network.validate import validate_network
from virloom.drivers.runtime.autostart import first_since_boot
from virloom.drivers.runtime.index import DocumentIndex
from virloom.drivers.runtime.object_events import ObjectEvents
from virloom.drivers.runtime.objects import ObjectIndex
from virloom.drivers.runtime.store import DocumentStore, check_name
from virloom.enums.error import ErrorDomain
from virloom.enums.network import NetworkEventID, NetworkEventLifecycleType
from virloom.errors import NoNetwork, OperationFailed, OperationInvalid, VirloomError
from virloom.host.files import remove_temporaries
from virloom.host.lock import LockHeld, RootLock
from virloom.model.network import Network
from virloom.model.network.port import NetworkPort
from virloom.procedures import network as p
from virloom.procedures.types import NonnullNetwork
from virloom.xml import FormatFlags, format_document, parse_document

logger = logging.getLogger(__name__)

_DOMAIN = ErrorDomain.NETWORK
_Event = NetworkEventLifecycleType
_EVENTS = frozenset(int(event) for event in NetworkEventID)


class NetworkDriver:
    """The sole owner of its directories while it is open.

    Attributes:
        uri: What clients are told.
        all: The networks.
        events: Who listens to what happens to them.
        store: The persistent documents.
        activation: What makes them of the host.
        hooks: The host's scripts for them.
    """

    def __init__(
        self, directories: NetworkDirectories, uri: str, activation: Activation | None = None
    ) -> None:
        directories.make()
        try:
            self._lock = RootLock.acquire(str(directories.run))
        except LockHeld as exc:
            raise OperationFailed(
                f"another process has the networks of '{directories.config}': {exc}",
                domain=_DOMAIN,
            ) from exc
        self.directories = directories
        self.uri = uri
        self.all: ObjectIndex[VirtualNetwork] = ObjectIndex()
        self.events: ObjectEvents[bytes] = ObjectEvents("network", _EVENTS)
        self._index = DocumentIndex(directories.cache / "documents.index")
        self.store = DocumentStore(directories.config, directories.autostart, self._index)
        self.activation = activation or Activation(directories)
        self._records: dict[bytes, NetworkRecord] = {}
        self.hooks = NetworkHooks(directories.hooks)
        self._ports = PortLife(self.activation, self.hooks)
        self._guard = RulesGuard(self.all, self.activation)

    @classmethod
    async def open(
        cls, directories: NetworkDirectories, uri: str, activation: Activation | None = None
    ) -> NetworkDriver:
        """Opens the driver: loads the documents, takes active networks over, starts the others.

        Raises:
            OperationFailed: Another process has the directories.
            SystemFailure: A directory cannot be used.
        """
        driver = cls(directories, uri, activation)
        try:
            remove_temporaries(directories.config)
            remove_temporaries(directories.run)
            driver.reload()
            await driver._take_over()
            await driver._autostart()
        except BaseException:
            await driver._guard.close()
            driver._lock.release()
            raise
        return driver

    async def close(self) -> None:
        """Lets go of everything; active networks stay as they are."""
        await self._guard.close()
        await self.store.settled()
        self._lock.release()

    # -- what is on disk -----------------------------------------------------------------------

    def reload(self) -> None:
        """Takes in documents that came to the disk; those of known networks are left alone."""
        for document in self.store.load():
            if self.all.by_name(document.name) is not None:
                continue
            try:
                model = parse_document(Network, document.text)
                complete(model)
                if model.name != document.name:
                    raise ValueError(f"its name '{model.name}' is not that of its file")
                network = VirtualNetwork(model)
                network.definition = model
                network.autostart = self.store.autostarts(model.name)
                self.all.add(network)
            except (VirloomError, ValueError) as exc:
                logger.error("the network '%s' is left out: %s", document.name, exc)

    def check_rules(self) -> None:
        """Has rules of active networks put back that have gone."""
        self._guard.check()

    async def _take_over(self) -> None:
        """Networks that an earlier daemon started go on; what it left unfinished is undone."""
        for path in sorted(self.directories.run.glob("*.json")):
            try:
                record = NetworkRecord.load(path)
                model = parse_document(Network, record.document)
                await self._take(model, record)
            except (OSError, ValueError, VirloomError) as exc:
                logger.error("the network of '%s' is not taken over: %s", path, exc)

    async def _take(self, model: Network, record: NetworkRecord) -> None:
        if not record.is_of_this_boot:  # what it tells of went with that boot
            record.delete()
            return
        if record.stage != "active":
            await self.activation.stop(model, record)
            record.delete()
            return
        if not await self.activation.is_there(model, record):
            logger.warning("the network '%s' is not there any more", record.name)
            await self.activation.stop(model, record)
            record.delete()
            return
        network = self.all.by_uuid(UUID(record.uuid).bytes)
        if network is None:
            network = VirtualNetwork(model)
            self.all.add(network)
        network.live = model
        self._records[network.uuid] = record
        self._guard.open()
        holding.find_again(network, record)
        await self.activation.take_over(model, record, network.ports.values())

    async def _autostart(self) -> None:
        """Starts those that start by themselves; one that fails does not keep the others.

        They start once in each boot: whoever stopped one meanwhile does not want it back.
        """
        if not first_since_boot(self.directories.run / "autostarted"):
            return
        for network in self.all:
            if network.autostart and not network.active:
                try:
                    await self.start(network)
                except VirloomError as exc:
                    logger.error("network '%s' cannot be started: %s", network.name, exc)

    # -- looking -------------------------------------------------------------------------------

    def find(self, ref: NonnullNetwork) -> VirtualNetwork:
        """The network that a call names.

        Raises:
            NoNetwork: There is none.
        """
        network = self.all.by_uuid(ref.uuid)
        if network is None:
            text = UUID(bytes=ref.uuid)
            raise NoNetwork(f"no network with matching uuid '{text}' ({ref.name})", domain=_DOMAIN)
        return network

    def record_of(self, network: VirtualNetwork) -> NetworkRecord:
        """The status file of an active network."""
        return self._records[network.uuid]

    # -- changing ------------------------------------------------------------------------------

    async def define(self, model: Network) -> VirtualNetwork:
        """Makes the network, or gives a known one another document for its next start.

        Raises:
            OperationFailed: The name or the UUID belongs to another network.
            InternalError: Another one has its bridge (libvirt's code for it).
            ConfigUnsupported: Nothing here could start it.
            SystemFailure: It cannot be written; the former one stays.
        """
        self._settle(model)
        network = self._admit(model)
        async with network.changing:
            await self._write(network, model)
            if network not in self.all:
                self.all.add(network)
        self.tell(network, _Event.DEFINED)
        return network

    def _admit(self, model: Network) -> VirtualNetwork:
        """The network that *model* describes: a known one, or a new one."""
        check_name(model.name, _DOMAIN)
        network = self.all.by_uuid(UUID(model.uuid).bytes)
        if network is None:
            namesake = self.all.by_name(model.name)
            if namesake is not None:
                raise OperationFailed(
                    f"network '{model.name}' already exists with uuid {namesake.current.uuid}",
                    domain=_DOMAIN,
                )
            return VirtualNetwork(model)
        if network.name != model.name:
            raise OperationFailed(
                f"network '{network.name}' is already defined with uuid {model.uuid}",
                domain=_DOMAIN,
            )
        return network

    def _settle(self, model: Network) -> None:
        """Fills in what only the host knows, and refuses what it cannot serve."""
        validate_network(model, self.activation.is_virtual_function)
        if has_own_bridge(model):
            others = [other for other in self.all if other.name != model.name]
            taken = bridges_of(document for other in others for document in other.documents)
            name_bridge(model, taken, self.activation.has_link)
            give_address(model)

    async def _write(self, network: VirtualNetwork, model: Network) -> None:
        text = format_document(model, FormatFlags.INACTIVE)

        def durable() -> None:
            network.definition = model

        await self.store.save(network.name, network.uuid, text, durable)

    async def undefine(self, network: VirtualNetwork) -> None:
        """Forgets its document; an active one is transient from then on.

        Raises:
            OperationInvalid: It is transient.
        """
        async with network.changing:
            if not network.persistent:
                raise OperationInvalid("can't undefine transient network", domain=_DOMAIN)
            await self.store.delete(network.name)
            network.autostart = False
            network.definition = None
            if not network.active:
                self.all.remove(network)
        self.tell(network, _Event.UNDEFINED)

    async def set_autostart(self, network: VirtualNetwork, on: bool) -> None:
        """Has it start with the driver, or not.

        Raises:
            OperationInvalid: It is transient.
        """
        async with network.changing:
            if not network.persistent:
                raise OperationInvalid("cannot set autostart for transient network", domain=_DOMAIN)
            await self.store.set_autostart(network.name, on)
            network.autostart = on

    async def change(
        self, network: VirtualNetwork, live: Network | None, config: Network | None
    ) -> None:
        """Gives it changed documents: of what runs, of its next start, or both or neither.

        The caller holds ``changing``.

        Raises:
            VirloomError: The host would not, or nothing can be written.
        """
        for model in (live, config):
            if model is not None:
                validate_network(model, self.activation.is_virtual_function)
        former = network.live
        if live is not None:
            await self._change_live(network, live)
        if config is None:
            return
        try:
            await self._write(network, config)
        except BaseException:
            if live is not None and former is not None:
                await self._change_live(network, former)
            raise

    async def _change_live(self, network: VirtualNetwork, model: Network) -> None:
        """A kill on the way leaves a record that says so: all is made anew from it then."""
        former, record = network.current, self._records[network.uuid]
        record.runtime[CHANGING] = True
        self._save(record, former)
        await self.activation.change(former, model)
        del record.runtime[CHANGING]
        reached("change-made")
        try:
            self._save(record, model)
        except BaseException:
            await self.activation.change(model, former)
            raise
        network.live = model
        holding.count(network)

    # -- starting and stopping -----------------------------------------------------------------

    async def create_xml(self, model: Network) -> VirtualNetwork:
        """Starts a network that is gone when it is stopped, or a known one with *model*.

        Raises:
            OperationInvalid: It is active.
            VirloomError: As :meth:`define` and :meth:`start`.
        """
        self._settle(model)
        network = self._admit(model)
        async with network.changing:
            if network.active:
                raise OperationInvalid(
                    f"network is already active as '{network.name}'", domain=_DOMAIN
                )
            await self._activate(network, model)
            if network not in self.all:
                self.all.add(network)
        self.tell(network, _Event.STARTED)
        return network

    async def start(self, network: VirtualNetwork) -> None:
        """Starts it.

        Raises:
            OperationInvalid: It is active.
            VirloomError: The host has not what it needs; nothing is left of the attempt.
        """
        async with network.changing:
            if network.active:
                raise OperationInvalid(
                    f"network '{network.name}' is already active", domain=_DOMAIN
                )
            await self._activate(network, network.current.copy())
        self.tell(network, _Event.STARTED)

    async def _activate(self, network: VirtualNetwork, model: Network) -> None:
        await self.hooks.tell("start", model)
        record = NetworkRecord(self.directories.record(model.name), model.name, model.uuid or "")
        self._save(record, model)
        try:
            reached("intent-recorded")
            self._guard.open()
            await self.activation.start(model, record)
            await self.hooks.tell("started", model)
            record.stage = "active"
            self._save(record, model)
            reached("active-recorded")
        except BaseException:
            await self.activation.stop(model, record)
            record.delete()
            raise
        self._records[network.uuid] = record
        network.live = model

    async def destroy(self, network: VirtualNetwork) -> None:
        """Stops it.

        Raises:
            OperationInvalid: It is not active.
        """
        async with network.changing:
            model = network.live
            if model is None:
                raise OperationInvalid(f"network '{network.name}' is not active", domain=_DOMAIN)
            record = self._records[network.uuid]
            record.stage = "stopping"
            self._save(record, model)
            reached("stopping-recorded")
            await self.activation.stop(model, record)
            record.delete()
            del self._records[network.uuid]
            network.live = None
            network.ports.clear()
            if not network.persistent:
                self.all.remove(network)
            await self.hooks.tell("stopped", model)
        self.tell(network, _Event.STOPPED)

    @staticmethod
    def _save(record: NetworkRecord, model: Network) -> None:
        record.document = format_document(model)
        record.save()

    async def add_port(
        self, network: VirtualNetwork, port: NetworkPort, *, reclaim: bool = False
    ) -> None:
        """Gives a guest's interface a port of an active network.

        Raises:
            OperationInvalid: It is not active.
            VirloomError: As :meth:`~virloom.drivers.network.ports.life.PortLife.take`.
        """
        async with network.changing:
            record = self._records.get(network.uuid)
            await self._ports.take(network, record, port, reclaim=reclaim)

    async def change_port(
        self, network: VirtualNetwork, port: NetworkPort, change: Callable[[NetworkPort], None]
    ) -> None:
        """Changes what a port may do.

        Raises:
            VirloomError: The network has not what is asked for; it stays as it was.
        """
        async with network.changing:
            former = network.ports.get(port.uuid or "")
            if former is not None:
                await self._ports.change(network, self._records[network.uuid], former, change)

    async def remove_port(self, network: VirtualNetwork, port: NetworkPort) -> None:
        """Takes a port back.

        Raises:
            SystemFailure: That cannot be written.
        """
        async with network.changing:
            known = network.ports.get(port.uuid or "")
            if known is not None:
                await self._ports.give_back(network, self._records[network.uuid], known)

    # -- telling -------------------------------------------------------------------------------

    def tell(self, network: VirtualNetwork, event: NetworkEventLifecycleType) -> None:
        """Tells whoever listens of a change in its life."""
        self.events.emit(
            NetworkEventID.LIFECYCLE,
            network.uuid,
            p.NETWORK_EVENT_LIFECYCLE,
            lambda number: p.NetworkEventLifecycleMsg(number, network.ref(), int(event), 0),
        )
