# SPDX-License-Identifier: Apache-2.0
"""A port of a virtual network: where one guest's interface is plugged in."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from virloom.client.network.ref import NetworkPortRef, NetworkRef
from virloom.client.params import ParamsToSet, ParamValue, decode, encode, fetch
from virloom.client.resource import Resource
from virloom.enums.params import TypedParameterType
from virloom.procedures import network as p


class NetworkPort(Resource):
    """One port; calls raise NoNetworkPort when it is gone."""

    _ref: NetworkPortRef

    @property
    def ref(self) -> NetworkPortRef:
        """The identity as plain data."""
        return self._ref

    @property
    def uuid(self) -> UUID:
        """The UUID."""
        return self._ref.uuid

    @property
    def network(self) -> NetworkRef:
        """Whose it is."""
        return self._ref.network

    async def xml_desc(self, flags: int = 0) -> str:
        """The document."""
        args = p.NetworkPortGetXMLDescArgs(self._ref.wire, flags)
        return (await self._link.call(p.NETWORK_PORT_GET_XML_DESC, args)).xml

    async def parameters(self, flags: int = 0) -> dict[str, ParamValue]:
        """The limits of its traffic."""
        return decode(await fetch(lambda n: self._parameters(n, flags)))

    async def set_parameters(self, values: ParamsToSet, flags: int = 0) -> None:
        """Sets some of them."""
        # A port without limits has none of which the host could tell the type.
        current = await fetch(lambda n: self._parameters(n, 0))
        params = encode(values, current, TypedParameterType.UINT)
        args = p.NetworkPortSetParametersArgs(self._ref.wire, params, flags)
        await self._link.call(p.NETWORK_PORT_SET_PARAMETERS, args)

    async def delete(self, flags: int = 0) -> None:
        """Takes it away."""
        args = p.NetworkPortDeleteArgs(self._ref.wire, flags)
        await self._link.call(p.NETWORK_PORT_DELETE, args)

    async def _parameters(self, number: int, flags: int) -> Any:
        args = p.NetworkPortGetParametersArgs(self._ref.wire, number, flags)
        return await self._link.call(p.NETWORK_PORT_GET_PARAMETERS, args)
