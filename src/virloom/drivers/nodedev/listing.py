# SPDX-License-Identifier: Apache-2.0
"""Node devices listed, looked up and listened to, for every driver that has them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from virloom.drivers.nodedev.device import Device
from virloom.drivers.runtime.arguments import unknown_flags
from virloom.drivers.runtime.object_events import ObjectEvents
from virloom.endpoint.dispatch import Call, serves
from virloom.enums.error import ErrorDomain
from virloom.enums.nodedev import ConnectListAllNodeDeviceFlags
from virloom.procedures import nodedev as p

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


class Holder(Protocol):
    """Who has devices."""

    @property
    def all(self) -> Sequence[Device]:
        """Those that there are."""
        ...

    @property
    def events(self) -> ObjectEvents[str]:
        """Who listens."""
        ...

    def find(self, name: str) -> Device:
        """The device of that name."""
        ...


class NodeDeviceListing:
    """Handlers that list and look up devices.

    Args:
        devices: The driver, or its part that has them.
        domain: Of its errors.
        states: Flags about what is active, where the driver knows them; all of its devices are.
    """

    def __init__(self, devices: Holder, domain: ErrorDomain, states: int = 0) -> None:
        self._devices = devices
        self._domain = domain
        self._known = int(sum(_KINDS)) | states
        self._states = states

    def _check_flags(self, call: Call, flags: int, known: int = 0) -> None:
        unknown = flags & ~known
        if unknown:
            name = call.procedure.api_name.removeprefix("vir")
            prefix = "test" if self._domain == ErrorDomain.TEST else "node"
            raise unknown_flags(unknown, prefix + name.removeprefix("Node"), self._domain)

    def _of(self, kind: str | None) -> list[Device]:
        return [one for one in self._devices.all if kind is None or kind in one.kinds]

    @serves(p.NODE_NUM_OF_DEVICES)
    def num_of(self, call: Call, args: p.NodeNumOfDevicesArgs) -> p.NodeNumOfDevicesRet:
        self._check_flags(call, args.flags)
        return p.NodeNumOfDevicesRet(len(self._of(args.cap)))

    @serves(p.NODE_LIST_DEVICES)
    def list_names(self, call: Call, args: p.NodeListDevicesArgs) -> p.NodeListDevicesRet:
        self._check_flags(call, args.flags)
        return p.NodeListDevicesRet([one.name for one in self._of(args.cap)][: args.maxnames])

    @serves(p.CONNECT_LIST_ALL_NODE_DEVICES)
    def list_all(
        self, call: Call, args: p.ConnectListAllNodeDevicesArgs
    ) -> p.ConnectListAllNodeDevicesRet:
        self._check_flags(call, args.flags, self._known)
        kinds = {kind for flag, kind in _KINDS.items() if args.flags & flag}
        wanted = args.flags & self._states & int(_Flags.ACTIVE | _Flags.INACTIVE)
        found = [
            one.ref()
            for one in self._devices.all
            if (not kinds or kinds & one.kinds)
            and (not wanted or wanted & int(_Flags.ACTIVE if one.active else _Flags.INACTIVE))
        ]
        return p.ConnectListAllNodeDevicesRet(found if args.need_results else [], len(found))

    @serves(p.NODE_DEVICE_LOOKUP_BY_NAME)
    def by_name(
        self, call: Call, args: p.NodeDeviceLookupByNameArgs
    ) -> p.NodeDeviceLookupByNameRet:
        return p.NodeDeviceLookupByNameRet(self._devices.find(args.name).ref())

    @serves(p.NODE_DEVICE_GET_PARENT)
    def get_parent(self, call: Call, args: p.NodeDeviceGetParentArgs) -> p.NodeDeviceGetParentRet:
        return p.NodeDeviceGetParentRet(self._devices.find(args.name).parent)

    @serves(p.CONNECT_NODE_DEVICE_EVENT_REGISTER_ANY)
    def register(
        self, call: Call, args: p.ConnectNodeDeviceEventRegisterAnyArgs
    ) -> p.ConnectNodeDeviceEventRegisterAnyRet:
        key = args.dev.name if args.dev is not None else None
        number = self._devices.events.register(call.session, args.event_id, key)
        return p.ConnectNodeDeviceEventRegisterAnyRet(number)
