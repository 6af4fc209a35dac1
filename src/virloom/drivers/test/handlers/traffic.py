# SPDX-License-Identifier: Apache-2.0
"""The network interfaces of domains: figures, limits, addresses."""

from __future__ import annotations

from ipaddress import ip_address
from typing import Any

from virloom.drivers.network.checks import prefix_of
from virloom.drivers.runtime import bandwidth
from virloom.drivers.test.arguments import (
    IMPACT,
    STRING_OKAY,
    check_flags,
    document,
    require_active,
)
from virloom.drivers.test.driver import InMemoryDriver
from virloom.drivers.test.figures import Figures
from virloom.endpoint.dispatch import Call, serves
from virloom.enums.domain import DomainInterfaceAddressesSource
from virloom.enums.error import ErrorDomain
from virloom.errors import ArgumentUnsupported, NoNetwork
from virloom.model.domain import Domain, Interface
from virloom.procedures import domain as p

#: How many addresses of a network each domain has for itself.
_SHARE = 20


class Traffic:
    """Handlers of network interfaces."""

    def __init__(self, driver: InMemoryDriver) -> None:
        self._driver = driver

    @serves(p.DOMAIN_INTERFACE_STATS)
    def stats(self, call: Call, args: p.DomainInterfaceStatsArgs) -> p.DomainInterfaceStatsRet:
        bandwidth.find_interface(require_active(self._driver.find(args.dom)), args.device)
        return p.DomainInterfaceStatsRet(*Figures().interface())

    @serves(p.DOMAIN_SET_INTERFACE_PARAMETERS)
    def set_parameters(self, call: Call, args: p.DomainSetInterfaceParametersArgs) -> None:
        check_flags(call, args.flags, IMPACT)
        values = bandwidth.KINDS.check(args.params)
        model = document(self._driver.find(args.dom), args.flags)
        bandwidth.set_limits(bandwidth.find_interface(model, args.device), values)

    @serves(p.DOMAIN_GET_INTERFACE_PARAMETERS)
    def get_parameters(
        self, call: Call, args: p.DomainGetInterfaceParametersArgs
    ) -> p.DomainGetInterfaceParametersRet:
        check_flags(call, args.flags, IMPACT | STRING_OKAY)
        model = document(self._driver.find(args.dom), args.flags)
        values = bandwidth.limits_of(bandwidth.find_interface(model, args.device))
        answer = bandwidth.KINDS.answer(values, args.nparams)
        return p.DomainGetInterfaceParametersRet(*answer)

    @serves(p.DOMAIN_INTERFACE_ADDRESSES)
    def addresses(
        self, call: Call, args: p.DomainInterfaceAddressesArgs
    ) -> p.DomainInterfaceAddressesRet:
        """The same from every source."""
        check_flags(call, args.flags)
        guest = self._driver.find(args.dom)
        if args.source not in tuple(DomainInterfaceAddressesSource):
            raise ArgumentUnsupported(
                f"Unknown IP address data source {args.source}", domain=ErrorDomain.TEST
            )
        model = require_active(guest)
        found = [
            p.DomainInterface(
                one.target.dev or "", one.mac.address, [self._address(model, one, number)]
            )
            for number, one in enumerate(model.devices.interfaces)
        ]
        return p.DomainInterfaceAddressesRet(found)

    def _address(self, model: Domain, interface: Interface, number: int) -> Any:
        """An address of its network, else of one that every domain has."""
        text, prefix = f"192.168.0.{number + 1}", 24
        if interface.type == "network":
            name = interface.source.network or ""
            network = self._driver.networks.all.by_name(name)
            if network is None:
                raise NoNetwork(f"no network with matching name '{name}'", domain=ErrorDomain.TEST)
            if network.current.ips:
                ip = network.current.ips[0]
                ranges = ip.dhcp.ranges if ip.dhcp is not None else []
                first = ip_address((ranges[0].start if ranges else ip.address) or "")
                text = str(first + _SHARE * ((model.id or 1) - 1) + number + 1)
                prefix = prefix_of(ip)
        return p.DomainIpAddr(int(":" in text), text, prefix)
