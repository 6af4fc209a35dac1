# SPDX-License-Identifier: Apache-2.0
"""The virtual networks of one set of directories, and what may be done to them."""

from __future__ import annotations

import asyncio
from uuid import UUID

from virloom.drivers.network.activation import Activation
from virloom.drivers.network.completion import complete
from virloom.drivers.network.directories import NetworkDirectories
from virloom.drivers.network.hooks import NetworkHooks
from virloom.drivers.network.life import NetworkLife
from virloom.drivers.network.naming import give_address, has_own_bridge, name_bridge
from virloom.drivers.network.network import VirtualNetwork
from virloom.drivers.network.validate import validate_network
from virloom.drivers.runtime.autostart import start_once
from virloom.drivers.runtime.index import DocumentIndex
from virloom.drivers.runtime.loading import take_in
from virloom.drivers.runtime.object_events import ObjectEvents
from virloom.drivers.runtime.objects import ObjectIndex
from virloom.drivers.runtime.store import DocumentStore, check_name
from virloom.enums.error import ErrorDomain
from virloom.enums.network import NetworkEventID, NetworkEventLifecycleType
from virloom.errors import NoNetwork, OperationFailed, OperationInvalid
from virloom.host.files import remove_temporaries
from virloom.host.lock import lock_directory
from virloom.model.network import Network
from virloom.procedures import network as p
from virloom.procedures.types import NonnullNetwork
from virloom.xml import FormatFlags, format_document, parse_document

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
        life: Those that run.
        hooks: The host's scripts for them.
    """

    def __init__(
        self, directories: NetworkDirectories, uri: str, activation: Activation | None = None
    ) -> None:
        directories.make()
        refusal = f"another process has the networks of '{directories.config}'"
        self._lock = lock_directory(directories.run, refusal, _DOMAIN)
        self.directories = directories
        self.uri = uri
        self.all: ObjectIndex[VirtualNetwork] = ObjectIndex()
        self.events: ObjectEvents[bytes] = ObjectEvents("network", _EVENTS)
        self._index = DocumentIndex(directories.cache / "documents.index")
        self.store = DocumentStore(directories.config, directories.autostart, self._index)
        self.activation = activation or Activation(directories)
        self.hooks = NetworkHooks(directories.hooks)
        self.life = NetworkLife(directories, self.all, self.activation, self.hooks, self._stopped)
        # Names of bridges are given by what the others have; nobody else names one meanwhile.
        self._admitting = asyncio.Lock()

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
            await driver.life.take_over()
            mark = directories.run / "autostarted"
            await start_once(mark, driver.all, driver.start, "network")
        except BaseException:
            await driver.life.close()
            driver._lock.release()
            raise
        return driver

    async def close(self) -> None:
        """Lets go of everything; active networks stay as they are."""
        await self.life.close()
        await self.store.settled()
        self._lock.release()

    # -- what is on disk -----------------------------------------------------------------------

    def reload(self) -> None:
        """Takes in documents that came to the disk; those of known networks are left alone."""
        take_in(self.store, self.all, self._read, "network")

    def _read(self, text: str) -> VirtualNetwork:
        model = parse_document(Network, text)
        complete(model)
        network = VirtualNetwork(model)
        network.definition = model
        network.autostart = self.store.autostarts(network.name)
        return network

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

    # -- changing ------------------------------------------------------------------------------

    async def define(self, model: Network) -> VirtualNetwork:
        """Makes the network, or gives a known one another document for its next start.

        Raises:
            OperationFailed: The name or the UUID belongs to another network.
            InternalError: Another one has its bridge (libvirt's code for it).
            ConfigUnsupported: Nothing here could start it.
            SystemFailure: It cannot be written; the former one stays.
        """
        async with self._admitting:
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

            def taken(bridge: str) -> bool:  # there may be thousands, and most are only asked once
                has = (other for other in self.all if bridge in other.bridges)
                return any(other.name != model.name for other in has)

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
                validate_network(model, self.activation.is_virtual_function, network.current)
        former = network.live
        if live is not None:
            await self.life.change(network, live)
        if config is None:
            return
        try:
            await self._write(network, config)
        except BaseException:
            if live is not None and former is not None:
                await self.life.change(network, former)
            raise

    # -- starting and stopping -----------------------------------------------------------------

    async def create_xml(self, model: Network) -> VirtualNetwork:
        """Starts a network that is gone when it is stopped, or a known one with *model*.

        Raises:
            OperationInvalid: It is active.
            VirloomError: As :meth:`define` and :meth:`start`.
        """
        async with self._admitting:
            self._settle(model)
            network = self._admit(model)
            async with network.changing:
                if network.active:
                    raise OperationInvalid(
                        f"network is already active as '{network.name}'", domain=_DOMAIN
                    )
                await self.life.activate(network, model)
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
            await self.life.activate(network, network.current.copy())
        self.tell(network, _Event.STARTED)

    async def destroy(self, network: VirtualNetwork) -> None:
        """Stops it.

        Raises:
            OperationInvalid: It is not active.
        """
        async with network.changing:
            model = network.live
            if model is None:
                raise OperationInvalid(f"network '{network.name}' is not active", domain=_DOMAIN)
            await self.life.deactivate(network, model)
        self.tell(network, _Event.STOPPED)

    def _stopped(self, network: VirtualNetwork) -> None:
        self.tell(network, _Event.STOPPED)

    # -- telling -------------------------------------------------------------------------------

    def tell(self, network: VirtualNetwork, event: NetworkEventLifecycleType) -> None:
        """Tells whoever listens of a change in its life."""
        self.events.emit(
            NetworkEventID.LIFECYCLE,
            network.uuid,
            p.NETWORK_EVENT_LIFECYCLE,
            lambda number: p.NetworkEventLifecycleMsg(number, network.ref(), int(event), 0),
        )
