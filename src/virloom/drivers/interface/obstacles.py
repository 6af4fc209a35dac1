# SPDX-License-Identifier: Apache-2.0
"""What stands in the way of an interface that is to come up or to go down."""

from __future__ import annotations

from virloom.drivers.interface.links import Links
from virloom.drivers.interface.plan import made_devices
from virloom.drivers.interface.validate import parts_of
from virloom.enums.error import ErrorDomain
from virloom.errors import OperationInvalid
from virloom.model.interface import HostInterface


def check_up(links: Links, model: HostInterface) -> None:
    """Whether an interface could come up.

    Raises:
        OperationInvalid: A device is missing, is another's, or is of another kind.
    """
    there = frozenset(links.names())
    made = made_devices(model)
    for name in _needed(model):
        if name not in made and name not in there:
            raise _wrong(f"the host has no device '{name}', which '{model.name}' needs")
    for name in made:
        kind = _kind(model, name)
        if name in there and links.kind(name) != kind:
            raise _wrong(f"there is a device '{name}' already, which is no {kind}")
    for part in parts_of(model):
        whole = links.whole(part) if part in there else None
        if whole is not None and whole not in made:
            raise _wrong(f"'{part}' is a part of '{whole}'")


def check_down(links: Links, name: str) -> None:
    """Whether an interface may go down.

    Raises:
        OperationInvalid: Guests or other interfaces would be cut off.
    """
    if name == "lo":
        raise _wrong("the host cannot do without 'lo'")
    guests = [port for port in links.bridge_ports(name) if links.is_tap(port)]
    if guests:
        raise _wrong(f"guests are connected to '{name}' by {', '.join(guests)}")
    uppers = [upper for upper in links.uppers(name) if links.is_up(upper)]
    if uppers:
        raise _wrong(f"'{name}' carries {', '.join(uppers)}")


def _needed(model: HostInterface) -> list[str]:
    needed = [model.name or "", *parts_of(model)]
    vlans = [model.vlan] if model.vlan is not None else []
    if model.bridge is not None:
        vlans += [port.vlan for port in model.bridge.interfaces if port.vlan is not None]
    return [*needed, *(vlan.interface.name or "" for vlan in vlans)]


def _kind(model: HostInterface, name: str) -> str | None:
    if name == model.name:
        return model.type
    ports = model.bridge.interfaces if model.bridge is not None else []
    return next((port.type for port in ports if port.name == name), None)


def _wrong(what: str) -> OperationInvalid:
    return OperationInvalid(what, domain=ErrorDomain.INTERFACE)
