# SPDX-License-Identifier: Apache-2.0
"""The network interfaces of a domain."""

from __future__ import annotations

from typing import Any

from virloom.client.domain.facet import Facet, ParamsToSet, one_of, with_types
from virloom.client.domain.results import GuestInterface, InterfaceStats, IPAddress
from virloom.client.params import ParamValue, decode, encode, fetch
from virloom.enums.domain import DomainInterfaceAddressesSource
from virloom.procedures import domain as p


class Interfaces(Facet):
    """``dom.interfaces``: figures, limits and addresses."""

    async def stats(self, device: str) -> InterfaceStats:
        """Traffic of the interface with that target name (``vnet0``) or MAC address."""
        args = p.DomainInterfaceStatsArgs(self._dom, device)
        ret = await self._link.call(p.DOMAIN_INTERFACE_STATS, args)
        return InterfaceStats(**{name: getattr(ret, name) for name in InterfaceStats._fields})

    async def addresses(
        self, source: int = DomainInterfaceAddressesSource.LEASE
    ) -> list[GuestInterface]:
        """Addresses by :class:`~virloom.enums.domain.DomainInterfaceAddressesSource`."""
        args = p.DomainInterfaceAddressesArgs(self._dom, source)
        ret = await self._link.call(p.DOMAIN_INTERFACE_ADDRESSES, args)
        return [_interface(one) for one in ret.ifaces]

    async def announce(
        self, device: str | None = None, values: ParamsToSet | None = None, flags: int = 0
    ) -> None:
        """Has the guest's interfaces, or one of them, make themselves known on the network."""
        args = p.DomainAnnounceInterfaceArgs(self._dom, device, encode(values or {}), flags)
        await self._link.call(p.DOMAIN_ANNOUNCE_INTERFACE, args)

    async def parameters(self, device: str, flags: int = 0) -> dict[str, ParamValue]:
        """The limits of an interface's traffic."""
        return decode(await fetch(lambda n: self._parameters(device, n, flags)))

    async def set_parameters(self, device: str, values: ParamsToSet, flags: int = 0) -> None:
        """Sets some of them."""
        params = await with_types(values, lambda n: self._parameters(device, n, one_of(flags)))
        args = p.DomainSetInterfaceParametersArgs(self._dom, device, params, flags)
        await self._link.call(p.DOMAIN_SET_INTERFACE_PARAMETERS, args)

    async def _parameters(self, device: str, number: int, flags: int) -> Any:
        args = p.DomainGetInterfaceParametersArgs(self._dom, device, number, flags)
        return await self._link.call(p.DOMAIN_GET_INTERFACE_PARAMETERS, args)


#: virIPAddrType of the protocol.
_IPV6 = 1


def _interface(wire: p.DomainInterface) -> GuestInterface:
    addresses = (IPAddress(a.addr, a.prefix, 6 if a.type == _IPV6 else 4) for a in wire.addrs)
    return GuestInterface(wire.name, wire.hwaddr, tuple(addresses))
