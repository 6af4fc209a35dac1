# SPDX-License-Identifier: Apache-2.0
"""Virtual Fibre Channel adapters (NPIV) are made of real ones, and ended.

The kernel does it by two files of the real one (Documentation/scsi/scsi_fc_transport.rst):
``vport_create`` and ``vport_delete`` take ``PORT-NAME:NODE-NAME``.
"""

from __future__ import annotations

import asyncio
import os
import re
import time

from virloom.drivers.nodedev.device import Device, nested
from virloom.drivers.nodedev.driver import NodeDeviceDriver
from virloom.drivers.nodedev.tree import SysTree
from virloom.enums.error import ErrorDomain
from virloom.errors import InternalError, OperationTimeout, system_failure
from virloom.model.nodedev import NestedCapability, NodeDevice

_DOMAIN = ErrorDomain.NODEDEV
#: Where the kernel keeps the two files; older drivers have them with the SCSI host.
_CLASSES = ("fc_host", "scsi_host")
_WORLD_WIDE = re.compile(r"[0-9a-fA-F]{16}")
#: NAA 5 and the number of the maker whose range QEMU's adapters have, as libvirt's.
_PREFIX = "5001a4a"
#: Seconds until the kernel tells of an adapter that has been made, or has ended.
_PATIENCE = 30.0


class VirtualAdapters:
    """What is done to them.

    Args:
        driver: The driver.
        tree: Where their files are.
    """

    def __init__(self, driver: NodeDeviceDriver, tree: SysTree) -> None:
        self._driver = driver
        self._tree = tree

    async def create(self, model: NodeDevice) -> Device:
        """Makes an adapter.

        Raises:
            InternalError: It is none, a name is none, or nothing can make it.
            SystemFailure: The kernel would not.
            OperationTimeout: It does not tell of it.
        """
        adapter = nested(model, "fc_host")
        if adapter is None:
            raise InternalError("a new adapter is one of Fibre Channel", domain=_DOMAIN)
        names = _names(adapter)
        parent = self._parent(model)
        await self._tell(parent, "vport_create", *names)
        return await self._appears(*names)

    async def destroy(self, device: Device) -> None:
        """Ends a virtual adapter.

        Raises:
            InternalError: It is none.
            SystemFailure: The kernel would not.
        """
        adapter = nested(device.model, "fc_host")
        if adapter is None or not adapter.wwnn or not adapter.wwpn:
            raise InternalError(f"'{device.name}' is no adapter of Fibre Channel", domain=_DOMAIN)
        parent = self._maker(device)
        await self._tell(parent, "vport_delete", adapter.wwnn, adapter.wwpn)
        deadline = time.monotonic() + _PATIENCE
        while device in self._driver.all and time.monotonic() < deadline:
            await self._driver.changed(1)
            self._driver.rescan()

    # -- of which adapter ----------------------------------------------------------------------

    def _parent(self, model: NodeDevice) -> Device:
        """The adapter that a document wants: by its name, its world-wide ones, or any."""
        wanted = model.parent
        able = [device for device in self._driver.all if "vports" in device.kinds]
        if wanted is not None and wanted.name:
            for device in self._driver.all:
                if device.name == wanted.name:
                    return _capable(device)
            raise InternalError(f"there is no adapter '{wanted.name}'", domain=_DOMAIN)
        if wanted is not None and (wanted.wwnn or wanted.wwpn):
            able = [one for one in able if _has(one, wwnn=wanted.wwnn, wwpn=wanted.wwpn)]
        elif wanted is not None and wanted.fabric_wwn:
            able = [one for one in able if _has(one, fabric_wwn=wanted.fabric_wwn)]
        for device in able:
            room = nested(device.model, "vport_ops")
            if room is not None and (
                room.max_vports is None or (room.vports or 0) < room.max_vports
            ):
                return device
        raise InternalError("there is no adapter that others can be made of", domain=_DOMAIN)

    def _maker(self, device: Device) -> Device:
        """The real adapter above a virtual one."""
        name = device.parent
        while name is not None:
            above = next((one for one in self._driver.all if one.name == name), None)
            if above is None:
                break
            if "vports" in above.kinds:
                return above
            name = above.parent
        raise InternalError(f"'{device.name}' is not made of another adapter", domain=_DOMAIN)

    # -- what it takes -------------------------------------------------------------------------

    async def _tell(self, parent: Device, file: str, wwnn: str, wwpn: str) -> None:
        host = (parent.model.path or "").rpartition("/")[2]
        found = [f"/class/{kind}/{host}" for kind in _CLASSES]
        directory = next((path for path in found if file in self._tree.names(path)), found[0])
        try:
            await asyncio.to_thread(self._tree.write, directory, file, f"{wwpn}:{wwnn}")
        except OSError as exc:
            raise system_failure(
                f"cannot write '{wwpn}:{wwnn}' to '{file}' of '{parent.name}'", exc, domain=_DOMAIN
            ) from exc

    async def _appears(self, wwnn: str, wwpn: str) -> Device:
        deadline = time.monotonic() + _PATIENCE
        while True:
            for device in self._driver.all:
                if _has(device, wwnn=wwnn, wwpn=wwpn):
                    return device
            if time.monotonic() > deadline:
                raise OperationTimeout(
                    f"the kernel tells of no adapter '{wwnn}:{wwpn}'", domain=_DOMAIN
                )
            await self._driver.changed(1)
            self._driver.rescan()


def _capable(device: Device) -> Device:
    if "vports" not in device.kinds:
        raise InternalError(
            f"'{device.name}' is no adapter that others can be made of", domain=_DOMAIN
        )
    return device


def _has(device: Device, **wanted: str | None) -> bool:
    adapter = nested(device.model, "fc_host")
    return adapter is not None and all(
        value is None or (getattr(adapter, name) or "").lower() == value.lower()
        for name, value in wanted.items()
    )


def _names(adapter: NestedCapability) -> tuple[str, str]:
    """Node and port name; what the document leaves out is made up, as by libvirt."""
    names = []
    for name in (adapter.wwnn, adapter.wwpn):
        text = (name or f"{_PREFIX}{os.urandom(5).hex()[:9]}").lower()
        if not _WORLD_WIDE.fullmatch(text):
            raise InternalError(f"'{text}' is no world-wide name", domain=_DOMAIN)
        names.append(text)
    return names[0], names[1]
