# SPDX-License-Identifier: Apache-2.0
"""What is refused of rates and VLANs wherever they stand: in guests' cards, networks and groups."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from virloom.enums.error import ErrorDomain
from virloom.errors import ConfigUnsupported, XmlDetail, XmlError
from virloom.model.traffic import Vlan

if TYPE_CHECKING:  # the daemon of networks knows no domains: they are a fifth of its memory
    from virloom.model.domain.devices.interface_parts import Bandwidth
    from virloom.model.network.traffic import Bandwidth as NetworkBandwidth

_LARGEST_TAG = 4095


def check_bandwidth(
    limits: Bandwidth | NetworkBandwidth | None, *, with_class: bool = False
) -> None:
    """Refuses limits that limit nothing, or that only a network says.

    Args:
        with_class: A network's port is of a class.

    Raises:
        XmlDetail: A direction has no rate, or a class is named.
        ConfigUnsupported: What goes out is to be sure of a rate.
    """
    if limits is None:
        return
    if limits.class_id is not None and not with_class:
        raise XmlDetail("the class of a bandwidth is a network's to say", domain=ErrorDomain.NONE)
    if limits.outbound is not None and limits.outbound.floor is not None:
        raise ConfigUnsupported("floor is for inbound traffic", domain=ErrorDomain.NONE)
    for rate in (limits.inbound, limits.outbound):
        if rate is not None and rate.average is None and rate.floor is None:
            raise XmlDetail("a bandwidth has an average or a floor", domain=ErrorDomain.NONE)


def complete_vlan(vlan: Vlan | None) -> None:
    """Several VLANs of a port are a trunk, whether a document says so or not."""
    if vlan is not None and len(vlan.tags) > 1:
        vlan.trunk = True


def check_vlan(vlan: Vlan | None) -> None:
    """Refuses VLANs that are none, or whose trunk contradicts them.

    Raises:
        XmlError: It is so.
    """
    for message in _wrong(vlan) if vlan is not None else ():
        raise XmlError(message, domain=ErrorDomain.NONE)


def _wrong(vlan: Vlan) -> Iterator[str]:
    if not vlan.tags:
        yield "a <vlan> has at least one <tag id='…'/>"
    for tag in vlan.tags:
        if tag.id is None or tag.id > _LARGEST_TAG:
            yield f"a VLAN's id is 0 to {_LARGEST_TAG}, not '{tag.id}'"
    if vlan.trunk is False and len(vlan.tags) > 1:
        yield "several VLANs are a trunk, and trunk='no' is asked for"
    native = [tag.id for tag in vlan.tags if tag.native_mode is not None]
    if len(native) > 1:
        yield f"a port has one native VLAN, not {native}"
    if vlan.trunk is False and native:
        yield "a native VLAN is one of a trunk, and trunk='no' is asked for"
