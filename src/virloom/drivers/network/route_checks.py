# SPDX-License-Identifier: Apache-2.0
"""What is refused in a static ``<route>``, with libvirt's codes."""

from __future__ import annotations

from ipaddress import IPv4Network, ip_address, ip_network

from virloom.enums.error import ErrorDomain
from virloom.errors import XmlError
from virloom.model.network import Network
from virloom.model.network.network import NetworkRoute


def check_route(model: Network, route: NetworkRoute) -> None:
    """Refuses a route whose parts are no addresses of one family, or no network.

    Raises:
        XmlError: It is so.
    """
    what = _fault(route)
    if what is not None:
        raise XmlError(f"network '{model.name}': bad route: {what}", domain=ErrorDomain.NETWORK)


def _fault(route: NetworkRoute) -> str | None:
    version = 6 if route.family == "ipv6" else 4
    for name in ("address", "gateway"):
        text = getattr(route, name)
        try:
            found = ip_address(text or "")
        except ValueError:
            return f"the {name} '{text}' is none"
        if found.version != version:
            return f"the {name} '{text}' is not of the family 'ipv{version}'"
    if route.netmask is not None and (route.prefix is not None or version == 6):
        return f"the netmask '{route.netmask}' beside a prefix, or for IPv6"
    return _fault_of_size(route, version)


def _fault_of_size(route: NetworkRoute, version: int) -> str | None:
    if route.netmask is not None:
        try:
            IPv4Network(f"0.0.0.0/{route.netmask}")
        except ValueError:
            return f"'{route.netmask}' is no netmask"
    size = route.netmask if route.netmask is not None else route.prefix or 0
    try:
        ip_network(f"{route.address}/{size}")
    except ValueError as exc:
        return str(exc)
    return None
