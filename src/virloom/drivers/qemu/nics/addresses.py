# SPDX-License-Identifier: Apache-2.0
"""What addresses and name a running guest has, as others than the guest know it."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from virloom.endpoint.endpoint import Endpoint
from virloom.enums.error import ErrorDomain
from virloom.enums.network import IPAddrType
from virloom.errors import system_failure
from virloom.model.domain import Domain, Interface
from virloom.procedures import domain as d
from virloom.procedures import network as n

if TYPE_CHECKING:
    from virloom.drivers.qemu.driver import QemuDriver

#: The kernel's neighbours on IPv4 links (proc(5)).
_NEIGHBOURS = Path("/proc/net/arp")


async def leases_of(
    driver: QemuDriver, model: Domain
) -> list[tuple[Interface, list[n.NetworkDhcpLease]]]:
    """What each card on a virtual network was lent; cards without a lease are left out.

    Raises:
        VirloomError: The network driver cannot be reached, or has not the network any more.
    """
    cards = [card for card in model.devices.interfaces if card.type == "network"]
    if not cards:
        return []
    async with driver.networks.used() as networks:
        found = [(card, await _leases(networks, card)) for card in cards]
    return [(card, leases) for card, leases in found if leases]


async def _leases(networks: Endpoint, card: Interface) -> list[n.NetworkDhcpLease]:
    asked = n.NetworkLookupByNameArgs(card.source.network or "")
    network = (await networks.call(n.NETWORK_LOOKUP_BY_NAME, asked)).net
    args = n.NetworkGetDhcpLeasesArgs(network, card.mac.address, 1, 0)
    return (await networks.call(n.NETWORK_GET_DHCP_LEASES, args)).leases


async def by_leases(driver: QemuDriver, model: Domain) -> list[d.DomainInterface]:
    """The cards and their addresses by DHCP.

    Raises:
        VirloomError: As :func:`leases_of`.
    """
    return [
        _interface(
            card, [d.DomainIpAddr(lease.type, lease.ipaddr, lease.prefix) for lease in leases]
        )
        for card, leases in await leases_of(driver, model)
    ]


def by_neighbours(model: Domain) -> list[d.DomainInterface]:
    """The cards and the IPv4 addresses that the host has met them with; it knows no prefix.

    Raises:
        SystemFailure: The kernel tells nothing.
    """
    try:
        lines = _NEIGHBOURS.read_text().splitlines()[1:]
    except OSError as exc:
        raise system_failure(f"cannot read '{_NEIGHBOURS}'", exc, domain=ErrorDomain.QEMU) from exc
    met = [(words[0], words[3].lower()) for words in map(str.split, lines) if len(words) >= 4]
    found = []
    for card in model.devices.interfaces:
        addresses = [address for address, mac in met if mac == card.mac.address]
        if addresses:
            kind = int(IPAddrType.IPV4)
            given = [d.DomainIpAddr(kind, address, 0) for address in addresses]
            found.append(_interface(card, given))
    return found


def _interface(card: Interface, addresses: list[d.DomainIpAddr]) -> d.DomainInterface:
    return d.DomainInterface(card.target.dev or "", card.mac.address, addresses)


async def name_by_leases(driver: QemuDriver, model: Domain) -> str | None:
    """The name that the guest gave when it asked for an address; None where it gave none.

    Raises:
        VirloomError: As :func:`leases_of`.
    """
    for _, leases in await leases_of(driver, model):
        for lease in leases:
            if lease.hostname:
                return lease.hostname
    return None
