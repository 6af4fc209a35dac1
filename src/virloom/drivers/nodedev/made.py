# SPDX-License-Identifier: Apache-2.0
"""The procedures of devices that somebody makes: mediated ones, and virtual adapters."""

from __future__ import annotations

from functools import partial

from virloom.drivers.nodedev.adapters import VirtualAdapters
from virloom.drivers.nodedev.device import Device, parse_device
from virloom.drivers.nodedev.driver import NodeDeviceDriver
from virloom.drivers.nodedev.mediated import MediatedDevices
from virloom.drivers.runtime import arguments
from virloom.endpoint.dispatch import Call, serves
from virloom.enums.error import ErrorDomain
from virloom.enums.host import NodeDeviceUpdateFlags
from virloom.errors import ConfigUnsupported
from virloom.procedures import nodedev as p

_DOMAIN = ErrorDomain.NODEDEV
_VALIDATE = 1
_Update = NodeDeviceUpdateFlags


#: Refuses flags that a function does not know.
check_flags = partial(arguments.check_flags, domain=_DOMAIN)


class MadeDevices:
    """Handlers of devices that somebody makes."""

    def __init__(self, driver: NodeDeviceDriver) -> None:
        self._driver = driver
        self._mediated = MediatedDevices(driver, driver.definitions)
        self._adapters = VirtualAdapters(driver, driver.tree)

    @serves(p.NODE_DEVICE_CREATE_XML)
    async def create_xml(
        self, call: Call, args: p.NodeDeviceCreateXMLArgs
    ) -> p.NodeDeviceCreateXMLRet:
        check_flags(args.flags, _VALIDATE, "nodeDeviceCreateXML")
        model = parse_device(args.xml_desc, validate=bool(args.flags))
        if "scsi_host" in Device(model).capabilities:
            device = await self._adapters.create(model)
        else:
            device = await self._mediated.create(model)
        return p.NodeDeviceCreateXMLRet(device.ref())

    @serves(p.NODE_DEVICE_DEFINE_XML)
    async def define_xml(
        self, call: Call, args: p.NodeDeviceDefineXMLArgs
    ) -> p.NodeDeviceDefineXMLRet:
        check_flags(args.flags, _VALIDATE, "nodeDeviceDefineXML")
        model = parse_device(args.xml_desc, validate=bool(args.flags))
        return p.NodeDeviceDefineXMLRet((await self._mediated.define(model)).ref())

    @serves(p.NODE_DEVICE_DESTROY)
    async def destroy(self, call: Call, args: p.NodeDeviceDestroyArgs) -> None:
        device = self._driver.find(args.name)
        if "scsi_host" in device.kinds:
            await self._adapters.destroy(device)
        elif "mdev" in device.kinds:
            await self._mediated.destroy(device)
        else:
            raise ConfigUnsupported(f"'{args.name}' cannot be ended", domain=_DOMAIN)

    @serves(p.NODE_DEVICE_CREATE)
    async def create(self, call: Call, args: p.NodeDeviceCreateArgs) -> None:
        check_flags(args.flags, 0, "nodeDeviceCreate")
        await self._mediated.start(self._driver.find(args.name))

    @serves(p.NODE_DEVICE_UNDEFINE)
    async def undefine(self, call: Call, args: p.NodeDeviceUndefineArgs) -> None:
        check_flags(args.flags, 0, "nodeDeviceUndefine")
        await self._mediated.undefine(self._driver.find(args.name))

    @serves(p.NODE_DEVICE_SET_AUTOSTART)
    async def set_autostart(self, call: Call, args: p.NodeDeviceSetAutostartArgs) -> None:
        await self._mediated.set_autostart(self._driver.find(args.name), bool(args.autostart))

    @serves(p.NODE_DEVICE_UPDATE)
    async def update(self, call: Call, args: p.NodeDeviceUpdateArgs) -> None:
        check_flags(args.flags, int(_Update.LIVE | _Update.CONFIG), "nodeDeviceUpdate")
        device = self._driver.find(args.name)
        model = parse_device(args.xml_desc)
        live, config = bool(args.flags & _Update.LIVE), bool(args.flags & _Update.CONFIG)
        if not args.flags:
            live, config = device.active, not device.active
        await self._mediated.update(device, model, live=live, config=config)
