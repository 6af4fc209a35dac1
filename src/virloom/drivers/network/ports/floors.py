# SPDX-License-Identifier: Apache-2.0
"""Rates that ports are sure of, of all that goes in to the guests of a network."""

from __future__ import annotations

from collections.abc import Iterable

from virloom.drivers.network.completion import OWN_BRIDGE, forward_mode
from virloom.enums.error import ErrorDomain
from virloom.errors import InternalError, OperationInvalid, OperationUnsupported
from virloom.host.traffic import FIRST_SHARE, LAST_SHARE, Limit, Share
from virloom.model.network import Network
from virloom.model.network.port import NetworkPort
from virloom.model.traffic import Rate

_DOMAIN = ErrorDomain.NETWORK


def floor_of(port: NetworkPort) -> int:
    """Kilobytes a second that the port is sure of; 0: of nothing."""
    inbound = port.bandwidth.inbound if port.bandwidth is not None else None
    return (inbound.floor or 0) if inbound is not None else 0


def limit_of(rate: Rate | None) -> Limit | None:
    """The limit that a document describes; None where it describes none."""
    if rate is None or not rate.average:
        return None
    return Limit(rate.average, rate.peak or None, rate.burst or None)


def share_of(port: NetworkPort) -> Share | None:
    """What the port is sure of, once :func:`admit_floor` let it be."""
    bandwidth = port.bandwidth
    if bandwidth is None or bandwidth.class_id is None or not floor_of(port):
        return None
    return Share(bandwidth.class_id, port.mac.address or "", floor_of(port))


def shares_of(ports: Iterable[NetworkPort]) -> list[Share]:
    """What all of *ports* are sure of."""
    return [share for port in ports if (share := share_of(port)) is not None]


def admit_floor(network: Network, port: NetworkPort, others: Iterable[NetworkPort]) -> None:
    """Gives a port that wants to be sure of a rate the number of its class, in place.

    Args:
        network: The live document.
        others: The other ports of the network.

    Raises:
        OperationUnsupported: The network's traffic is not limited, so nobody can be sure of it.
        OperationInvalid: All together would be sure of more than there is.
        InternalError: There are too many.
    """
    if port.bandwidth is not None:
        port.bandwidth.class_id = None
    if port.bandwidth is None or not floor_of(port):
        return
    given = shares_of(others)
    _check_room(network, port, sum(share.floor for share in given) + floor_of(port))
    free = set(range(FIRST_SHARE, LAST_SHARE + 1)) - {share.number for share in given}
    if not free:
        raise InternalError("Could not generate next class ID", domain=_DOMAIN)
    port.bandwidth.class_id = min(free)


def _check_room(network: Network, port: NetworkPort, wanted: int) -> None:
    invalid = f"Invalid use of 'floor' on interface with MAC address {port.mac.address} - "
    if forward_mode(network) not in OWN_BRIDGE:
        raise OperationUnsupported(
            f"{invalid}'floor' is only supported for interface type 'network' with forward type "
            "'nat', 'route', 'open' or none",
            domain=_DOMAIN,
        )
    inbound = network.bandwidth.inbound if network.bandwidth is not None else None
    if inbound is None or not inbound.average:
        raise OperationUnsupported(
            f"{invalid}network '{network.name}' has no inbound QoS set", domain=_DOMAIN
        )
    name, most = ("peak", inbound.peak) if inbound.peak else ("average", inbound.average)
    if wanted > most:
        raise OperationInvalid(
            f"Cannot plug '{port.mac.address}' interface into '{network.bridge.name}' because new "
            f"combined inbound floor={wanted} would overcommit {name}={most} on network "
            f"'{network.name}'",
            domain=_DOMAIN,
        )
