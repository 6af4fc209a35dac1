# SPDX-License-Identifier: Apache-2.0
"""The procedures that the driver of node devices serves: what the devices are."""

from __future__ import annotations

from virloom.drivers.nodedev.device import nested
from virloom.drivers.nodedev.driver import NodeDeviceDriver
from virloom.drivers.nodedev.listing import NodeDeviceListing
from virloom.drivers.nodedev.made import MadeDevices, check_flags
from virloom.drivers.runtime.area_connection import AreaConnection
from virloom.endpoint import local
from virloom.endpoint.areas import AreaOpener
from virloom.endpoint.dispatch import Call, Dispatcher, serves
from virloom.enums.error import ErrorDomain
from virloom.enums.nodedev import ConnectListAllNodeDeviceFlags
from virloom.errors import InternalError
from virloom.procedures import nodedev as p
from virloom.xml import format_document

_DOMAIN = ErrorDomain.NODEDEV
_STATES = int(ConnectListAllNodeDeviceFlags.ACTIVE | ConnectListAllNodeDeviceFlags.INACTIVE)


class NodeDevices(NodeDeviceListing):
    """Handlers of what a device is."""

    def __init__(self, driver: NodeDeviceDriver) -> None:
        super().__init__(driver, _DOMAIN, _STATES)
        self._driver = driver

    @serves(p.NODE_DEVICE_GET_XML_DESC)
    def get_xml_desc(
        self, call: Call, args: p.NodeDeviceGetXMLDescArgs
    ) -> p.NodeDeviceGetXMLDescRet:
        check_flags(args.flags, 0, "nodeDeviceGetXMLDesc")
        return p.NodeDeviceGetXMLDescRet(format_document(self._driver.document(args.name)))

    @serves(p.NODE_DEVICE_NUM_OF_CAPS)
    def num_of_caps(self, call: Call, args: p.NodeDeviceNumOfCapsArgs) -> p.NodeDeviceNumOfCapsRet:
        return p.NodeDeviceNumOfCapsRet(len(self._driver.find(args.name).kinds))

    @serves(p.NODE_DEVICE_LIST_CAPS)
    def list_caps(self, call: Call, args: p.NodeDeviceListCapsArgs) -> p.NodeDeviceListCapsRet:
        device = self._driver.find(args.name)
        first = device.capabilities
        more = sorted(device.kinds.difference(first))
        return p.NodeDeviceListCapsRet([*first, *more][: args.maxnames])

    @serves(p.NODE_DEVICE_LOOKUP_SCSI_HOST_BY_WWN)
    def by_world_wide_name(
        self, call: Call, args: p.NodeDeviceLookupScsiHostByWwnArgs
    ) -> p.NodeDeviceLookupScsiHostByWwnRet:
        check_flags(args.flags, 0, "nodeDeviceLookupSCSIHostByWWN")
        for device in self._driver.all:
            adapter = nested(device.model, "fc_host")
            if adapter is not None and (adapter.wwnn, adapter.wwpn) == (args.wwnn, args.wwpn):
                return p.NodeDeviceLookupScsiHostByWwnRet(device.ref())
        raise InternalError(  # libvirt tells neither an error of its own nor a domain
            f"no adapter has the names '{args.wwnn}' and '{args.wwpn}'", domain=ErrorDomain.NONE
        )

    @serves(p.NODE_DEVICE_IS_ACTIVE)
    def is_active(self, call: Call, args: p.NodeDeviceIsActiveArgs) -> p.NodeDeviceIsActiveRet:
        return p.NodeDeviceIsActiveRet(int(self._driver.find(args.name).active))

    @serves(p.NODE_DEVICE_IS_PERSISTENT)
    def is_persistent(
        self, call: Call, args: p.NodeDeviceIsPersistentArgs
    ) -> p.NodeDeviceIsPersistentRet:
        return p.NodeDeviceIsPersistentRet(int(self._driver.find(args.name).persistent))

    @serves(p.NODE_DEVICE_GET_AUTOSTART)
    def get_autostart(
        self, call: Call, args: p.NodeDeviceGetAutostartArgs
    ) -> p.NodeDeviceGetAutostartRet:
        return p.NodeDeviceGetAutostartRet(int(self._driver.find(args.name).autostart))

    @serves(p.CONNECT_NODE_DEVICE_EVENT_DEREGISTER_ANY)
    def deregister(self, call: Call, args: p.ConnectNodeDeviceEventDeregisterAnyArgs) -> None:
        self._driver.events.deregister(call.session, args.callback_id)


def dispatcher(driver: NodeDeviceDriver) -> Dispatcher:
    """All that *driver* serves."""
    connection = AreaConnection("nodedev", driver.uri, _DOMAIN)
    return Dispatcher([connection, *handlers(driver)])


def handlers(driver: NodeDeviceDriver) -> list[object]:
    """The groups of handlers of *driver*, for a process that serves other areas beside it."""
    return [NodeDevices(driver), MadeDevices(driver)]


def opener(driver: NodeDeviceDriver) -> AreaOpener:
    """How another driver of the same process reaches *driver*."""
    return local.opener(dispatcher(driver))
