# SPDX-License-Identifier: Apache-2.0
"""A node device: its document, and what it is listed as."""

from __future__ import annotations

from virloom.enums.error import ErrorDomain
from virloom.errors import InternalError, XmlError, XmlInvalidSchema
from virloom.model.nodedev import NestedCapability, NodeDevice
from virloom.procedures.nodedev import NonnullNodeDevice
from virloom.xml import parse_document

_KINDS = (
    "system", "pci", "usb_device", "usb", "net", "scsi_host", "scsi_target", "scsi", "storage",
    "fc_host", "vports", "scsi_generic", "drm", "mdev_types", "mdev", "ccw", "css", "vdpa",
    "ap_card", "ap_queue", "ap_matrix", "vpd",
)  # fmt: skip
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
    if not model.capabilities:
        raise InternalError(f"no device capabilities for '{model.name or _NEW}'", domain=_DOMAIN)
    for capability in model.capabilities:
        if capability.type not in _KINDS:
            raise XmlError(
                f"Invalid value for attribute 'type' in element 'capability': '{capability.type}'.",
                domain=ErrorDomain.XML,
            )
    return model


class Device:
    """A device."""

    def __init__(self, model: NodeDevice) -> None:
        self.model = model

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
