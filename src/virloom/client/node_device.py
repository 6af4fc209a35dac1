# SPDX-License-Identifier: Apache-2.0
"""Devices of the host itself."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from virloom.client.families import Family, Kind, Kinds, Watchable
from virloom.client.link import text_of
from virloom.client.params import member
from virloom.client.resource import Resource
from virloom.client.subscription import QUEUE_SIZE, EventStream
from virloom.client.value import Value
from virloom.enums.nodedev import NodeDeviceEventID, NodeDeviceEventLifecycleType
from virloom.procedures import nodedev as p

if TYPE_CHECKING:
    from virloom.xml import Element


class NodeDeviceRef(Value):
    """A device's identity: its name, such as ``pci_0000_00_1f_2``."""

    name: str

    @property
    def wire(self) -> p.NonnullNodeDevice:
        """The protocol's record."""
        return p.NonnullNodeDevice(self.name)


class NodeDeviceEvent(Value):
    """The base of all events of devices."""

    device: NodeDeviceRef


class NodeDeviceLifecycleEvent(NodeDeviceEvent):
    """It came, went, was defined or undefined."""

    event: NodeDeviceEventLifecycleType | int
    detail: int


class NodeDeviceUpdateEvent(NodeDeviceEvent):
    """Its document has changed."""


def _lifecycle(message: Any) -> NodeDeviceLifecycleEvent:
    event = member(NodeDeviceEventLifecycleType, message.event)
    return NodeDeviceLifecycleEvent(NodeDeviceRef(message.dev.name), event, message.detail)


def _update(message: Any) -> NodeDeviceUpdateEvent:
    return NodeDeviceUpdateEvent(NodeDeviceRef(message.dev.name))


_FAMILY = Family(
    p.CONNECT_NODE_DEVICE_EVENT_REGISTER_ANY,
    p.CONNECT_NODE_DEVICE_EVENT_DEREGISTER_ANY,
    {
        NodeDeviceEventID.LIFECYCLE: Kind(
            p.NODE_DEVICE_EVENT_LIFECYCLE, NodeDeviceLifecycleEvent, _lifecycle
        ),
        NodeDeviceEventID.UPDATE: Kind(p.NODE_DEVICE_EVENT_UPDATE, NodeDeviceUpdateEvent, _update),
    },
)

#: The most capabilities that this call of the protocol can bring.
_MOST_CAPS = 65536


class NodeDevice(Resource):
    """One device of the host; calls raise NoNodeDevice when it is gone."""

    _ref: NodeDeviceRef

    @property
    def ref(self) -> NodeDeviceRef:
        """The identity as plain data; what events carry."""
        return self._ref

    @property
    def name(self) -> str:
        """The name."""
        return self._ref.name

    async def xml_desc(self, flags: int = 0) -> str:
        """The document."""
        args = p.NodeDeviceGetXMLDescArgs(self.name, flags)
        return (await self._link.call(p.NODE_DEVICE_GET_XML_DESC, args)).xml

    async def parent(self) -> str | None:
        """The name of the device that it hangs on; None for the root."""
        args = p.NodeDeviceGetParentArgs(self.name)
        return (await self._link.call(p.NODE_DEVICE_GET_PARENT, args)).parent_name

    async def list_caps(self) -> list[str]:
        """What it is, such as ``pci`` or ``net``."""
        args = p.NodeDeviceListCapsArgs(self.name, _MOST_CAPS)
        return (await self._link.call(p.NODE_DEVICE_LIST_CAPS, args)).names

    async def detach(self, driver: str | None = None, flags: int = 0) -> None:
        """Takes it from the host's driver, for a guest; *driver* such as ``vfio``."""
        if driver is None and not flags:
            await self._link.call(p.NODE_DEVICE_DETTACH, p.NodeDeviceDettachArgs(self.name))
        else:
            args = p.NodeDeviceDetachFlagsArgs(self.name, driver, flags)
            await self._link.call(p.NODE_DEVICE_DETACH_FLAGS, args)

    async def reattach(self) -> None:
        """Gives it back to the host's driver."""
        await self._link.call(p.NODE_DEVICE_RE_ATTACH, p.NodeDeviceReAttachArgs(self.name))

    async def reset(self) -> None:
        """Resets it."""
        await self._link.call(p.NODE_DEVICE_RESET, p.NodeDeviceResetArgs(self.name))

    async def create(self, flags: int = 0) -> None:
        """Starts a defined mediated device."""
        args = p.NodeDeviceCreateArgs(self.name, flags)
        await self._link.call(p.NODE_DEVICE_CREATE, args)

    async def destroy(self) -> None:
        """Takes a virtual device away."""
        await self._link.call(p.NODE_DEVICE_DESTROY, p.NodeDeviceDestroyArgs(self.name))

    async def undefine(self, flags: int = 0) -> None:
        """Forgets the definition of a mediated device."""
        args = p.NodeDeviceUndefineArgs(self.name, flags)
        await self._link.call(p.NODE_DEVICE_UNDEFINE, args)

    async def update(self, document: str | Element, flags: int = 0) -> None:
        """Changes a mediated device (libvirt 10.1)."""
        args = p.NodeDeviceUpdateArgs(self.name, text_of(document), flags)
        await self._link.call(p.NODE_DEVICE_UPDATE, args)

    async def autostart(self) -> bool:
        """Whether it starts with the host."""
        args = p.NodeDeviceGetAutostartArgs(self.name)
        return bool((await self._link.call(p.NODE_DEVICE_GET_AUTOSTART, args)).autostart)

    async def set_autostart(self, autostart: bool) -> None:
        """Whether it shall."""
        args = p.NodeDeviceSetAutostartArgs(self.name, int(autostart))
        await self._link.call(p.NODE_DEVICE_SET_AUTOSTART, args)

    async def is_active(self) -> bool:
        """Whether it is there."""
        args = p.NodeDeviceIsActiveArgs(self.name)
        return bool((await self._link.call(p.NODE_DEVICE_IS_ACTIVE, args)).active)

    async def is_persistent(self) -> bool:
        """Whether its definition outlives it."""
        args = p.NodeDeviceIsPersistentArgs(self.name)
        return bool((await self._link.call(p.NODE_DEVICE_IS_PERSISTENT, args)).persistent)


class NodeDevices(Watchable):
    """``conn.node_devices``."""

    _family = _FAMILY

    async def create_xml(self, document: str | Element, flags: int = 0) -> NodeDevice:
        """Makes a virtual device from its document (NodeDeviceCreateXMLFlags)."""
        args = p.NodeDeviceCreateXMLArgs(text_of(document), flags)
        return self._device((await self._link.call(p.NODE_DEVICE_CREATE_XML, args)).dev)

    async def define_xml(self, document: str | Element, flags: int = 0) -> NodeDevice:
        """Defines a mediated device (NodeDeviceDefineXMLFlags)."""
        args = p.NodeDeviceDefineXMLArgs(text_of(document), flags)
        return self._device((await self._link.call(p.NODE_DEVICE_DEFINE_XML, args)).dev)

    def device(self, ref: NodeDeviceRef) -> NodeDevice:
        """The object of a device that an event names; asks nobody."""
        return NodeDevice(self._link, ref)

    async def lookup_by_name(self, name: str) -> NodeDevice:
        """Finds a device.

        Raises:
            NoNodeDevice: There is none of that name.
        """
        args = p.NodeDeviceLookupByNameArgs(name)
        return self._device((await self._link.call(p.NODE_DEVICE_LOOKUP_BY_NAME, args)).dev)

    async def lookup_scsi_host_by_wwn(self, wwnn: str, wwpn: str, flags: int = 0) -> NodeDevice:
        """Finds a fibre channel adapter by the world wide names of its node and port."""
        args = p.NodeDeviceLookupScsiHostByWwnArgs(wwnn, wwpn, flags)
        ret = await self._link.call(p.NODE_DEVICE_LOOKUP_SCSI_HOST_BY_WWN, args)
        return self._device(ret.dev)

    async def list(self, flags: int = 0) -> list[NodeDevice]:
        """All devices, or some (:class:`~virloom.enums.nodedev.ConnectListAllNodeDeviceFlags`)."""
        args = p.ConnectListAllNodeDevicesArgs(1, flags)
        ret = await self._link.call(p.CONNECT_LIST_ALL_NODE_DEVICES, args)
        return [self._device(one) for one in ret.devices]

    def events(
        self, kind: Kinds = None, *, only: NodeDeviceRef | None = None, queue: int = QUEUE_SIZE
    ) -> EventStream[NodeDeviceEvent]:
        """Events as an async iterator (see :class:`~virloom.client.subscription.EventStream`).

        Args:
            kind: An event class, or several of them or of libvirt's event ids; None for all.
            only: Only those of this device (``device.ref``).
            queue: How many events may wait before the reader is told of a gap.
        """
        topics = _FAMILY.topics(kind, only)
        return EventStream(self._hub, topics, queue, partly=kind is None)

    def _device(self, device: p.NonnullNodeDevice) -> NodeDevice:
        return self.device(NodeDeviceRef(device.name))
