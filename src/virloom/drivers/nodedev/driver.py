# SPDX-License-Identifier: Apache-2.0
"""The devices of a host, kept as its kernel tells of them."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Iterable

from virloom.drivers.nodedev.definitions import Definitions
from virloom.drivers.nodedev.device import Device
from virloom.drivers.nodedev.mdevctl import Definition
from virloom.drivers.nodedev.reading import COMPUTER, defined_device, read, read_all
from virloom.drivers.nodedev.tree import SysTree
from virloom.drivers.runtime.object_events import ObjectEvents
from virloom.enums.error import ErrorDomain
from virloom.enums.nodedev import NodeDeviceEventID, NodeDeviceEventLifecycleType
from virloom.errors import NoNodeDevice
from virloom.host.uevents import Uevent, Uevents, UeventsLost
from virloom.model.nodedev import NodeDevice
from virloom.procedures import nodedev as p
from virloom.xml import format_document

_LOG = logging.getLogger(__name__)
_CREATED, _DELETED = NodeDeviceEventLifecycleType.CREATED, NodeDeviceEventLifecycleType.DELETED
_DEFINED, _UNDEFINED = (
    NodeDeviceEventLifecycleType.DEFINED,
    NodeDeviceEventLifecycleType.UNDEFINED,
)
#: What the kernel tells when a device is another than before, of what is told on.
_TOLD = ("add", "change")


class NodeDeviceDriver:
    """The devices, and who listens to what happens to them.

    Attributes:
        tree: What tells of them.
        definitions: Which mediated devices are defined; None: nobody looks.

    Args:
        tree: What tells of them.
        uri: What clients are told.
        source: Of events; closed with the driver. None: nothing is told of itself.
    """

    def __init__(self, tree: SysTree, uri: str, source: Uevents | None = None) -> None:
        self.uri = uri
        self.events: ObjectEvents[str] = ObjectEvents("node device", frozenset(NodeDeviceEventID))
        self.tree = self._tree = tree
        self.definitions: Definitions | None = None
        self._source = source
        self._definitions: dict[str, NodeDevice] = {}
        self._changes: set[asyncio.Future[None]] = set()
        self._paths: dict[str, Device] = {}
        self._names: dict[str, Device] = {}
        if source is not None:  # before the first look, so that nothing falls between
            asyncio.get_running_loop().add_reader(source.fileno(), self._heard, source)
        self.rescan()

    def close(self) -> None:
        """Lets go of everything."""
        if self._source is not None:
            asyncio.get_running_loop().remove_reader(self._source.fileno())
            self._source.close()
            self._source = None
        if self.definitions is not None:
            self.definitions.close()
            self.definitions = None

    # -- looking -------------------------------------------------------------------------------

    @property
    def all(self) -> list[Device]:
        """Those that there are."""
        return list(self._names.values())

    def find(self, name: str) -> Device:
        """The device of that name.

        Raises:
            NoNodeDevice: There is none.
        """
        found = self._names.get(name)
        if found is None:
            raise NoNodeDevice(
                f"no node device with matching name '{name}'", domain=ErrorDomain.NODEDEV
            )
        return found

    def document(self, name: str) -> NodeDevice:
        """What a device is at this moment: links go up and down and tell nobody.

        Raises:
            NoNodeDevice: There is none of that name.
        """
        device = self.find(name)
        path = (device.model.path or "").removeprefix("/sys")
        model = self._read(path) if path and device.active else None
        if model is not None and model.name == name:
            self._renew(device, model)
        return device.model

    def parent_named(self, name: str) -> Device | None:
        """The device that the kernel calls so."""
        for path, device in self._paths.items():
            if path.endswith(f"/{name}"):
                return device
        return None

    def seek(self, path: str) -> None:
        """Takes a device in that should be there, wherever its events are.

        Args:
            path: A link to it, below the root of the tree.
        """
        found = self._tree.resolved(path)
        if found is not None and found not in self._paths:
            self.apply(Uevent("add", found))

    async def changed(self, seconds: float) -> None:
        """Returns when a device has come or gone, or after so many seconds."""
        waiter = asyncio.get_running_loop().create_future()
        self._changes.add(waiter)
        try:
            await asyncio.wait([waiter], timeout=seconds)
        finally:
            self._changes.discard(waiter)

    def _read(self, path: str) -> NodeDevice | None:
        found = self._tree.device(path)
        if found is None:
            return None
        return read(self._tree, found, {key: one.model for key, one in self._paths.items()})

    # -- what changes --------------------------------------------------------------------------

    def rescan(self) -> None:
        """Looks at everything, and tells what has come and gone."""
        now = read_all(self._tree)
        for path in [path for path in self._paths if path not in now]:
            self._forget(path)
        for path, model in now.items():
            self._learn(path, model)

    def _heard(self, source: Uevents) -> None:
        try:
            events = source.read()
        except UeventsLost:
            _LOG.warning("the kernel told more of devices than could be read; looking at all")
            self.rescan()
            return
        for event in events:
            self.apply(event)

    def apply(self, event: Uevent) -> None:
        """Takes in what the kernel tells."""
        if event.former is not None:
            for path in [path for path in self._paths if _is_below(path, event.former)]:
                self._forget(path)
        if event.action == "remove":
            self._forget(event.path)
            return
        model = self._read(event.path)
        if model is not None and self._learn(event.path, model) and event.action in _TOLD:
            self._tell_update(self._paths[event.path])

    def _learn(self, path: str, model: NodeDevice) -> bool:
        """Whether it was known before."""
        known = self._paths.get(path)
        if known is not None and known.name == model.name:
            self._renew(known, model)
            return True
        if known is not None:  # a link with another address has another name
            self._forget(path)
        name = model.name or ""
        device = self._names.get(name)
        if device is None or device.active:
            host = name == COMPUTER
            device = self._names[name] = Device(model, persistent=host, autostart=host)
        device.active = True
        self._paths[path] = device
        self._renew(device, model)
        self._tell(device, _CREATED)
        return False

    def _renew(self, device: Device, model: NodeDevice) -> None:
        """The kernel does not tell which attributes a mediated device was made with."""
        defined = self._definitions.get(device.name)
        if defined is not None:
            model.capabilities[0].attributes = defined.capabilities[0].attributes
        device.model = model

    def _forget(self, path: str) -> None:
        device = self._paths.pop(path, None)
        if device is None or self._names.get(device.name) is not device:
            return
        defined = self._definitions.get(device.name)
        if defined is not None:
            device.active, device.model = False, defined
        else:
            del self._names[device.name]
        self._tell(device, _DELETED)

    # -- what is defined -----------------------------------------------------------------------

    def take_definitions(self, definitions: Iterable[Definition]) -> None:
        """Takes in which mediated devices are defined, and tells what is new of that."""
        now = {}
        for definition in definitions:
            parent = self.parent_named(definition.parent)
            model = defined_device(definition, parent.name if parent is not None else COMPUTER)
            now[model.name or ""] = model, definition.autostart
        for name in self._definitions.keys() - now.keys():
            self._undefine(name)
        for name, (model, autostart) in now.items():
            self._define(name, model, autostart)

    def _define(self, name: str, model: NodeDevice, autostart: bool) -> None:
        former, self._definitions[name] = self._definitions.get(name), model
        device = self._names.get(name)
        if device is None:
            device = Device(model, active=False, persistent=True, autostart=autostart)
            self._names[name] = device
            self._tell(device, _DEFINED)
            return
        known = device.persistent and former is not None
        same = device.autostart == autostart and (
            former is None or format_document(former) == format_document(model)
        )
        device.persistent, device.autostart = True, autostart
        self._renew(device, device.model if device.active else model)
        if not known:
            self._tell(device, _DEFINED)
        elif not same:
            self._tell_update(device)

    def _undefine(self, name: str) -> None:
        del self._definitions[name]
        device = self._names[name]
        device.persistent = device.autostart = False
        if not device.active:
            del self._names[name]
        self._tell(device, _UNDEFINED)

    # -- who hears of it -----------------------------------------------------------------------

    def _tell_update(self, device: Device) -> None:
        self.events.emit(
            NodeDeviceEventID.UPDATE,
            device.name,
            p.NODE_DEVICE_EVENT_UPDATE,
            lambda number: p.NodeDeviceEventUpdateMsg(number, device.ref()),
        )

    def _tell(self, device: Device, event: NodeDeviceEventLifecycleType) -> None:
        for waiter in self._changes:
            if not waiter.done():
                waiter.set_result(None)
        self.events.emit(
            NodeDeviceEventID.LIFECYCLE,
            device.name,
            p.NODE_DEVICE_EVENT_LIFECYCLE,
            lambda number: p.NodeDeviceEventLifecycleMsg(number, device.ref(), int(event), 0),
        )


def _is_below(path: str, other: str) -> bool:
    return path == other or path.startswith(f"{other}/")
