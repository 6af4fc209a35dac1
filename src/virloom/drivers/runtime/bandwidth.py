# SPDX-License-Identifier: Apache-2.0
"""The limits of an interface's traffic, or a port's, as parameters and in the document."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, TypeVar

from virloom.drivers.runtime.parameters import Kinds
from virloom.enums.error import ErrorDomain
from virloom.errors import InvalidArg
from virloom.model.network.port import NetworkPort
from virloom.model.network.traffic import Bandwidth as PortBandwidth
from virloom.model.traffic import Rate

if TYPE_CHECKING:  # the daemon of networks knows no domains: they are a fifth of its memory
    from virloom.model.domain import Domain, Interface
    from virloom.model.domain.devices.interface_parts import Bandwidth

B = TypeVar("B", "Bandwidth", PortBandwidth)

_INBOUND = ("average", "peak", "burst", "floor")
_OUTBOUND = ("average", "peak", "burst")
_SIDES = (("inbound", _INBOUND), ("outbound", _OUTBOUND))

#: Their names, in libvirt's order.
KINDS = Kinds.all_of("uint", *(f"{side}.{name}" for side, names in _SIDES for name in names))


def find_interface(model: Domain, name: str) -> Interface:
    """The interface with that device or hardware address.

    Raises:
        InvalidArg: There is none.
    """
    for interface in model.devices.interfaces:
        if name == interface.target.dev or name.lower() == interface.mac.address:
            return interface
    raise InvalidArg(f"'{name}' is not a known interface", domain=ErrorDomain.DOMAIN)


def limits_of(owner: Interface | NetworkPort) -> dict[str, int]:
    """What the document says, by parameter; 0 where it says nothing."""
    bandwidth = owner.bandwidth
    return {
        f"{side}.{name}": getattr(getattr(bandwidth, side, None), name, None) or 0
        for side, names in _SIDES
        for name in names
    }


def set_limits(interface: Interface, values: Mapping[str, Any]) -> None:
    """Sets what a call says of each side; an average (and floor) of 0 takes the side's limits."""
    from virloom.model.domain.devices.interface_parts import Bandwidth

    interface.bandwidth = _changed(interface.bandwidth or Bandwidth(), values)


def set_port_limits(port: NetworkPort, values: Mapping[str, Any]) -> None:
    """The same for a port."""
    port.bandwidth = _changed(port.bandwidth or PortBandwidth(), values)


def _changed(bandwidth: B, values: Mapping[str, Any]) -> B | None:
    for side, names in _SIDES:
        said = {name: values.get(f"{side}.{name}") for name in names}
        rate = Rate(**{name: value or None for name, value in said.items()})
        if rate.average or rate.floor:
            setattr(bandwidth, side, rate)
        elif not (said["average"] is said.get("floor") is None):
            setattr(bandwidth, side, None)
    return bandwidth if bandwidth.inbound or bandwidth.outbound else None
