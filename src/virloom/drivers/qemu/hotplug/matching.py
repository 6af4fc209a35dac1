# SPDX-License-Identifier: Apache-2.0
"""Which device of a guest a client means by the document that it sends."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from virloom.drivers.qemu.devices.describe import all_devices
from virloom.drivers.qemu.devices.passed import as_hostdev, functions
from virloom.drivers.qemu.hostdevs.identity import is_same
from virloom.drivers.qemu.hotplug.fragment import Fragment
from virloom.enums.error import ErrorDomain
from virloom.errors import (
    DeviceMissing,
    InternalError,
    InvalidArg,
    OperationFailed,
    OperationInvalid,
    VirloomError,
)
from virloom.model.domain import Device, Domain
from virloom.xml.element import Element
from virloom.xml.fields import Role

#: Elements of character devices, all of which libvirt calls ``chr``.
CHARDEVS = ("serial", "parallel", "console", "channel")


def _value(path: str) -> Callable[[Any], Any]:
    def read(device: Any) -> Any:
        for name in path.split("."):
            device = getattr(device, name)
        return device

    return read


#: Where a device is not, for messages.
IN_DOCUMENT = "in domain configuration"
IN_GUEST = "on the running domain"

#: What tells a device of these kinds from others; of all others, everything that is asked for.
_KEYS: dict[str, tuple[Callable[[Any], Any], ...]] = {
    "disk": (_value("target.dev"),),
    "controller": (_value("type"), _value("index")),
    "filesystem": (_value("target.dir"),),
    "lease": (_value("lockspace"), _value("key")),
    "graphics": (_value("type"),),
    "sound": (_value("model"),),
    "input": (_value("type"), _value("bus")),
    "shmem": (_value("name"),),
}

#: Types of addresses by which libvirt tells network cards from each other.
TOLD = ("pci", "ccw")

#: Kinds whose address and alias count beside that, when they are asked for.
_PLACED = ("interface", "sound", "rng", "input", "memory", "redirdev", "watchdog", "vsock")


def matches(wanted: Fragment, device: Any) -> bool:
    """Whether *device* is what a client describes by *wanted*."""
    asked = wanted.device
    if wanted.tag in _PLACED and not _same_place(asked, device):
        return False
    if wanted.tag == "interface":
        mac = asked.mac.address
        return mac is None or mac.lower() == (device.mac.address or "").lower()
    if wanted.tag == "memory" and asked.target.node != device.target.node:
        return False  # no node is another one than any
    keys = _KEYS.get(wanted.tag)
    if wanted.tag == "hostdev":
        return is_same(asked, device)
    if keys is None:
        return includes(device, asked)
    return all(key(asked) == key(device) for key in keys)


def _same_place(asked: Any, device: Any) -> bool:
    alias = asked.alias.name if asked.alias is not None else None
    has = device.alias.name if device.alias is not None else None
    nameless = device.tag == "interface" and has is None  # may be called so from now on
    if alias not in (None, has) and not nameless:
        return False
    if asked.address is None or (device.tag == "interface" and asked.address.type not in TOLD):
        return True
    return device.address is not None and includes(device.address, asked.address)


def includes(has: Element, asked: Element, without: Sequence[str] = ("alias", "address")) -> bool:
    """Whether everything that *asked* says, but alias and address, *has* says as well.

    Args:
        without: What is not looked at; of the elements in it all is.
    """
    for field in asked._fields.values():
        value = asked.__dict__.get(field.python)
        if value is None or value == [] or field.python in without:
            continue
        other = getattr(has, field.python)
        if field.role in (Role.CHILD, Role.GROUP):
            if other is None or not includes(other, value, ()):
                return False
        elif field.role is Role.CHILDREN:
            pairs = zip(other, value, strict=False)
            if len(other) < len(value) or not all(includes(*pair, ()) for pair in pairs):
                return False
        elif other != value:
            return False
    return True


def find(dom: Domain, wanted: Fragment, where: str) -> Any:
    """The device of *dom* that is meant.

    Args:
        where: :data:`IN_DOCUMENT` or :data:`IN_GUEST`.

    Raises:
        DeviceMissing: There is none.
        InvalidArg: The same, of a character device in the document (libvirt's code for it).
        OperationInvalid: The same, of a redirected device in the guest.
        OperationFailed: Several fit.
    """
    found = [device for device in wanted.among(dom) if matches(wanted, device)]
    if not found and wanted.tag == "hostdev" and where == IN_GUEST:  # a card may be one, too
        found = [card for card in functions(dom) if matches(wanted, as_hostdev(card))]
    if not found:
        raise _missing(wanted, where)
    if len(found) > 1 and wanted.tag == "interface":
        raise OperationFailed(
            f"multiple devices match MAC address {wanted.device.mac.address} found",
            domain=ErrorDomain.DOMAIN,
            remedy="its address tells which",
        )
    return found[0]


def _missing(wanted: Fragment, where: str) -> VirloomError:
    if wanted.tag in CHARDEVS and where == IN_DOCUMENT:
        return InvalidArg(f"{wanted.tag} device not present {where}", domain=ErrorDomain.QEMU)
    if wanted.tag == "redirdev" and where == IN_GUEST:
        return OperationInvalid(f"no such redirdev {where}", domain=ErrorDomain.QEMU)
    if wanted.tag == "interface":
        return DeviceMissing(
            f"no device matching MAC address {wanted.device.mac.address} found {where}",
            domain=ErrorDomain.DOMAIN,
        )
    return DeviceMissing(f"{wanted.tag} device not present {where}", domain=ErrorDomain.QEMU)


def find_alias(dom: Domain, alias: str) -> Device:
    """The device with that alias.

    Raises:
        InternalError: There is none (libvirt's code for it).
    """
    for device in all_devices(dom):
        if device.alias is not None and device.alias.name == alias:
            return device
    raise InternalError(f"no device found with alias {alias}", domain=ErrorDomain.DOMAIN)
