# SPDX-License-Identifier: Apache-2.0
"""The ports of an active network: taken, given back, and kept in the network's record."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable

from virloom.drivers.network.network import VirtualNetwork
from virloom.drivers.network.ports import allocation
from virloom.drivers.network.ports.floors import admit_floor
from virloom.drivers.network.record import NetworkRecord
from virloom.enums.error import ErrorDomain
from virloom.errors import InvalidArg, NetworkPortExist, OperationInvalid
from virloom.model.network.port import NetworkPort
from virloom.xml import format_document, parse_document

_DOMAIN = ErrorDomain.NETWORK


def take(
    network: VirtualNetwork, record: NetworkRecord | None, port: NetworkPort, *, reclaim: bool
) -> None:
    """Gives a guest's interface a port; the caller holds ``changing``.

    Args:
        reclaim: It has one already, of which the network does not know any more.

    Raises:
        NetworkPortExist: There is one with its UUID.
        SystemFailure: It cannot be written; there is none then.
        OperationInvalid: The network is not active.
        InvalidArg: It says what it has, or does not, against *reclaim*.
        VirloomError: As :func:`~virloom.drivers.network.ports.allocation.allocate`.
    """
    live, uuid = network.live, port.uuid or ""
    if live is None or record is None:
        raise OperationInvalid(f"network '{network.name}' is not active", domain=_DOMAIN)
    if uuid in network.ports:
        raise NetworkPortExist(f"network '{network.name}' already has port {uuid}", domain=_DOMAIN)
    if reclaim:
        allocation.reclaim(live, port, network.ports.values())
    elif port.plug.type not in (None, "none"):
        raise InvalidArg("Port reclaim not requested but plug type is not none", domain=_DOMAIN)
    else:
        allocation.allocate(live, port, network.ports.values())
    admit_floor(live, port, network.ports.values())
    record.ports[uuid] = format_document(port)
    try:
        record.save()
    except BaseException:
        del record.ports[uuid]
        raise
    network.ports[uuid] = port
    count(network)


def rewrite(
    network: VirtualNetwork,
    record: NetworkRecord,
    port: NetworkPort,
    change: Callable[[NetworkPort], None],
) -> NetworkPort:
    """Gives the port a changed document; the caller holds ``changing``.

    Returns:
        The port as it is now.

    Raises:
        VirloomError: As :func:`~virloom.drivers.network.ports.floors.admit_floor`.
        SystemFailure: It cannot be written; it has the former one then.
    """
    uuid, draft = port.uuid or "", port.copy()
    change(draft)
    if network.live is not None:
        others = [other for other in network.ports.values() if other.uuid != uuid]
        admit_floor(network.live, draft, others)
    former, record.ports[uuid] = record.ports[uuid], format_document(draft)
    try:
        record.save()
    except BaseException:
        record.ports[uuid] = former
        raise
    network.ports[uuid] = draft
    return draft


def restore(network: VirtualNetwork, record: NetworkRecord, port: NetworkPort) -> None:
    """The port as it was before :func:`rewrite`.

    Raises:
        SystemFailure: That cannot be written; it is so in memory all the same.
    """
    uuid = port.uuid or ""
    network.ports[uuid], record.ports[uuid] = port, format_document(port)
    record.save()


def give_back(network: VirtualNetwork, record: NetworkRecord, port: NetworkPort) -> None:
    """Takes the port from its guest; the caller holds ``changing``.

    Raises:
        SystemFailure: It cannot be written; the port is still there then.
    """
    uuid = port.uuid or ""
    text = record.ports.pop(uuid)
    try:
        record.save()
    except BaseException:
        record.ports[uuid] = text
        raise
    network.ports.pop(uuid, None)
    count(network)


def find_again(network: VirtualNetwork, record: NetworkRecord) -> None:
    """The ports that an earlier daemon gave.

    Raises:
        XmlError: The record was damaged.
    """
    for uuid, text in record.ports.items():
        network.ports[uuid] = parse_document(NetworkPort, text)
    count(network)


def count(network: VirtualNetwork) -> None:
    """Shows in the live document how many guests' interfaces are connected, and to what."""
    live = network.live
    if live is None:
        return
    live.connections = len(network.ports) or None
    forward = live.forward
    if forward is None:
        return
    devices = Counter(port.plug.dev for port in network.ports.values())
    for device in forward.interfaces:
        device.connections = devices[device.dev] or None
