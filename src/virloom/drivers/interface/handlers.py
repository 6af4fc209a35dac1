# SPDX-License-Identifier: Apache-2.0
"""The procedures that the interface driver serves.

A user's own daemon changes nothing: there these answer ``NO_SUPPORT``, as they do everywhere on
libvirt's udev back end.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

from virloom.drivers.interface.changing import InterfaceChanges
from virloom.drivers.interface.driver import InterfaceDriver
from virloom.drivers.interface.listing import InterfaceListing
from virloom.drivers.runtime import arguments
from virloom.drivers.runtime.area_connection import AreaConnection
from virloom.endpoint.dispatch import Call, Dispatcher, serves
from virloom.enums.error import ErrorDomain
from virloom.enums.interface import InterfaceDefineFlags, InterfaceXMLFlags
from virloom.procedures import interface as p
from virloom.procedures.interface import NonnullInterface
from virloom.xml import format_document


def _check_flags(flags: int, function: str, known: int = 0) -> None:
    arguments.check_flags(flags, known, function, ErrorDomain.INTERFACE)


class Documents:
    """Handlers of documents."""

    def __init__(self, driver: InterfaceDriver) -> None:
        self._driver = driver

    @serves(p.INTERFACE_GET_XML_DESC)
    async def get_xml_desc(
        self, call: Call, args: p.InterfaceGetXMLDescArgs
    ) -> p.InterfaceGetXMLDescRet:
        """How it is; with INACTIVE how it is defined, where it is."""
        _check_flags(args.flags, "interfaceGetXMLDesc", int(InterfaceXMLFlags.INACTIVE))
        # A device's speed is asked of its driver, under the kernel's one lock of the network.
        model = await asyncio.to_thread(
            self._driver.describe, args.iface.name, inactive=bool(args.flags)
        )
        return p.InterfaceGetXMLDescRet(format_document(model))


class Changes:
    """Handlers of what changes interfaces."""

    def __init__(self, driver: InterfaceDriver, changes: InterfaceChanges) -> None:
        self._driver = driver
        self._changes = changes

    @serves(p.INTERFACE_DEFINE_XML)
    async def define(self, call: Call, args: p.InterfaceDefineXMLArgs) -> p.InterfaceDefineXMLRet:
        validate = int(InterfaceDefineFlags.VALIDATE)
        _check_flags(args.flags, "interfaceDefineXML", validate)
        change = self._changes.define(args.xml, check=bool(args.flags & validate))
        model = await self._changes.whole(change)
        return p.InterfaceDefineXMLRet(NonnullInterface(model.name or "", model.mac.address or ""))

    @serves(p.INTERFACE_UNDEFINE)
    async def undefine(self, call: Call, args: p.InterfaceUndefineArgs) -> None:
        self._driver.find(args.iface.name)
        await self._changes.whole(self._changes.undefine(args.iface.name))

    @serves(p.INTERFACE_CREATE)
    async def create(self, call: Call, args: p.InterfaceCreateArgs) -> None:
        _check_flags(args.flags, "interfaceCreate")
        self._driver.find(args.iface.name)
        await self._changes.whole(self._changes.create(args.iface.name))

    @serves(p.INTERFACE_DESTROY)
    async def destroy(self, call: Call, args: p.InterfaceDestroyArgs) -> None:
        _check_flags(args.flags, "interfaceDestroy")
        self._driver.find(args.iface.name)
        await self._changes.whole(self._changes.destroy(args.iface.name))

    # -- changes that may be taken back --------------------------------------------------------

    @serves(p.INTERFACE_CHANGE_BEGIN)
    async def begin(self, call: Call, args: p.InterfaceChangeBeginArgs) -> None:
        _check_flags(args.flags, "interfaceChangeBegin")
        await self._changes.whole(self._changes.begin())

    @serves(p.INTERFACE_CHANGE_COMMIT)
    async def commit(self, call: Call, args: p.InterfaceChangeCommitArgs) -> None:
        _check_flags(args.flags, "interfaceChangeCommit")
        await self._changes.whole(self._changes.commit())

    @serves(p.INTERFACE_CHANGE_ROLLBACK)
    async def roll_back(self, call: Call, args: p.InterfaceChangeRollbackArgs) -> None:
        _check_flags(args.flags, "interfaceChangeRollback")
        await self._changes.whole(self._changes.roll_back())


def handlers(driver: InterfaceDriver) -> Sequence[object]:
    """The groups of handlers of *driver*, for a process that serves other areas beside it."""
    groups: list[object] = [InterfaceListing(driver, ErrorDomain.INTERFACE), Documents(driver)]
    if driver.changes is not None:
        groups.append(Changes(driver, driver.changes))
    return groups


def dispatcher(driver: InterfaceDriver) -> Dispatcher:
    """All that *driver* serves."""
    connection = AreaConnection("interface", driver.uri, ErrorDomain.INTERFACE)
    return Dispatcher([connection, *handlers(driver)])
