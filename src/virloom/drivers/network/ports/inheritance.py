# SPDX-License-Identifier: Apache-2.0
"""What a port takes over of its group and of its network, where it says nothing itself."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TypeVar
from uuid import uuid4

from virloom.enums.error import ErrorDomain
from virloom.errors import XmlError
from virloom.model.network import Network
from virloom.model.network.network import PortGroup
from virloom.model.network.port import NetworkPort
from virloom.model.network.traffic import VirtualPort

T = TypeVar("T")

#: What two documents may say of one virtual port, if they say the same.
_PARAMETERS = (
    *("managerid", "typeid", "typeidversion"),
    *("instanceid", "interfaceid", "profileid"),
)


def group_of(network: Network, name: str | None) -> PortGroup | None:
    """The class of ports of that name; the usual one without a name, if there is one."""
    for group in network.portgroups:
        if (name is None and group.default) or (name is not None and group.name == name):
            return group
    return None


def inherit(network: Network, port: NetworkPort) -> None:
    """Fills the port in, in place.

    Raises:
        XmlError: Its virtual port, the group's and the network's contradict each other.
    """
    group = group_of(network, port.group_name)
    if port.bandwidth is None and group is not None and group.bandwidth is not None:
        port.bandwidth = group.bandwidth.copy()
    levels = [level for level in (group, network) if level is not None]
    for level in levels:
        if port.vlan is None:
            port.vlan = level.vlan
        if port.rxfilters.trust_guest is None:
            port.rxfilters.trust_guest = level.trust_guest_rx_filters
    if port.port.isolated is None:
        port.port.isolated = network.port.isolated
    port.virtualport = merged([port.virtualport, *(level.virtualport for level in levels)])


def merged(documents: Iterable[VirtualPort | None]) -> VirtualPort | None:
    """The virtual port that all of *documents* describe together; None if none does.

    Raises:
        XmlError: Two of them say different things.
    """
    result: VirtualPort | None = None
    for document in documents:
        if document is None:
            continue
        result = result or VirtualPort()
        result.type = _agreed("types", result.type, document.type)
        for name in _PARAMETERS:
            mine, other = getattr(result.parameters, name), getattr(document.parameters, name)
            setattr(result.parameters, name, _agreed(f"{name}s", mine, other))
    if result is not None and result.type == "openvswitch":
        result.parameters.interfaceid = result.parameters.interfaceid or str(uuid4())
    return result


def _agreed(what: str, mine: T | None, other: T | None) -> T | None:
    if mine is None or other is None or mine == other:
        return other if mine is None else mine
    raise XmlError(
        f"attempt to merge virtualports with mismatched {what} ('{mine}' and '{other}')",
        domain=ErrorDomain.NET,
    )
