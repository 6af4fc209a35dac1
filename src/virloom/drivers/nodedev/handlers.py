# SPDX-License-Identifier: Apache-2.0
"""The procedures that the driver of node devices serves.

Devices that somebody makes (mediated ones, virtual adapters) are listed, but not made here: what
asks for one is checked as by libvirt, and then refused.
"""

from __future__ import annotations

from virloom.drivers.nodedev.device import Device, nested, parse_device
from virloom.drivers.nodedev.driver import NodeDeviceDriver
from virloom.drivers.nodedev.listing import NodeDeviceListing
from virloom.drivers.nodedev.reading import COMPUTER
from virloom.drivers.runtime.area_connection import AreaConnection
from virloom.drivers.runtime.arguments import unknown_flags
from virloom.endpoint import local
from virloom.endpoint.areas import AreaOpener
from virloom.endpoint.dispatch import Call, Dispatcher, serves
from virloom.enums.error import ErrorDomain
from virloom.enums.nodedev import ConnectListAllNodeDeviceFlags
from virloom.errors import (
    ConfigUnsupported,
    InternalError,
    OperationInvalid,
    OperationUnsupported,
    ParseFailed,
    VirloomError,
)
from virloom.model.nodedev import NodeDevice
from virloom.procedures import nodedev as p
from virloom.xml import format_document

_DOMAIN = ErrorDomain.NODEDEV
_STATES = int(ConnectListAllNodeDeviceFlags.ACTIVE | ConnectListAllNodeDeviceFlags.INACTIVE)
_VALIDATE = 1
_NO_MDEVS = "mediated devices are not made here; mdevctl makes them"


def _check_flags(flags: int, known: int, function: str) -> None:
    """Refuses unknown flags.

    Raises:
        InvalidArg: With the unknown ones.
    """
    if flags & ~known:
        raise unknown_flags(flags & ~known, function, _DOMAIN)


def _unsupported(message: str) -> ConfigUnsupported:
    return ConfigUnsupported(message, domain=_DOMAIN)


class NodeDevices(NodeDeviceListing):
    """Handlers of what a device is."""

    def __init__(self, driver: NodeDeviceDriver) -> None:
        super().__init__(driver, _DOMAIN, _STATES)
        self._driver = driver

    @serves(p.NODE_DEVICE_GET_XML_DESC)
    def get_xml_desc(
        self, call: Call, args: p.NodeDeviceGetXMLDescArgs
    ) -> p.NodeDeviceGetXMLDescRet:
        _check_flags(args.flags, 0, "nodeDeviceGetXMLDesc")
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
        _check_flags(args.flags, 0, "nodeDeviceLookupSCSIHostByWWN")
        for device in self._driver.all:
            adapter = nested(device.model, "fc_host")
            if adapter is not None and (adapter.wwnn, adapter.wwpn) == (args.wwnn, args.wwpn):
                return p.NodeDeviceLookupScsiHostByWwnRet(device.ref())
        raise InternalError(  # libvirt tells neither an error of its own nor a domain
            f"no adapter has the names '{args.wwnn}' and '{args.wwpn}'", domain=ErrorDomain.NONE
        )

    @serves(p.NODE_DEVICE_IS_ACTIVE)
    def is_active(self, call: Call, args: p.NodeDeviceIsActiveArgs) -> p.NodeDeviceIsActiveRet:
        self._driver.find(args.name)
        return p.NodeDeviceIsActiveRet(1)

    @serves(p.NODE_DEVICE_IS_PERSISTENT)
    def is_persistent(
        self, call: Call, args: p.NodeDeviceIsPersistentArgs
    ) -> p.NodeDeviceIsPersistentRet:
        return p.NodeDeviceIsPersistentRet(int(self._driver.find(args.name).name == COMPUTER))

    @serves(p.NODE_DEVICE_GET_AUTOSTART)
    def get_autostart(
        self, call: Call, args: p.NodeDeviceGetAutostartArgs
    ) -> p.NodeDeviceGetAutostartRet:
        return p.NodeDeviceGetAutostartRet(int(self._driver.find(args.name).name == COMPUTER))

    @serves(p.CONNECT_NODE_DEVICE_EVENT_DEREGISTER_ANY)
    def deregister(self, call: Call, args: p.ConnectNodeDeviceEventDeregisterAnyArgs) -> None:
        self._driver.events.deregister(call.session, args.callback_id)


class MadeDevices:
    """Handlers of devices that somebody makes: none are made here, refused as by libvirt."""

    def __init__(self, driver: NodeDeviceDriver) -> None:
        self._driver = driver

    @serves(p.NODE_DEVICE_CREATE_XML)
    def create_xml(self, call: Call, args: p.NodeDeviceCreateXMLArgs) -> p.NodeDeviceCreateXMLRet:
        _check_flags(args.flags, _VALIDATE, "nodeDeviceCreateXML")
        model = parse_device(args.xml_desc, validate=bool(args.flags))
        if "scsi_host" in Device(model).capabilities:
            raise self._no_adapter(model)
        raise self._no_mdev(model)

    @serves(p.NODE_DEVICE_DEFINE_XML)
    def define_xml(self, call: Call, args: p.NodeDeviceDefineXMLArgs) -> p.NodeDeviceDefineXMLRet:
        _check_flags(args.flags, _VALIDATE, "nodeDeviceDefineXML")
        raise self._no_mdev(parse_device(args.xml_desc, validate=bool(args.flags)))

    def _no_adapter(self, model: NodeDevice) -> VirloomError:
        adapter = nested(model, "fc_host")
        if adapter is None or adapter.wwnn is None or adapter.wwpn is None:
            return InternalError("a new adapter needs its world-wide names", domain=_DOMAIN)
        parent = self._parent(model)
        if parent is None or "vports" not in parent.kinds:
            return InternalError(
                f"'{_parent_name(model)}' is no adapter that others can be made of", domain=_DOMAIN
            )
        return _unsupported("virtual adapters are not made here")

    def _no_mdev(self, model: NodeDevice) -> VirloomError:
        if "mdev" not in Device(model).capabilities:
            return _unsupported("only mediated devices can be made")
        parent = self._parent(model)
        if parent is None:
            return _unsupported(f"there is no device '{_parent_name(model)}' to divide")
        if "pci" not in parent.kinds:
            return ParseFailed(f"the address of '{parent.name}' is none of PCI", domain=_DOMAIN)
        return _unsupported(_NO_MDEVS)

    def _parent(self, model: NodeDevice) -> Device | None:
        name = _parent_name(model)
        return next((one for one in self._driver.all if one.name == name), None)

    @serves(p.NODE_DEVICE_DESTROY)
    def destroy(self, call: Call, args: p.NodeDeviceDestroyArgs) -> None:
        device = self._driver.find(args.name)
        raise _unsupported(
            _NO_MDEVS if "mdev" in device.kinds else f"'{args.name}' cannot be ended"
        )

    @serves(p.NODE_DEVICE_CREATE)
    def create(self, call: Call, args: p.NodeDeviceCreateArgs) -> None:
        _check_flags(args.flags, 0, "nodeDeviceCreate")
        self._driver.find(args.name)
        raise OperationInvalid(f"device '{args.name}' is active already", domain=_DOMAIN)

    @serves(p.NODE_DEVICE_UNDEFINE)
    def undefine(self, call: Call, args: p.NodeDeviceUndefineArgs) -> None:
        _check_flags(args.flags, 0, "nodeDeviceUndefine")
        if self._driver.find(args.name).name == COMPUTER:
            raise _unsupported("the host itself cannot be undefined")
        raise OperationInvalid(f"device '{args.name}' is not persistent", domain=_DOMAIN)

    @serves(p.NODE_DEVICE_SET_AUTOSTART)
    def set_autostart(self, call: Call, args: p.NodeDeviceSetAutostartArgs) -> None:
        self._driver.find(args.name)
        raise OperationUnsupported(
            f"device '{args.name}' is not started by anybody", domain=_DOMAIN
        )


def _parent_name(model: NodeDevice) -> str:
    return (model.parent.name if model.parent is not None else None) or COMPUTER


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
