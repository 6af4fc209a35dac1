# SPDX-License-Identifier: Apache-2.0
"""The document of one device, and its place among a guest's devices."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from virloom.enums.error import ErrorDomain
from virloom.errors import ConfigUnsupported, InternalError, VirloomError, XmlDetail
from virloom.model.domain import Devices, Domain
from virloom.xml import parse_document
from virloom.xml.element import Element
from virloom.xml.fields import Field, Role
from virloom.xml.parse import parse_node

#: Elements of ``<devices>`` that are no devices.
_NONE = ("emulator", "redirfilter")


class Fragment:
    """A device that a client describes.

    Attributes:
        device: Its tree.
        tag: Of its element.
        field: The attribute of :class:`Devices` that has it, or the list that it is in.
    """

    def __init__(self, device: Any, field: Field) -> None:
        self.device = device
        self.tag = str(field.name)
        self.field = field.python
        self.single = field.role is not Role.CHILDREN

    def of(self, device: Any) -> Fragment:
        """Another device of the same kind."""
        made = object.__new__(Fragment)
        made.__dict__.update(self.__dict__)
        made.device = device
        return made

    def copy(self) -> Fragment:
        """Another one, whose tree can be completed without this one's being changed."""
        return self.of(self.device.copy())

    def among(self, dom: Domain) -> list[Any]:
        """The devices of its kind; the list itself, unless there can only be one."""
        found = getattr(dom.devices, self.field)
        if self.single:
            return [] if found is None else [found]
        assert isinstance(found, list)
        return found

    def remove(self, dom: Domain, device: Element) -> None:
        """Takes a device of its kind out of the document."""
        if self.single:
            setattr(dom.devices, self.field, None)
        else:
            found = self.among(dom)
            found[:] = [other for other in found if other is not device]


def parse_device(text: str) -> Fragment:
    """The device that a document describes.

    Raises:
        XmlDetail: It is no well-formed XML.
        XmlError: Its content is malformed.
        ConfigUnsupported: There is no such device (libvirt's code for it).
    """
    try:
        found = Fragment(*_parsed(text))
    except XmlDetail as exc:
        exc.domain = ErrorDomain.DOMAIN
        raise
    if found.tag == "hostdev":
        from virloom.drivers.qemu.validate.hostdevs import mistakes  # few guests have one

        _raise_first(mistakes(found.device))
    elif found.tag == "interface":
        from virloom.drivers.qemu.validate.interfaces import check_given_mac

        check_given_mac(found.device)
    elif found.tag == "lease":
        from virloom.drivers.qemu.validate.attached import check_given_lease

        check_given_lease(found.device)
    return found


def parse_new(text: str) -> Fragment:
    """The same of a device that a guest is to have.

    Raises:
        VirloomError: As :func:`parse_device`, or no guest has such a device.
    """
    found = parse_device(text)
    if found.tag == "hostdev":
        from virloom.drivers.qemu.validate.hostdevs import check_usable, misuses

        _raise_first(misuses(found.device))
        check_usable(found.device)
    return found


def _raise_first(errors: Iterable[VirloomError]) -> None:
    for error in errors:
        raise error


def fragment_named(tag: str, text: str) -> Fragment:
    """A device that we described ourselves."""
    device, field = _parsed(text)
    assert field.name == tag
    return Fragment(device, field)


def _parsed(text: str) -> tuple[Any, Field]:
    tag = parse_node(text).tag
    field = _field_of(tag)
    if field is None or field.cls is None:
        raise ConfigUnsupported(f"unknown device type '{tag}'", domain=ErrorDomain.DOMAIN)
    return parse_document(field.cls, text), field


def _field_of(tag: str) -> Field | None:
    """What ``<devices>`` declares for elements of that name."""
    if tag in _NONE:
        return None
    for field in Devices._fields.values():
        if field.name == tag and field.role in (Role.CHILD, Role.CHILDREN):
            return field
    return None


def fragment_of(device: Element) -> Fragment:
    """The same of a device that a document has already."""
    for field in Devices._fields.values():
        if field.cls is not None and type(device) is field.cls:
            return Fragment(device, field)
    raise InternalError(f"'{type(device).__name__}' is no device")
