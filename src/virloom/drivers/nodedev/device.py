# SPDX-License-Identifier: Apache-2.0
"""A node device: its document, and what it is listed as."""

from __future__ import annotations

from typing import Any

from virloom.enums.error import ErrorDomain
from virloom.errors import ConfigUnsupported, InternalError, XmlError, XmlInvalidSchema
from virloom.model.nodedev import NestedCapability, NodeCapability, NodeDevice, NodeParent
from virloom.procedures.nodedev import NonnullNodeDevice
from virloom.xml import parse_document

_KINDS = (
    "system", "pci", "usb_device", "usb", "net", "scsi_host", "scsi_target", "scsi", "storage",
    "fc_host", "vports", "scsi_generic", "drm", "mdev_types", "mdev", "ccw", "css", "vdpa",
    "ap_card", "ap_queue", "ap_matrix", "vpd",
)  # fmt: skip
#: Those that no document gives a device: they are part of others, or nobody reads them.
_UNREAD = ("fc_host", "vports", "scsi_generic", "mdev_types", "vdpa", "vpd")
#: What a document has to say; libvirt has one code for what is missing of these, another for those.
_REQUIRED = {
    "system": "hardware.uuid",
    "pci": "domain bus slot function product.id vendor.id",
    "usb_device": "bus device product.id vendor.id",
    "usb": "number device_class subclass protocol",
    "net": "interface",
    "scsi_target": "target",
    "scsi": "host bus target lun",
    "storage": "block",
}
_WANTED = {
    "ccw": "cssid ssid devno",
    "css": "cssid ssid devno",
    "ap_card": "ap_adapter",
    "ap_queue": "ap_adapter ap_domain",
}
_DRM_TYPES = ("primary", "control", "render")
_DOMAIN = ErrorDomain.NODEDEV
_NEW = "new device"


def parse_device(text: str, *, validate: bool = False) -> NodeDevice:
    """The device of a document.

    Raises:
        XmlError: It is malformed, or no device's.
        XmlInvalidSchema: With ``validate``: it has what the schema does not know, or no name.
        InternalError: It can do nothing.
    """
    model = parse_document(NodeDevice, text, validate=validate)
    if validate and model.name is None:
        raise XmlInvalidSchema("a device needs a name", domain=ErrorDomain.XML)
    _check_parent(model.parent)
    if any(node.type is None for node in model.devnodes):
        raise XmlError("a <devnode> does not say its type", domain=ErrorDomain.XML)
    if not model.capabilities:
        raise InternalError(f"no device capabilities for '{model.name or _NEW}'", domain=_DOMAIN)
    for capability in model.capabilities:
        if capability.type not in _KINDS:
            raise XmlError(
                f"Invalid value for attribute 'type' in element 'capability': '{capability.type}'.",
                domain=ErrorDomain.XML,
            )
        _check_complete(capability, model.name or _NEW)
    return model


def _check_parent(parent: NodeParent | None) -> None:
    """An adapter above has two world-wide names, or is not named by them."""
    if parent is not None and bool(parent.wwnn) != bool(parent.wwpn):
        given, missing = ("wwnn", "wwpn") if parent.wwnn else ("wwpn", "wwnn")
        raise XmlError(f"a parent with a {given} needs its {missing} too", domain=_DOMAIN)


def _check_complete(capability: NodeCapability, name: str) -> None:
    kind = capability.type or ""
    if kind in _UNREAD:
        raise InternalError(f"'{name}' cannot be given the capability '{kind}'", domain=_DOMAIN)
    for path in _REQUIRED.get(kind, "").split():
        found: Any = capability
        for part in path.split("."):
            found = getattr(found, part, None)
        if found in (None, ""):
            raise InternalError(f"'{name}' has no {path} of its {kind}", domain=_DOMAIN)
    for path in _WANTED.get(kind, "").split():
        if getattr(capability, path) is None:
            raise ConfigUnsupported(f"'{name}' has no {path} of its {kind}", domain=_DOMAIN)
    types = capability.types
    if kind == "mdev" and not (types and types[0].id):
        raise ConfigUnsupported(f"'{name}' has no id of its type", domain=_DOMAIN)
    if kind == "drm" and not (types and types[0].text in _DRM_TYPES):
        raise ConfigUnsupported(f"'{name}' has no type of its drm", domain=_DOMAIN)


class Device:
    """A device.

    Attributes:
        model: Its document.
        active: It is there; one that is only defined is not.
        persistent: It is defined; of all devices, mediated ones can be, and the host is.
        autostart: It is made when the host starts.
    """

    def __init__(
        self,
        model: NodeDevice,
        *,
        active: bool = True,
        persistent: bool = False,
        autostart: bool = False,
    ) -> None:
        self.model = model
        self.active = active
        self.persistent = persistent
        self.autostart = autostart

    @property
    def name(self) -> str:
        """Its name."""
        return self.model.name or ""

    @property
    def parent(self) -> str | None:
        """The name of the device above."""
        return self.model.parent.name if self.model.parent is not None else None

    @property
    def capabilities(self) -> list[str]:
        """What it is."""
        return [capability.type or "" for capability in self.model.capabilities]

    @property
    def kinds(self) -> set[str]:
        """What it is listed as."""
        own = set(self.capabilities)
        if nested(self.model, "fc_host") is not None:
            own.add("fc_host")
        if nested(self.model, "vport_ops") is not None:
            own.add("vports")
        for capability in self.model.capabilities:
            inner = {one.type or "" for one in capability.capabilities}
            own |= inner & {"mdev_types", "vpd"}
        return own

    def ref(self) -> NonnullNodeDevice:
        """What calls and events name it by."""
        return NonnullNodeDevice(self.name)


def nested(model: NodeDevice, kind: str) -> NestedCapability | None:
    """What an adapter can beside being one."""
    for capability in model.capabilities:
        for inner in capability.capabilities if capability.type == "scsi_host" else ():
            if inner.type == kind:
                return inner
    return None
