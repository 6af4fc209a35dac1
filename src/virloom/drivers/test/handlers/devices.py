# SPDX-License-Identifier: Apache-2.0
"""Devices of the host."""

from __future__ import annotations

from virloom.drivers.nodedev.device import parse_device
from virloom.drivers.nodedev.listing import NodeDeviceListing
from virloom.drivers.test.arguments import check_flags
from virloom.drivers.test.callbacks import end_registration
from virloom.drivers.test.driver import InMemoryDriver
from virloom.endpoint.dispatch import Call, serves
from virloom.enums.error import ErrorDomain
from virloom.enums.nodedev import NodeDeviceCreateXMLFlags
from virloom.procedures import nodedev as p
from virloom.xml import format_document


class NodeDevices(NodeDeviceListing):
    """Handlers of devices."""

    def __init__(self, driver: InMemoryDriver) -> None:
        super().__init__(driver.devices, ErrorDomain.TEST)
        self._pretended = driver.devices

    @serves(p.NODE_DEVICE_GET_XML_DESC)
    def get_xml_desc(
        self, call: Call, args: p.NodeDeviceGetXMLDescArgs
    ) -> p.NodeDeviceGetXMLDescRet:
        check_flags(call, args.flags)
        return p.NodeDeviceGetXMLDescRet(format_document(self._pretended.find(args.name).model))

    @serves(p.NODE_DEVICE_NUM_OF_CAPS)
    def num_of_caps(self, call: Call, args: p.NodeDeviceNumOfCapsArgs) -> p.NodeDeviceNumOfCapsRet:
        return p.NodeDeviceNumOfCapsRet(len(self._pretended.find(args.name).capabilities))

    @serves(p.NODE_DEVICE_LIST_CAPS)
    def list_caps(self, call: Call, args: p.NodeDeviceListCapsArgs) -> p.NodeDeviceListCapsRet:
        found = self._pretended.find(args.name).capabilities
        return p.NodeDeviceListCapsRet(found[: args.maxnames])

    @serves(p.NODE_DEVICE_CREATE_XML)
    def create_xml(self, call: Call, args: p.NodeDeviceCreateXMLArgs) -> p.NodeDeviceCreateXMLRet:
        check_flags(call, args.flags, NodeDeviceCreateXMLFlags.VALIDATE)
        model = parse_device(args.xml_desc, validate=bool(args.flags))
        return p.NodeDeviceCreateXMLRet(self._pretended.create(model).ref())

    @serves(p.NODE_DEVICE_DESTROY)
    def destroy(self, call: Call, args: p.NodeDeviceDestroyArgs) -> None:
        self._pretended.destroy(self._pretended.find(args.name))

    @serves(p.CONNECT_NODE_DEVICE_EVENT_DEREGISTER_ANY)
    def deregister(self, call: Call, args: p.ConnectNodeDeviceEventDeregisterAnyArgs) -> None:
        end_registration(self._pretended.events, call.session, args.callback_id)
