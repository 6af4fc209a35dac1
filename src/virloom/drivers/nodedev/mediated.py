# SPDX-License-Identifier: Apache-2.0
"""Mediated devices are made, ended, defined and forgotten, by mdevctl."""

from __future__ import annotations

import asyncio
import errno
import os
import time
from collections.abc import Coroutine
from typing import Any, TypeVar

from virloom.drivers.nodedev import mdevctl
from virloom.drivers.nodedev.definitions import Definitions
from virloom.drivers.nodedev.device import Device
from virloom.drivers.nodedev.driver import NodeDeviceDriver
from virloom.drivers.nodedev.reading import COMPUTER, defined_device
from virloom.enums.error import ErrorDomain
from virloom.errors import (
    ConfigUnsupported,
    InternalError,
    OperationInvalid,
    OperationTimeout,
    OperationUnsupported,
    ParseFailed,
)
from virloom.model.nodedev import NodeCapability, NodeDevice

_DOMAIN = ErrorDomain.NODEDEV
#: Kinds of devices that can be divided, which have an address for mdevctl.
_PARENTS = ("pci", "css", "ap_matrix")
#: Seconds that the kernel may take to tell of a device that has been made or ended.
_PATIENCE = 30.0


_T = TypeVar("_T")


class MediatedDevices:
    """What is done to them, one thing after another.

    Args:
        driver: The driver.
        definitions: What is defined; None where the driver looks at no mdevctl.
    """

    def __init__(self, driver: NodeDeviceDriver, definitions: Definitions | None) -> None:
        self._driver = driver
        self._definitions = definitions
        self._lock = asyncio.Lock()
        self._tasks: set[asyncio.Task[Any]] = set()

    async def define(self, model: NodeDevice) -> Device:
        """Defines a device.

        Raises:
            ConfigUnsupported: It is none, or has no parent.
            ParseFailed: Its parent cannot be divided.
            InternalError: mdevctl refuses.
        """
        wanted = self._wanted(model)

        async def define() -> Device:
            uuid = await mdevctl.define(wanted)
            await self._read_definitions()
            return self._driver.find(_name(wanted, uuid))

        return await self._in_turn(define())

    async def create(self, model: NodeDevice) -> Device:
        """Makes a device that is not defined.

        Raises:
            VirloomError: As :meth:`define`.
            OperationTimeout: The kernel does not tell of it.
        """
        wanted = self._wanted(model)

        async def create() -> Device:
            uuid = await mdevctl.start_new(wanted)
            return await self._appears(_name(wanted, uuid), uuid)

        return await self._in_turn(create())

    async def start(self, device: Device) -> None:
        """Makes a device that is defined.

        Raises:
            OperationInvalid: It is there.
            InternalError: mdevctl refuses.
        """
        if device.active:
            raise OperationInvalid(f"device '{device.name}' is active already", domain=_DOMAIN)
        uuid = _capability(device).uuid or ""

        async def start() -> None:
            await mdevctl.start(uuid)
            await self._appears(device.name, uuid)

        await self._in_turn(start())

    async def destroy(self, device: Device) -> None:
        """Ends a device; its definition, if there is one, stays.

        Raises:
            OperationInvalid: It is not there, or a guest has it.
            InternalError: mdevctl refuses.
        """
        if not device.active:
            raise OperationInvalid(f"device '{device.name}' is not active", domain=_DOMAIN)
        if _is_used(_capability(device)):
            raise OperationInvalid(f"somebody uses the device '{device.name}'", domain=_DOMAIN)

        async def destroy() -> None:
            await mdevctl.stop(_capability(device).uuid or "")
            deadline = time.monotonic() + _PATIENCE
            while device in self._driver.all and device.active and time.monotonic() < deadline:
                await self._driver.changed(1)
                self._driver.rescan()

        await self._in_turn(destroy())

    async def undefine(self, device: Device) -> None:
        """Forgets the definition of a device.

        Raises:
            ConfigUnsupported: It is the host itself.
            OperationInvalid: It has none.
            InternalError: mdevctl refuses.
        """
        if device.name == COMPUTER:
            raise _unsupported("the host itself cannot be undefined")
        if not device.persistent:
            raise OperationInvalid(f"device '{device.name}' is not persistent", domain=_DOMAIN)

        async def undefine() -> None:
            await mdevctl.undefine(_capability(device).uuid or "")
            await self._read_definitions()

        await self._in_turn(undefine())

    async def set_autostart(self, device: Device, wanted: bool) -> None:
        """Says whether a device is made when the host starts.

        Raises:
            OperationUnsupported: It is no mediated device.
            OperationInvalid: It is not defined.
            InternalError: mdevctl refuses.
        """
        if "mdev" not in device.kinds:
            raise OperationUnsupported(
                f"device '{device.name}' is not started by anybody", domain=_DOMAIN
            )
        if not device.persistent:
            raise OperationInvalid(f"device '{device.name}' is not persistent", domain=_DOMAIN)
        if device.autostart == wanted:
            return

        async def change() -> None:
            await mdevctl.set_autostart(_capability(device).uuid or "", wanted)
            await self._read_definitions()

        await self._in_turn(change())

    async def update(self, device: Device, model: NodeDevice, *, live: bool, config: bool) -> None:
        """Gives a device other attributes, while it is there, in its definition, or both.

        Raises:
            ConfigUnsupported: The document is another device's.
            OperationInvalid: It is not there, or not defined.
            InternalError: mdevctl refuses; one before 1.3 does.
        """
        if "mdev" not in device.kinds or "mdev" not in Device(model).capabilities:
            raise _unsupported(f"only mediated devices are updated, not '{device.name}'")
        known = _capability(device)
        wanted = mdevctl.wanted(model.capabilities[0])
        wanted = wanted._replace(parent=known.parent_addr or "", autostart=device.autostart)
        if wanted.uuid != known.uuid or wanted.type != known.types[0].id:
            raise _unsupported(f"'{device.name}' can get neither another UUID nor another type")
        if live and not device.active:
            raise OperationInvalid(f"device '{device.name}' is not active", domain=_DOMAIN)
        if config and not device.persistent:
            raise OperationInvalid(f"device '{device.name}' is not persistent", domain=_DOMAIN)

        async def change() -> None:
            await mdevctl.modify(wanted, live=live, config=config)
            await self._read_definitions()

        await self._in_turn(change())

    # -- what it takes -------------------------------------------------------------------------

    def _wanted(self, model: NodeDevice) -> mdevctl.Definition:
        if "mdev" not in Device(model).capabilities:
            raise _unsupported("only mediated devices can be made")
        wanted = mdevctl.wanted(model.capabilities[0])
        name = model.parent.name if model.parent is not None else None
        if not name:
            raise _unsupported("a mediated device needs a parent, which is divided")
        parent = next((one for one in self._driver.all if one.name == name), None)
        if parent is None:
            raise _unsupported(f"there is no device '{name}' to divide")
        address = (parent.model.path or "").rpartition("/")[2]
        if not address or not parent.kinds.intersection(_PARENTS):
            raise ParseFailed(f"the address of '{parent.name}' is not known", domain=_DOMAIN)
        return wanted._replace(parent=address)

    async def _in_turn(self, work: Coroutine[Any, Any, _T]) -> _T:
        """Does *work* when nothing else is done; it goes on when whoever asked for it goes away."""

        async def turn() -> _T:
            async with self._lock:
                return await work

        task = asyncio.get_running_loop().create_task(turn())
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return await asyncio.shield(task)

    async def _read_definitions(self) -> None:
        if self._definitions is not None:
            await self._definitions.read()

    async def _appears(self, name: str, uuid: str) -> Device:
        deadline = time.monotonic() + _PATIENCE
        while True:
            device = next((one for one in self._driver.all if one.name == name), None)
            if device is not None and device.active:
                return device
            if time.monotonic() > deadline:
                raise OperationTimeout(
                    f"mdevctl has made '{name}', and the kernel does not tell of it", domain=_DOMAIN
                )
            await self._driver.changed(1)
            self._driver.seek(f"/bus/mdev/devices/{uuid}")


def _unsupported(message: str) -> ConfigUnsupported:
    return ConfigUnsupported(message, domain=_DOMAIN)


def _name(wanted: mdevctl.Definition, uuid: str) -> str:
    return defined_device(wanted._replace(uuid=uuid), COMPUTER).name or ""


def _capability(device: Device) -> NodeCapability:
    for capability in device.model.capabilities:
        if capability.type == "mdev":
            return capability
    raise InternalError(f"'{device.name}' is no mediated device", domain=_DOMAIN)


def _is_used(capability: NodeCapability) -> bool:
    """Whether a program has its group of VFIO: ending it would wait for that program."""
    group = capability.iommu_group
    if group is None or group.number is None:
        return False
    try:
        os.close(os.open(f"/dev/vfio/{group.number}", os.O_RDONLY | os.O_CLOEXEC))
    except OSError as exc:
        return exc.errno == errno.EBUSY
    return False
