# SPDX-License-Identifier: Apache-2.0
"""Networks come, start, stop and go."""

from __future__ import annotations

from virloom.drivers.network.completion import parse_network
from virloom.drivers.network.driver import NetworkDriver
from virloom.drivers.network.handlers.arguments import check_flags
from virloom.endpoint.dispatch import Call, serves
from virloom.enums.error import ErrorDomain
from virloom.enums.network import NetworkCreateFlags, NetworkDefineFlags
from virloom.errors import InternalError
from virloom.procedures import network as p
from virloom.procedures.types import NonnullNetwork


class Life:
    """Handlers of the life of networks."""

    def __init__(self, driver: NetworkDriver) -> None:
        self._driver = driver

    @serves(p.NETWORK_DEFINE_XML)
    async def define(self, call: Call, args: p.NetworkDefineXMLArgs) -> p.NetworkDefineXMLRet:
        return p.NetworkDefineXMLRet(await self._define(args.xml, validate=False))

    @serves(p.NETWORK_DEFINE_XML_FLAGS)
    async def define_flags(
        self, call: Call, args: p.NetworkDefineXMLFlagsArgs
    ) -> p.NetworkDefineXMLFlagsRet:
        check_flags(args.flags, NetworkDefineFlags.VALIDATE, "networkDefineXMLFlags")
        made = await self._define(args.xml, validate=bool(args.flags))
        return p.NetworkDefineXMLFlagsRet(made)

    async def _define(self, text: str, *, validate: bool) -> NonnullNetwork:
        return (await self._driver.define(parse_network(text, validate=validate))).ref()

    @serves(p.NETWORK_CREATE_XML)
    async def create_xml(self, call: Call, args: p.NetworkCreateXMLArgs) -> p.NetworkCreateXMLRet:
        return p.NetworkCreateXMLRet(await self._create_xml(args.xml, validate=False))

    @serves(p.NETWORK_CREATE_XML_FLAGS)
    async def create_xml_flags(
        self, call: Call, args: p.NetworkCreateXMLFlagsArgs
    ) -> p.NetworkCreateXMLFlagsRet:
        check_flags(args.flags, NetworkCreateFlags.VALIDATE, "networkCreateXMLFlags")
        made = await self._create_xml(args.xml, validate=bool(args.flags))
        return p.NetworkCreateXMLFlagsRet(made)

    async def _create_xml(self, text: str, *, validate: bool) -> NonnullNetwork:
        return (await self._driver.create_xml(parse_network(text, validate=validate))).ref()

    @serves(p.NETWORK_CREATE)
    async def create(self, call: Call, args: p.NetworkCreateArgs) -> None:
        await self._driver.start(self._driver.find(args.net))

    @serves(p.NETWORK_DESTROY)
    async def destroy(self, call: Call, args: p.NetworkDestroyArgs) -> None:
        await self._driver.destroy(self._driver.find(args.net))

    @serves(p.NETWORK_UNDEFINE)
    async def undefine(self, call: Call, args: p.NetworkUndefineArgs) -> None:
        await self._driver.undefine(self._driver.find(args.net))

    @serves(p.NETWORK_IS_ACTIVE)
    def is_active(self, call: Call, args: p.NetworkIsActiveArgs) -> p.NetworkIsActiveRet:
        return p.NetworkIsActiveRet(int(self._driver.find(args.net).active))

    @serves(p.NETWORK_IS_PERSISTENT)
    def is_persistent(
        self, call: Call, args: p.NetworkIsPersistentArgs
    ) -> p.NetworkIsPersistentRet:
        return p.NetworkIsPersistentRet(int(self._driver.find(args.net).persistent))

    @serves(p.NETWORK_GET_AUTOSTART)
    def get_autostart(
        self, call: Call, args: p.NetworkGetAutostartArgs
    ) -> p.NetworkGetAutostartRet:
        return p.NetworkGetAutostartRet(int(self._driver.find(args.net).autostart))

    @serves(p.NETWORK_SET_AUTOSTART)
    async def set_autostart(self, call: Call, args: p.NetworkSetAutostartArgs) -> None:
        await self._driver.set_autostart(self._driver.find(args.net), bool(args.autostart))

    @serves(p.NETWORK_GET_BRIDGE_NAME)
    def bridge_name(
        self, call: Call, args: p.NetworkGetBridgeNameArgs
    ) -> p.NetworkGetBridgeNameRet:
        network = self._driver.find(args.net)
        name = network.current.bridge.name
        if not name:
            raise InternalError(
                f"network '{network.name}' does not have a bridge name.",
                domain=ErrorDomain.NETWORK,
            )
        return p.NetworkGetBridgeNameRet(name)
