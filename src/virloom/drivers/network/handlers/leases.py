# SPDX-License-Identifier: Apache-2.0
"""Addresses that guests were lent."""

from __future__ import annotations

import time

from virloom.drivers.network.checks import is_mac
from virloom.drivers.network.dnsmasq.files import leases_file
from virloom.drivers.network.driver import NetworkDriver
from virloom.drivers.network.handlers.arguments import check_flags
from virloom.drivers.network.leases import Lease, current, prefix_length, read_leases
from virloom.drivers.network.network import VirtualNetwork
from virloom.endpoint.dispatch import Call, serves
from virloom.enums.error import ErrorDomain
from virloom.enums.network import IPAddrType
from virloom.errors import InvalidMac
from virloom.model.network import Network
from virloom.procedures import network as p


class Leases:
    """Handlers of leases."""

    def __init__(self, driver: NetworkDriver) -> None:
        self._driver = driver

    @serves(p.NETWORK_GET_DHCP_LEASES)
    def get_dhcp_leases(
        self, call: Call, args: p.NetworkGetDhcpLeasesArgs
    ) -> p.NetworkGetDhcpLeasesRet:
        check_flags(args.flags, 0, "networkGetDHCPLeases")
        if args.mac is not None and not is_mac(args.mac):
            raise InvalidMac(args.mac, domain=ErrorDomain.NETWORK)
        found = self._leases(self._driver.find(args.net), args.mac)
        return p.NetworkGetDhcpLeasesRet(found if args.need_results else [], len(found))

    def _leases(self, network: VirtualNetwork, mac: str | None) -> list[p.NetworkDhcpLease]:
        model = network.current
        bridge = model.bridge.name
        if not bridge:
            return []
        leases = read_leases(leases_file(bridge, self._driver.directories), mac)
        return [_wire(model, bridge, lease) for lease in current(leases, time.time())]


def _wire(model: Network, bridge: str, lease: Lease) -> p.NetworkDhcpLease:
    return p.NetworkDhcpLease(
        bridge,
        lease.expiry,
        int(IPAddrType.IPV6 if ":" in lease.address else IPAddrType.IPV4),
        lease.mac,
        lease.iaid,
        lease.address,
        prefix_length(model, lease.address),
        lease.hostname,
        lease.client_id,
    )
