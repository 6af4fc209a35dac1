# SPDX-License-Identifier: Apache-2.0
"""Devices of the host that the test driver pretends to be."""

from __future__ import annotations

from virloom.drivers.nodedev.device import Device, nested
from virloom.drivers.runtime.object_events import ObjectEvents
from virloom.enums.error import ErrorDomain
from virloom.enums.nodedev import NodeDeviceEventID, NodeDeviceEventLifecycleType
from virloom.errors import InternalError, NoNodeDevice
from virloom.model.nodedev import NodeDevice
from virloom.procedures import nodedev as p

_DOMAIN = ErrorDomain.NODEDEV
_NEW = "new device"

#: The adapter that every new one is a copy of, and the name that all of them get, as in libvirt's.
_PATTERN, _COPY = "scsi_host11", "scsi_host12"


class Devices:
    """All devices, and who listens to what happens to them."""

    def __init__(self) -> None:
        self._by_name: dict[str, Device] = {}
        self.events: ObjectEvents[str] = ObjectEvents("node device", frozenset(NodeDeviceEventID))

    @property
    def all(self) -> list[Device]:
        """Those that there are."""
        return list(self._by_name.values())

    def add(self, model: NodeDevice) -> Device:
        """Adds a device, or replaces the one of that name."""
        device = self._by_name[model.name or ""] = Device(model)
        return device

    def find(self, name: str) -> Device:
        """The device of that name.

        Raises:
            NoNodeDevice: There is none.
        """
        found = self._by_name.get(name)
        if found is None:
            raise NoNodeDevice(
                f"no node device with matching name '{name}'", domain=ErrorDomain.TEST
            )
        return found

    def create(self, model: NodeDevice) -> Device:
        """A new adapter of a parent that can make them; the next one replaces it.

        Raises:
            InternalError: It is no adapter with names, or its parent cannot make it.
        """
        adapter = nested(model, "fc_host")
        if adapter is None:
            raise InternalError("Device is not a fibre channel HBA", domain=_DOMAIN)
        for what in ("wwnn", "wwpn"):
            if getattr(adapter, what) is None:
                raise InternalError(f"no {what.upper()} supplied for '{_NEW}'", domain=_DOMAIN)
        self._check_parent(model)
        copy = self.find(_PATTERN).model.copy()
        copy.name = _COPY
        own = nested(copy, "fc_host")
        assert own is not None
        own.wwnn, own.wwpn = adapter.wwnn, adapter.wwpn
        device = self.add(copy)
        self.tell(device, NodeDeviceEventLifecycleType.CREATED)
        return device

    def _check_parent(self, model: NodeDevice) -> None:
        parent = self._parent(model)
        if parent is None:
            raise InternalError(f"Could not find parent device for '{_NEW}'", domain=_DOMAIN)
        if "vports" not in parent.kinds:
            raise InternalError(
                f"Parent device {parent.name} is not capable of vport operations", domain=_DOMAIN
            )

    def _parent(self, model: NodeDevice) -> Device | None:
        asked = model.parent
        if asked is not None and asked.name:
            return self._by_name.get(asked.name)
        for device in self.all:
            adapter = nested(device.model, "fc_host")
            if asked is None or not (asked.wwnn or asked.fabric_wwn):
                if "vports" in device.kinds:
                    return device
            elif adapter is not None and (
                (asked.wwnn, asked.wwpn) == (adapter.wwnn, adapter.wwpn)
                or (asked.fabric_wwn is not None and asked.fabric_wwn == adapter.fabric_wwn)
            ):
                return device
        return None

    def destroy(self, device: Device) -> None:
        """Removes an adapter; of another device, or without its parent, nothing happens."""
        if nested(device.model, "fc_host") is None or device.parent not in self._by_name:
            return
        del self._by_name[device.name]
        self.tell(device, NodeDeviceEventLifecycleType.DELETED)

    def tell(self, device: Device, event: NodeDeviceEventLifecycleType) -> None:
        """Tells whoever listens that a device has come or gone."""
        self.events.emit(
            NodeDeviceEventID.LIFECYCLE,
            device.name,
            p.NODE_DEVICE_EVENT_LIFECYCLE,
            lambda number: p.NodeDeviceEventLifecycleMsg(number, device.ref(), int(event), 0),
        )
