# SPDX-License-Identifier: Apache-2.0
"""Networks that run: made, changed, unmade, and found again; what is made is recorded before.

Callers hold the network's ``changing``, but where a method takes it itself (ports).
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from uuid import UUID

from virloom.drivers.network.activation import CHANGING, FORMER, Activation
from virloom.drivers.network.directories import NetworkDirectories
from virloom.drivers.network.former import FormerNetworks
from virloom.drivers.network.guard import NetworkGuard
from virloom.drivers.network.hooks import NetworkHooks
from virloom.drivers.network.network import VirtualNetwork
from virloom.drivers.network.ports import holding
from virloom.drivers.network.ports.life import PortLife
from virloom.drivers.network.record import NetworkRecord
from virloom.drivers.runtime.objects import ObjectIndex
from virloom.drivers.runtime.steps import reached
from virloom.errors import VirloomError
from virloom.model.network import Network
from virloom.model.network.port import NetworkPort
from virloom.xml import format_document, parse_document

logger = logging.getLogger(__name__)


class NetworkLife:
    """The active networks of one set of directories.

    Args:
        directories: Of the driver.
        networks: All there are; active ones that are not among them are added.
        activation: What makes them of the host.
        hooks: The host's scripts for them.
        stopped: Told of a network that somebody else has stopped.
    """

    def __init__(
        self,
        directories: NetworkDirectories,
        networks: ObjectIndex[VirtualNetwork],
        activation: Activation,
        hooks: NetworkHooks,
        stopped: Callable[[VirtualNetwork], None],
    ) -> None:
        self._directories = directories
        self._networks = networks
        self._activation = activation
        self._hooks = hooks
        self._records: dict[bytes, NetworkRecord] = {}
        self._ports = PortLife(activation, hooks)
        self._stopped = stopped
        self._former = FormerNetworks(directories, activation)
        self._guard = NetworkGuard(networks, activation, self._mend)

    async def close(self) -> None:
        """Lets go of them; they stay as they are."""
        await self._guard.close()

    def check(self) -> None:
        """Has what active networks have lost put back."""
        self._guard.check()

    async def _mend(self, network: VirtualNetwork) -> bool:
        """Puts back what the network has lost; without its bridge it is stopped."""
        async with network.changing:
            live = network.live
            if live is None:
                return True
            record = self._records[network.uuid]
            if await self._activation.is_there(live, record):
                whole = await self._activation.mend(live, record, network.ports.values())
                self._guard.attend(network)
                return whole
            logger.error("somebody has removed the bridge of network '%s': it stops", network.name)
            await self.deactivate(network, live)
        self._stopped(network)
        return True

    # -- found again ---------------------------------------------------------------------------

    async def take_over(self) -> None:
        """Networks that an earlier daemon started go on; what it left unfinished is undone.

        Raises:
            OperationFailed: Libvirt's daemon runs, and has them.
        """
        await self._former.adopt()
        NetworkRecord.sweep(self._directories.run)
        for path in sorted(self._directories.run.glob("*.json")):
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
            await self._undo(model, record)
            return
        if not await self._activation.is_there(model, record):
            logger.warning("the network '%s' is not there any more", record.name)
            await self._undo(model, record)
            return
        network = self._networks.by_uuid(UUID(record.uuid).bytes)
        if network is None:
            network = VirtualNetwork(model)
            self._networks.add(network)
        self._has(network, model, record)
        self._guard.open()
        holding.find_again(network, record)
        try:
            await self._activation.take_over(model, record, network.ports.values())
            if FORMER in record.runtime:
                self._former.forget(model.name)
                del record.runtime[FORMER]
                record.save()
        finally:
            self._guard.attend(network)

    def _has(self, network: VirtualNetwork, model: Network, record: NetworkRecord) -> None:
        """From here on it is active."""
        self._records[network.uuid] = record
        network.live = model
        network.bridge = (record.runtime.get("bridge") or {}).get("index")

    async def _undo(self, model: Network, record: NetworkRecord) -> None:
        await self._activation.stop(model, record)
        if FORMER in record.runtime:
            self._former.forget(model.name)
        record.delete()

    # -- made, changed, unmade -----------------------------------------------------------------

    async def activate(self, network: VirtualNetwork, model: Network) -> None:
        """Makes the network as the document says, which becomes its live one.

        Raises:
            VirloomError: The host has not what it needs; nothing is left of the attempt.
        """
        await self._hooks.tell("start", model)
        record = NetworkRecord(self._directories.record(model.name), model.name, model.uuid or "")
        _save(record, model)
        try:
            reached("intent-recorded")
            self._guard.open()
            await self._activation.start(model, record)
            await self._hooks.tell("started", model)
            record.stage = "active"
            _save(record, model)
            reached("active-recorded")
        except BaseException:
            await self._undo(model, record)
            raise
        self._has(network, model, record)
        self._guard.attend(network)

    async def change(self, network: VirtualNetwork, model: Network) -> None:
        """Has what runs be as another document says, or leaves it as it was.

        A kill on the way leaves a record that says so: all is made anew from it then.

        Raises:
            VirloomError: The host would not, or the record cannot be written.
        """
        former, record = network.current, self._records[network.uuid]
        record.runtime[CHANGING] = True
        _save(record, former)
        await self._activation.change(former, model)
        del record.runtime[CHANGING]
        reached("change-made")
        try:
            _save(record, model)
        except BaseException:
            await self._activation.change(model, former)
            raise
        network.live = model
        holding.count(network)
        self._guard.attend(network)

    async def deactivate(self, network: VirtualNetwork, model: Network) -> None:
        """Unmakes it; *model* is its live document.

        Raises:
            SystemFailure: That cannot be written; it is active still.
        """
        record = self._records[network.uuid]
        record.stage = "stopping"
        _save(record, model)
        reached("stopping-recorded")
        self._guard.forget(network)
        await self._undo(model, record)
        del self._records[network.uuid]
        network.live = network.bridge = None
        network.ports.clear()
        if not network.persistent:
            self._networks.remove(network)
        await self._hooks.tell("stopped", model)

    # -- ports ---------------------------------------------------------------------------------

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


def _save(record: NetworkRecord, model: Network) -> None:
    record.document = format_document(model)
    record.save()
