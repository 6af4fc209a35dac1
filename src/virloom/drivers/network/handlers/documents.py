# SPDX-License-Identifier: Apache-2.0
"""The documents of networks, read and changed in part."""

from __future__ import annotations

from collections.abc import Callable

from virloom.drivers.network.driver import NetworkDriver
from virloom.drivers.network.handlers.arguments import CONFIG, LIVE, affected, check_flags
from virloom.drivers.network.metadata import check_metadata, read_metadata, write_metadata
from virloom.drivers.network.network import VirtualNetwork
from virloom.drivers.network.updates.update import update
from virloom.drivers.runtime.arguments import senseless
from virloom.endpoint.dispatch import Call, serves
from virloom.enums.error import ErrorDomain
from virloom.enums.network import NetworkEventID, NetworkXMLFlags
from virloom.errors import OperationInvalid
from virloom.model.network import Network
from virloom.procedures import network as p
from virloom.xml import FormatFlags, format_document


class Documents:
    """Handlers of documents."""

    def __init__(self, driver: NetworkDriver) -> None:
        self._driver = driver

    @serves(p.NETWORK_GET_XML_DESC)
    def get_xml_desc(self, call: Call, args: p.NetworkGetXMLDescArgs) -> p.NetworkGetXMLDescRet:
        check_flags(args.flags, NetworkXMLFlags.INACTIVE, "networkGetXMLDesc")
        network = self._driver.find(args.net)
        if args.flags and network.definition is not None:
            text = format_document(network.definition, FormatFlags.INACTIVE)
        else:
            flags = FormatFlags.INACTIVE if args.flags else FormatFlags(0)
            text = format_document(network.current, flags)
        return p.NetworkGetXMLDescRet(text)

    @serves(p.NETWORK_UPDATE)
    async def update(self, call: Call, args: p.NetworkUpdateArgs) -> None:
        check_flags(args.flags, LIVE | CONFIG, "networkUpdate")

        def change(model: Network) -> None:
            update(model, args.command, args.section, args.parent_index, args.xml)

        model = await self._change(self._driver.find(args.net), args.flags, change)
        await self._driver.hooks.tell("updated", model)

    async def _change(
        self, network: VirtualNetwork, flags: int, change: Callable[[Network], None]
    ) -> Network:
        """Changes copies of the documents that are meant; both take it, or neither is touched.

        Returns:
            The document that clients see then.
        """
        async with network.changing:
            live, config = affected(network, flags)
            new_live = _changed(network.live, change) if live else None
            new_config = _changed(network.definition, change) if config else None
            await self._driver.change(network, new_live, new_config)
            return network.current

    @serves(p.NETWORK_GET_METADATA)
    def get_metadata(self, call: Call, args: p.NetworkGetMetadataArgs) -> p.NetworkGetMetadataRet:
        check_flags(args.flags, LIVE | CONFIG, "networkGetMetadata")
        if args.flags == LIVE | CONFIG:
            raise senseless("LIVE and CONFIG exclude each other", ErrorDomain.NETWORK)
        network = self._driver.find(args.network)
        live, _ = affected(network, args.flags)
        model = network.live if live else network.definition
        return p.NetworkGetMetadataRet(read_metadata(_there(model), args.type, args.uri))

    @serves(p.NETWORK_SET_METADATA)
    async def set_metadata(self, call: Call, args: p.NetworkSetMetadataArgs) -> None:
        check_flags(args.flags, LIVE | CONFIG, "networkSetMetadata")
        check_metadata(args)
        network = self._driver.find(args.network)
        await self._change(network, args.flags, lambda model: write_metadata(model, args))
        self._driver.events.emit(
            NetworkEventID.METADATA_CHANGE,
            network.uuid,
            p.NETWORK_EVENT_CALLBACK_METADATA_CHANGE,
            lambda number: p.NetworkEventCallbackMetadataChangeMsg(
                number, network.ref(), args.type, args.uri
            ),
        )


def _there(model: Network | None) -> Network:
    if model is None:
        raise OperationInvalid("the network has just gone", domain=ErrorDomain.NETWORK)
    return model


def _changed(model: Network | None, change: Callable[[Network], None]) -> Network:
    copy = _there(model).copy()
    change(copy)
    return copy
