# SPDX-License-Identifier: Apache-2.0
"""Devices of the host."""

from __future__ import annotations

from virloom.drivers.test.arguments import check_flags
from virloom.drivers.test.callbacks import end_registration
from virloom.drivers.test.device import Device, parse_device
from virloom.drivers.test.driver import InMemoryDriver
from virloom.endpoint.dispatch import Call, serves
from virloom.enums.nodedev import ConnectListAllNodeDeviceFlags, NodeDeviceCreateXMLFlags
from virloom.procedures import nodedev as p
from virloom.xml import format_document

_Flags = ConnectListAllNodeDeviceFlags
#: What a device is listed as, by flag.
_KINDS = {
    _Flags.CAP_SYSTEM: "system",
    _Flags.CAP_SCSI_HOST: "scsi_host",
    _Flags.CAP_FC_HOST: "fc_host",
    _Flags.CAP_VPORTS: "vports",
    _Flags.CAP_PCI_DEV: "pci",
    _Flags.CAP_USB_DEV: "usb_device",
    _Flags.CAP_USB_INTERFACE: "usb",
    _Flags.CAP_NET: "net",
    _Flags.CAP_SCSI_TARGET: "scsi_target",
    _Flags.CAP_SCSI: "scsi",
    _Flags.CAP_STORAGE: "storage",
    _Flags.CAP_SCSI_GENERIC: "scsi_generic",
    _Flags.CAP_DRM: "drm",
    _Flags.CAP_MDEV_TYPES: "mdev_types",
    _Flags.CAP_MDEV: "mdev",
    _Flags.CAP_CCW_DEV: "ccw",
    _Flags.CAP_CSS_DEV: "css",
    _Flags.CAP_VDPA: "vdpa",
    _Flags.CAP_AP_CARD: "ap_card",
    _Flags.CAP_AP_QUEUE: "ap_queue",
    _Flags.CAP_AP_MATRIX: "ap_matrix",
    _Flags.CAP_VPD: "vpd",
}


class NodeDevices:
    """Handlers of devices."""

    def __init__(self, driver: InMemoryDriver) -> None:
        self._devices = driver.devices

    def _of(self, kind: str | None) -> list[Device]:
        return [one for one in self._devices.all if kind is None or kind in one.kinds]

    @serves(p.NODE_NUM_OF_DEVICES)
    def num_of(self, call: Call, args: p.NodeNumOfDevicesArgs) -> p.NodeNumOfDevicesRet:
        check_flags(call, args.flags)
        return p.NodeNumOfDevicesRet(len(self._of(args.cap)))

    @serves(p.NODE_LIST_DEVICES)
    def list_names(self, call: Call, args: p.NodeListDevicesArgs) -> p.NodeListDevicesRet:
        check_flags(call, args.flags)
        return p.NodeListDevicesRet([one.name for one in self._of(args.cap)][: args.maxnames])

    @serves(p.CONNECT_LIST_ALL_NODE_DEVICES)
    def list_all(
        self, call: Call, args: p.ConnectListAllNodeDevicesArgs
    ) -> p.ConnectListAllNodeDevicesRet:
        check_flags(call, args.flags, sum(_KINDS))
        kinds = {kind for flag, kind in _KINDS.items() if args.flags & flag}
        found = [one.ref() for one in self._devices.all if not kinds or kinds & one.kinds]
        return p.ConnectListAllNodeDevicesRet(found if args.need_results else [], len(found))

    @serves(p.NODE_DEVICE_LOOKUP_BY_NAME)
    def by_name(
        self, call: Call, args: p.NodeDeviceLookupByNameArgs
    ) -> p.NodeDeviceLookupByNameRet:
        return p.NodeDeviceLookupByNameRet(self._devices.find(args.name).ref())

    @serves(p.NODE_DEVICE_GET_XML_DESC)
    def get_xml_desc(
        self, call: Call, args: p.NodeDeviceGetXMLDescArgs
    ) -> p.NodeDeviceGetXMLDescRet:
        check_flags(call, args.flags)
        return p.NodeDeviceGetXMLDescRet(format_document(self._devices.find(args.name).model))

    @serves(p.NODE_DEVICE_GET_PARENT)
    def get_parent(self, call: Call, args: p.NodeDeviceGetParentArgs) -> p.NodeDeviceGetParentRet:
        return p.NodeDeviceGetParentRet(self._devices.find(args.name).parent)

    @serves(p.NODE_DEVICE_NUM_OF_CAPS)
    def num_of_caps(self, call: Call, args: p.NodeDeviceNumOfCapsArgs) -> p.NodeDeviceNumOfCapsRet:
        return p.NodeDeviceNumOfCapsRet(len(self._devices.find(args.name).capabilities))

    @serves(p.NODE_DEVICE_LIST_CAPS)
    def list_caps(self, call: Call, args: p.NodeDeviceListCapsArgs) -> p.NodeDeviceListCapsRet:
        return p.NodeDeviceListCapsRet(self._devices.find(args.name).capabilities[: args.maxnames])

    @serves(p.NODE_DEVICE_CREATE_XML)
    def create_xml(self, call: Call, args: p.NodeDeviceCreateXMLArgs) -> p.NodeDeviceCreateXMLRet:
        check_flags(call, args.flags, NodeDeviceCreateXMLFlags.VALIDATE)
        model = parse_device(args.xml_desc, validate=bool(args.flags))
        return p.NodeDeviceCreateXMLRet(self._devices.create(model).ref())

    @serves(p.NODE_DEVICE_DESTROY)
    def destroy(self, call: Call, args: p.NodeDeviceDestroyArgs) -> None:
        self._devices.destroy(self._devices.find(args.name))

    @serves(p.CONNECT_NODE_DEVICE_EVENT_REGISTER_ANY)
    def register(
        self, call: Call, args: p.ConnectNodeDeviceEventRegisterAnyArgs
    ) -> p.ConnectNodeDeviceEventRegisterAnyRet:
        key = args.dev.name if args.dev is not None else None
        number = self._devices.events.register(call.session, args.event_id, key)
        return p.ConnectNodeDeviceEventRegisterAnyRet(number)

    @serves(p.CONNECT_NODE_DEVICE_EVENT_DEREGISTER_ANY)
    def deregister(self, call: Call, args: p.ConnectNodeDeviceEventDeregisterAnyArgs) -> None:
        end_registration(self._devices.events, call.session, args.callback_id)
