# SPDX-License-Identifier: Apache-2.0
"""The procedures that the interface driver serves.

Those that change interfaces are not among them, and so answer ``NO_SUPPORT``, as they do on
libvirt's udev back end.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

from virloom.drivers.interface.driver import InterfaceDriver
from virloom.drivers.interface.listing import InterfaceListing
from virloom.drivers.runtime.area_connection import AreaConnection
from virloom.drivers.runtime.arguments import unknown_flags
from virloom.endpoint.dispatch import Call, Dispatcher, serves
from virloom.enums.error import ErrorDomain
from virloom.enums.interface import InterfaceXMLFlags
from virloom.procedures import interface as p
from virloom.xml import format_document


class Documents:
    """Handlers of documents."""

    def __init__(self, driver: InterfaceDriver) -> None:
        self._driver = driver

    @serves(p.INTERFACE_GET_XML_DESC)
    async def get_xml_desc(
        self, call: Call, args: p.InterfaceGetXMLDescArgs
    ) -> p.InterfaceGetXMLDescRet:
        """The kernel knows how an interface is, and not how it is configured: one for both."""
        unknown = args.flags & ~int(InterfaceXMLFlags.INACTIVE)
        if unknown:
            raise unknown_flags(unknown, "interfaceGetXMLDesc", ErrorDomain.INTERFACE)
        # A device's speed is asked of its driver, under the kernel's one lock of the network.
        model = await asyncio.to_thread(self._driver.describe, args.iface.name)
        return p.InterfaceGetXMLDescRet(format_document(model))


def handlers(driver: InterfaceDriver) -> Sequence[object]:
    """The groups of handlers of *driver*, for a process that serves other areas beside it."""
    return [InterfaceListing(driver, ErrorDomain.INTERFACE), Documents(driver)]


def dispatcher(driver: InterfaceDriver) -> Dispatcher:
    """All that *driver* serves."""
    connection = AreaConnection("interface", driver.uri, ErrorDomain.INTERFACE)
    return Dispatcher([connection, *handlers(driver)])
