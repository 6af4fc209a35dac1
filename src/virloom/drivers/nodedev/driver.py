# SPDX-License-Identifier: Apache-2.0
"""The devices of a host, kept as its kernel tells of them."""

from __future__ import annotations

import asyncio
import logging

from virloom.drivers.nodedev.device import Device
from virloom.drivers.nodedev.reading import read, read_all
from virloom.drivers.nodedev.tree import SysTree
from virloom.drivers.runtime.object_events import ObjectEvents
from virloom.enums.error import ErrorDomain
from virloom.enums.nodedev import NodeDeviceEventID, NodeDeviceEventLifecycleType
from virloom.errors import NoNodeDevice
from virloom.host.uevents import Uevent, Uevents, UeventsLost
from virloom.model.nodedev import NodeDevice
from virloom.procedures import nodedev as p

_LOG = logging.getLogger(__name__)
_CREATED, _DELETED = NodeDeviceEventLifecycleType.CREATED, NodeDeviceEventLifecycleType.DELETED


class NodeDeviceDriver:
    """The devices, and who listens to what happens to them.

    Args:
        tree: What tells of them.
        uri: What clients are told.
        source: Of events; closed with the driver. None: nothing is told of itself.
    """

    def __init__(self, tree: SysTree, uri: str, source: Uevents | None = None) -> None:
        self.uri = uri
        self.events: ObjectEvents[str] = ObjectEvents("node device", frozenset(NodeDeviceEventID))
        self._tree = tree
        self._source = source
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
        model = self._read(path) if path else None
        if model is not None and model.name == name:
            device.model = model
        return device.model

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
        if model is not None:
            self._learn(event.path, model)

    def _learn(self, path: str, model: NodeDevice) -> None:
        known = self._paths.get(path)
        if known is not None and known.name == model.name:
            known.model = model
            return
        if known is not None:  # a link with another address has another name
            self._forget(path)
        device = self._paths[path] = self._names[model.name or ""] = Device(model)
        self._tell(device, _CREATED)

    def _forget(self, path: str) -> None:
        device = self._paths.pop(path, None)
        if device is not None and self._names.get(device.name) is device:
            del self._names[device.name]
            self._tell(device, _DELETED)

    def _tell(self, device: Device, event: NodeDeviceEventLifecycleType) -> None:
        self.events.emit(
            NodeDeviceEventID.LIFECYCLE,
            device.name,
            p.NODE_DEVICE_EVENT_LIFECYCLE,
            lambda number: p.NodeDeviceEventLifecycleMsg(number, device.ref(), int(event), 0),
        )


def _is_below(path: str, other: str) -> bool:
    return path == other or path.startswith(f"{other}/")
