# SPDX-License-Identifier: Apache-2.0
"""What is made of a host for a network that is started, and unmade when it is stopped.

The steps of a start are in the record before they are taken, and each can be undone although it
was never made: a start that fails, a stop, and a daemon that finds what another one left all
undo in the same way.
"""

from __future__ import annotations

import asyncio
import errno
import logging
from collections.abc import Awaitable, Callable, Collection

from virloom.drivers.network.announcements import FIREWALLD
from virloom.drivers.network.directories import NetworkDirectories
from virloom.drivers.network.dnsmasq.process import Dnsmasq
from virloom.drivers.network.firewall.apply import Firewall
from virloom.drivers.network.firewall.former import FormerRules
from virloom.drivers.network.firewall.rules import ruleset, show_ports
from virloom.drivers.network.firewall.zones import Zones
from virloom.drivers.network.host import NetworkHost
from virloom.drivers.network.links import shaping
from virloom.drivers.network.links.bridge import index_of, make_bridge, remove_bridge
from virloom.drivers.network.links.routing import (
    check_advertised,
    check_collisions,
    enable_forwarding,
    routes,
)
from virloom.drivers.network.naming import has_own_bridge
from virloom.drivers.network.pools import fill_pool
from virloom.drivers.network.record import NetworkRecord
from virloom.drivers.runtime.steps import reached
from virloom.enums.error import ErrorDomain
from virloom.errors import VirloomError, system_failure
from virloom.host.identity import ProcessIdentity
from virloom.model.network import Network
from virloom.model.network.port import NetworkPort

logger = logging.getLogger(__name__)

#: In the record while a change of what runs is under way.
CHANGING = "changing"
#: In the record of a network that libvirt has started, until nothing of libvirt's is left of it.
FORMER = "libvirt"
#: In the record: what has given the kernel the network's rules.
_BACKEND = "firewall"
#: In the record: the zone of firewalld that the bridge is in.
_ZONE = "zone"


class Activation:
    """Networks on this host.

    Args:
        directories: Of the driver.
        host: What they are made of.
        backend: What gives the kernel their rules (:data:`BACKENDS`); None is what there is.

    Raises:
        ConfigUnsupported: The host has not that back end.
    """

    def __init__(
        self,
        directories: NetworkDirectories,
        host: NetworkHost | None = None,
        backend: str | None = None,
    ) -> None:
        self.host = host or NetworkHost()
        self._directories = directories
        self._firewall = Firewall(self.host, backend)
        self._firewall.check()
        # Whose subnet is free is not to be taken by another one before its bridge is there.
        self._placing = asyncio.Lock()
        self._former = FormerRules(self.host)
        self._zones = Zones(self.host)

    def has_link(self, name: str) -> bool:
        """Whether there is a link of that name, whoever's."""
        return self.host.has_link(name)

    def is_virtual_function(self, address: str) -> bool:
        """Whether the PCI device of that address is part of another one (SR-IOV)."""
        return self.host.is_virtual_function(address)

    # -- start and stop ------------------------------------------------------------------------

    async def start(self, model: Network, record: NetworkRecord) -> None:
        """Makes what the network needs; on an error the caller has it undone by :meth:`stop`.

        Raises:
            VirloomError: What cannot be made.
        """
        if has_own_bridge(model):
            await self._make(model, record)
        else:
            fill_pool(self.host, model)
        if shaping.is_limited(model):
            record.runtime["limited"] = model.bridge.name
            record.save()
            await shaping.shape(self.host, model, ())
        reached("traffic-limited")

    async def _make(self, model: Network, record: NetworkRecord) -> None:
        """Makes the network's own bridge, and what goes with it."""
        zone = await self._zones.wanted(model)
        async with self._placing:
            await self._place(model, record)
        record.runtime["parameters"] = enable_forwarding(self.host, model)
        show_ports(model)
        await self._firewall.apply(model)
        if zone is not None:
            await self._enter(model, record, zone)
        reached("rules-made")
        dnsmasq = self._dnsmasq(model)
        if dnsmasq.wanted:
            await dnsmasq.start()
        reached("dnsmasq-started")

    async def _place(self, model: Network, record: NetworkRecord) -> None:
        """Makes the bridge, where nobody has its name or its subnets."""
        check_collisions(model, routes(self.host, model))
        check_advertised(self.host, model)
        name = model.bridge.name or ""
        if self.has_link(name):
            taken = OSError(errno.EEXIST, name)
            raise system_failure(
                f"error creating bridge interface {name}", taken, domain=ErrorDomain.NONE
            )
        record.runtime["bridge"] = {"name": name, "index": None}
        record.runtime[_BACKEND] = self._firewall.name
        record.save()
        reached("bridge-noted")
        record.runtime["bridge"]["index"] = await make_bridge(self.host, model)
        record.save()
        reached("bridge-made")

    async def stop(self, model: Network, record: NetworkRecord) -> None:
        """Unmakes all that the record tells of, as far as it is there."""
        limited = record.runtime.get("limited")
        if limited is not None:
            await self._undo(model, lambda: shaping.unshape(self.host, limited))
        bridge = record.runtime.get("bridge")
        if bridge is None:
            return
        name, index = bridge["name"], bridge["index"]
        former = record.runtime.get(_BACKEND)
        await self._undo(model, self._dnsmasq(model).stop)
        reached("dnsmasq-stopped")
        await self._undo(model, lambda: self._firewall.remove(name, former))
        if _ZONE in record.runtime:
            await self._undo(model, lambda: self._zones.leave(name))
        if FORMER in record.runtime:
            await self._undo(model, lambda: self._former.remove(model))
        reached("rules-removed")
        await self._undo(model, lambda: remove_bridge(self.host, model, index))
        reached("bridge-removed")

    async def _undo(self, model: Network, undo: Callable[[], Awaitable[None]]) -> None:
        """One part that cannot be undone does not keep the others."""
        try:
            await undo()
        except VirloomError as exc:
            logger.error("network '%s' is not wholly undone: %s", model.name, exc)

    def _dnsmasq(self, model: Network) -> Dnsmasq:
        return Dnsmasq(self.host, self._directories, model)

    # -- while it is active ----------------------------------------------------------------------

    async def is_there(self, model: Network, record: NetworkRecord) -> bool:
        """Whether the network that the record tells of is still there: its bridge, that is."""
        bridge = record.runtime.get("bridge")
        if bridge is None:
            return not has_own_bridge(model) or self.has_link(model.bridge.name or "")
        if bridge["index"] is None:
            return False
        return bool(await index_of(self.host, bridge["name"]) == bridge["index"])

    async def index_of(self, bridge: str, address: str | None) -> int | None:
        """The index of the bridge of that name and hardware address; None where there is none."""
        return await index_of(self.host, bridge, address)

    async def take_over(
        self, model: Network, record: NetworkRecord, ports: Collection[NetworkPort]
    ) -> None:
        """Puts back what somebody has taken from the network while no daemon ran.

        A change that was not finished then is undone.

        Args:
            ports: Those that guests have of it.
        """
        if CHANGING in record.runtime and has_own_bridge(model):
            await self._firewall.apply(model)
            await self._dnsmasq(model).renew()
            del record.runtime[CHANGING]
            record.save()
        if FORMER in record.runtime and has_own_bridge(model):
            await self._former.remove(model)
        await self._change_backend(model, record)
        await self.mend(model, record, ports)

    async def _change_backend(self, model: Network, record: NetworkRecord) -> None:
        """Rules that another back end has given are replaced."""
        former = record.runtime.get(_BACKEND)
        if former in (None, self._firewall.name) or not has_own_bridge(model):
            return
        await self._firewall.apply(model)
        await self._firewall.remove(model.bridge.name or "", former)
        record.runtime[_BACKEND] = self._firewall.name
        record.save()

    async def mend(
        self, model: Network, record: NetworkRecord, ports: Collection[NetworkPort]
    ) -> bool:
        """Puts back what the network has lost, as far as that is possible.

        Returns:
            Whether it has all again; what it has not is in the log.
        """
        parts: list[Callable[[], Awaitable[None]]] = []
        if has_own_bridge(model):
            parts += [
                lambda: self._mend_rules(model),
                lambda: self._mend_zone(model, record),
                lambda: self._mend_dnsmasq(model),
            ]
        if "limited" in record.runtime:
            parts.append(lambda: self._mend_limits(model, ports))
        return all([await self._attempt(model, part) for part in parts])

    async def _attempt(self, model: Network, part: Callable[[], Awaitable[None]]) -> bool:
        """One part that cannot be had does not keep the others."""
        try:
            await part()
        except VirloomError as exc:
            logger.error("network '%s' has not all that it should: %s", model.name, exc)
            return False
        return True

    async def _mend_rules(self, model: Network) -> None:
        if not await self._firewall.holds(model):
            logger.warning("the rules of network '%s' had gone", model.name)
            await self._firewall.apply(model)

    async def _enter(self, model: Network, record: NetworkRecord, zone: str) -> None:
        record.runtime[_ZONE] = zone
        record.save()
        await self._zones.enter(model.bridge.name or "", zone)

    async def _mend_zone(self, model: Network, record: NetworkRecord) -> None:
        """firewalld forgets bridges, and may have come after the network."""
        zone = record.runtime.get(_ZONE) or await self._zones.wanted(model)
        if zone is not None and not await self._zones.holds(model.bridge.name or "", zone):
            logger.warning("the bridge of network '%s' was not in zone '%s'", model.name, zone)
            await self._enter(model, record, zone)

    async def _mend_dnsmasq(self, model: Network) -> None:
        if await self._dnsmasq(model).take_over():
            logger.warning("the dnsmasq of network '%s' had ended", model.name)

    async def _mend_limits(self, model: Network, ports: Collection[NetworkPort]) -> None:
        if not await shaping.is_shaped(self.host, model, ports):
            logger.warning("the traffic of network '%s' was not limited", model.name)
            await shaping.shape(self.host, model, ports)

    def server(self, model: Network) -> ProcessIdentity | None:
        """The dnsmasq of an active network; None where there is none."""
        dnsmasq = self._dnsmasq(model)
        return dnsmasq.find() if has_own_bridge(model) and dnsmasq.wanted else None

    async def reserve(
        self, model: Network, port: NetworkPort, others: Collection[NetworkPort]
    ) -> None:
        """Makes a port of an active network sure of the rate that its document has, if any.

        Raises:
            VirloomError: The kernel would not; *others* keep what they have.
        """
        await shaping.reserve(self.host, model, port, others)

    async def give_up(
        self, model: Network, port: NetworkPort, others: Collection[NetworkPort]
    ) -> None:
        """The port is sure of nothing any more; *others* stay."""
        await shaping.give_up(self.host, model, port, others)

    def tables(self, model: Network) -> frozenset[str]:
        """The tables of nft that have rules for the network, ours and others'."""
        if not has_own_bridge(model):
            return _NONE
        return self._firewall.tables(model.bridge.name or "") | {FIREWALLD}

    async def change(self, former: Network, model: Network) -> None:
        """Applies a changed document to the active network.

        Raises:
            VirloomError: The host would not; all is as with the former document.
        """
        if not has_own_bridge(model):
            return
        ruled = ruleset(former) != ruleset(model)
        if ruled:
            await self._firewall.apply(model)
        try:
            await self._dnsmasq(model).change(self._dnsmasq(former))
        except BaseException:
            if ruled:
                await self._firewall.apply(former)
            raise


_NONE: frozenset[str] = frozenset()
