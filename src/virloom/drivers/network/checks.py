# SPDX-License-Identifier: Apache-2.0
"""What is refused in the document of a network, with libvirt's codes."""

from __future__ import annotations

import re
from ipaddress import (
    IPv4Address,
    IPv4Interface,
    IPv4Network,
    IPv6Address,
    ip_address,
    ip_interface,
)

from virloom.drivers.network.name_checks import check_names
from virloom.drivers.network.route_checks import check_route
from virloom.enums.error import ErrorDomain
from virloom.errors import (
    ConfigUnsupported,
    InternalError,
    SystemFailure,
    XmlDetail,
    XmlError,
)
from virloom.model.network import Network
from virloom.model.network.network import DhcpHost, DhcpRange, Lease, NetworkIp, NetworkRoute

_DOMAIN = ErrorDomain.NETWORK
_ID = re.compile(r"[0-9a-fA-F:]*")
_MAC = re.compile(r"[0-9a-fA-F]{1,2}(:[0-9a-fA-F]{1,2}){5}")
_SHORTEST_LEASE = 120  #: seconds: what dnsmasq makes of less
_Address = IPv4Address | IPv6Address
#: libvirt's bound of a range.
_MOST = 1 << 16


def check_network(model: Network) -> None:
    """Refuses a network whose parts are nonsense or do not go together.

    Raises:
        XmlDetail: The name has a slash, or a record of names lacks a part.
        XmlError: An address is none.
        ConfigUnsupported: Address, family, mask and prefix do not agree.
        InternalError: A range of addresses is none, or is not the network's.
    """
    if "/" in model.name or "\n" in model.name:
        raise XmlDetail(
            f"invalid char in name: {'/' if '/' in model.name else 'line break'}",
            domain=ErrorDomain.XML,
        )
    mac = model.mac.address
    if mac is not None and not is_unicast_mac(mac):
        raise XmlError(
            f"Invalid bridge mac address '{mac}' in network '{model.name}'", domain=_DOMAIN
        )
    check_names(model)
    for ip in model.ips:
        check_ip(model, ip)
    for route in model.routes:
        check_route(model, route)


def is_mac(text: str) -> bool:
    """Whether it is a hardware address."""
    return bool(_MAC.fullmatch(text))


def is_unicast_mac(text: str) -> bool:
    """Whether it is the hardware address of one machine."""
    return is_mac(text) and not int(text.partition(":")[0], 16) & 1


def parse_address(text: str | None) -> _Address | None:
    """The address; None for what is none."""
    try:
        return ip_address(text or "")
    except ValueError:
        return None


def check_ip(model: Network, ip: NetworkIp) -> None:
    """Refuses the address of the host in a network, or what it gives to guests."""
    address = parse_address(ip.address)
    if address is None:
        raise XmlError(f"Invalid address '{ip.address}' in network '{model.name}'", domain=_DOMAIN)
    _check_family(model, ip, address)
    if ip.netmask is not None and ip.prefix is not None:
        raise _unsupported(model, f"both a netmask and a prefix for '{ip.address}'")
    if ip.netmask is not None and parse_address(ip.netmask) is None:
        raise XmlError(f"Invalid netmask '{ip.netmask}' in network '{model.name}'", domain=_DOMAIN)
    if ip.netmask is not None and _mask_length(ip.netmask) is None:
        raise _unsupported(model, f"'{ip.netmask}' is no netmask")
    if ip.prefix is not None and ip.prefix > address.max_prefixlen:
        raise _unsupported(model, f"invalid prefix '{ip.prefix}'")
    if address.version == 6 and ip.tftp.root is not None:
        raise _unsupported(model, f"<tftp> for the IPv6 address '{address}'")
    _check_boot(model, ip)
    for host in ip.dhcp.hosts if ip.dhcp is not None else ():
        check_host(model, host, version=address.version)
    for item in ip.dhcp.ranges if ip.dhcp is not None else ():
        check_range(model, ip, item)


def _check_boot(model: Network, ip: NetworkIp) -> None:
    """The server that has the file to boot, if it is another one, is told by its address."""
    bootp = ip.dhcp.bootp if ip.dhcp is not None else None
    if bootp is None or not bootp.file or bootp.server is None:
        return
    if parse_address(bootp.server) is None:
        raise SystemFailure(
            f"the server '{bootp.server}' of <bootp> of network '{model.name}' is no address",
            domain=ErrorDomain.NONE,
        )


def _check_family(model: Network, ip: NetworkIp, address: _Address) -> None:
    family = ip.family or "ipv4"
    if family != f"ipv{address.version}":
        raise _unsupported(model, f"the address '{address}' is not of the family '{family}'")
    if ip.netmask is not None and address.version == 6:
        raise _unsupported(model, f"a netmask for the IPv6 address '{address}'")


def _unsupported(model: Network, what: str) -> ConfigUnsupported:
    return ConfigUnsupported(f"{what} in network '{model.name}'", domain=_DOMAIN)


def _mask_length(text: str) -> int | None:
    try:
        return IPv4Interface(f"0.0.0.0/{text}").network.prefixlen
    except ValueError:
        return None


def prefix_of(ip: NetworkIp | NetworkRoute) -> int:
    """How many bits of an address are the network's."""
    if ip.prefix is not None:
        return ip.prefix
    if ip.netmask is not None:
        return _mask_length(ip.netmask) or 0
    if ":" in (ip.address or ""):
        return 64
    first = int((ip.address or "0").split(".")[0])
    return 8 if first < 128 else 16 if first < 192 else 24


def check_range(model: Network, ip: NetworkIp, item: DhcpRange) -> None:
    """Refuses a range of addresses that is none of this network.

    Raises:
        XmlError: An end is missing.
        SystemFailure: An end is no address (libvirt's code for it).
        InternalError: It is reversed, partly outside, or has addresses that are nobody's.
        ConfigUnsupported: Its leases are too short.
    """
    ends = []
    for name in ("start", "end"):
        text = getattr(item, name)
        if text is None:
            raise XmlError(f"Missing '{name}' attribute in dhcp range", domain=_DOMAIN)
        found = parse_address(text)
        if found is None:
            raise SystemFailure(
                f"'{text}' in a dhcp range of network '{model.name}' is no address",
                domain=ErrorDomain.NONE,
            )
        ends.append(found)
    _check_span(ip, ends[0], ends[1])
    _check_lease(model, item.lease)


def _check_span(ip: NetworkIp, start: _Address, end: _Address) -> None:
    """Where a range begins and ends."""
    text = f"range {start} - {end}"
    network = ip_interface(f"{ip.address}/{prefix_of(ip)}").network
    if start not in network or end not in network:
        raise InternalError(f"{text} is not entirely within network {network}")
    if int(start) > int(end):
        raise InternalError(f"{text} is reversed")
    if int(end) - int(start) >= _MOST:
        raise InternalError(f"{text} is too large: {_MOST} addresses are the most")
    if isinstance(network, IPv4Network) and network.prefixlen < 31:
        if start == network.network_address:
            raise InternalError(f"{text} begins with the network's own address")
        if end == network.broadcast_address:
            raise InternalError(f"{text} ends with the network's broadcast address")


def _check_lease(model: Network, lease: Lease | None) -> None:
    if lease is None or not lease.expiry or lease.unit == "hours":
        return
    if lease.expiry < (_SHORTEST_LEASE if lease.unit == "seconds" else _SHORTEST_LEASE // 60):
        raise ConfigUnsupported(
            f"network '{model.name}': a lease lasts two minutes at least, or for ever (0)",
            domain=_DOMAIN,
        )


def check_host(model: Network, host: DhcpHost, *, version: int, partial: bool = False) -> None:
    """Refuses a machine that has nothing to be known by, or no address.

    Args:
        partial: It only names the one that is to be removed.
    """
    if host.mac is not None and not is_unicast_mac(host.mac):
        raise XmlError(
            f"Invalid MAC address '{host.mac}' in network '{model.name}'", domain=_DOMAIN
        )
    if host.mac is not None and version == 6:
        raise XmlError(
            f"a host of IPv6 is not known by its MAC address '{host.mac}' in network "
            f"'{model.name}'",
            domain=_DOMAIN,
        )
    if host.ip is not None and parse_address(host.ip) is None:
        raise XmlError(f"Invalid IP address '{host.ip}' in network '{model.name}'", domain=_DOMAIN)
    if host.id is not None and not _ID.fullmatch(host.id):
        raise XmlError(
            f"'{host.id}' of a host of network '{model.name}' is no DHCP identifier", domain=_DOMAIN
        )
    if host.name is not None and not (host.name[:1].isalnum() and host.name[:1].isascii()):
        raise XmlError(
            f"Cannot use name '{host.name}' for a host of network '{model.name}'", domain=_DOMAIN
        )
    if partial and not (host.mac or host.name or host.ip):
        raise XmlError(
            f"a dhcp host of network '{model.name}' has nothing that tells it", domain=_DOMAIN
        )
    _check_lease(model, host.lease)
    if partial:
        return
    if host.ip is None:
        raise XmlError(
            f"Missing IP address in static host definition for network '{model.name}'",
            domain=_DOMAIN,
        )
    if version == 6 and not (host.id or host.name):
        raise XmlError(
            f"a static host of network '{model.name}' has neither an id nor a name", domain=_DOMAIN
        )
    if version == 4 and not (host.mac or host.name):
        raise XmlError(
            f"a static host of network '{model.name}' has neither a MAC address nor a name",
            domain=_DOMAIN,
        )
