# SPDX-License-Identifier: Apache-2.0
"""Changes of what a network gives to guests: hosts and ranges of its DHCP."""

from __future__ import annotations

from virloom.drivers.network.checks import check_host, check_range, parse_address
from virloom.drivers.network.updates.parts import (
    ADDS,
    insert,
    invalid,
    parsed,
    place,
    refuse_modify,
    unknown,
)
from virloom.enums.error import ErrorDomain
from virloom.enums.network import NetworkUpdateCommand
from virloom.errors import InternalError
from virloom.model.network import Network
from virloom.model.network.network import Dhcp, DhcpHost, DhcpRange, NetworkIp

_Command = NetworkUpdateCommand


def _version(ip: NetworkIp) -> int:
    return 6 if ":" in (ip.address or "") else 4


def _is_used(ip: NetworkIp) -> bool:
    return ip.dhcp is not None and bool(ip.dhcp.ranges or ip.dhcp.hosts)


def _ip(model: Network, index: int, what: str) -> NetworkIp:
    """The ``<ip>`` that is meant: that of a number, or the first one that has DHCP.

    Where none has it that is the first one of IPv4, or the first one.
    """
    if index >= 0:
        if index < len(model.ips):
            return model.ips[index]
        raise invalid(f"couldn't update {what} - no <ip> element found at index {index}", model)
    for ip in model.ips:
        if _is_used(ip):
            return ip
    if not model.ips:
        raise invalid(f"couldn't update {what} - no <ip> element found", model)
    return next((ip for ip in model.ips if _version(ip) == 4), model.ips[0])


def _check_only(model: Network, ip: NetworkIp) -> None:
    """Refuses a second DHCP server of one family.

    Raises:
        OperationInvalid: There is one.
    """
    if any(_is_used(other) and _version(other) == _version(ip) for other in model.ips
           if other is not ip):  # fmt: skip
        raise invalid(f"DHCP is for one IPv{_version(ip)} address", model)


# -- hosts -----------------------------------------------------------------------------------------


def change_host(model: Network, command: int, index: int, text: str) -> None:
    """Changes a host of DHCP.

    Raises:
        VirloomError: As :func:`~virloom.drivers.network.updates.update.update`.
    """
    host = parsed(DhcpHost, "host", text)
    ip = _ip(model, index, "dhcp host entry")
    check_host(model, host, version=_version(ip), partial=command == _Command.DELETE)
    address = parse_address(host.ip)
    if address is not None and address.version != _version(ip):
        raise invalid(f"a host of IPv{address.version} is none of '{ip.address}'", model)
    _check_only(model, ip)
    ip.dhcp = ip.dhcp or Dhcp()
    hosts = ip.dhcp.hosts
    if command in ADDS:
        if any(_clashes(host, other) for other in hosts):
            raise invalid("there is an existing dhcp host entry that matches", model)
        insert(hosts, host, command)
    elif command == _Command.MODIFY:
        hosts[place(hosts, lambda other: _clashes(host, other), "dhcp host", model)] = host
    elif command == _Command.DELETE:
        del hosts[place(hosts, lambda other: _names(host, other), "dhcp host", model)]
    else:
        raise unknown(command)


def _same_mac(one: str | None, other: str | None) -> bool:
    return one is not None and other is not None and one.lower() == other.lower()


def _clashes(host: DhcpHost, other: DhcpHost) -> bool:
    return (
        _same_mac(host.mac, other.mac)
        or (host.name is not None and host.name == other.name)
        or (host.ip is not None and host.ip == other.ip)
    )


def _names(host: DhcpHost, other: DhcpHost) -> bool:
    """Whether all that *host* says is so of *other*.

    One that has no MAC address is named by its name or its address, whatever the MAC address is.
    """
    known = other.mac is not None or host.name is host.ip is None
    return (
        (host.mac is None or not known or _same_mac(host.mac, other.mac))
        and (host.name is None or host.name == other.name)
        and (host.ip is None or host.ip == other.ip)
    )


# -- ranges ----------------------------------------------------------------------------------------


def change_range(model: Network, command: int, index: int, text: str) -> None:
    """Adds or removes a range of DHCP.

    Raises:
        VirloomError: As :func:`~virloom.drivers.network.updates.update.update`.
    """
    item = parsed(DhcpRange, "range", text)
    ip = _ip(model, index, "dhcp range")
    refuse_modify(command, "dhcp ranges")
    start = parse_address(item.start)
    if start is not None and start.version != _version(ip):
        raise InternalError(
            f"range {item.start} - {item.end} is of another family than '{ip.address}'",
            domain=ErrorDomain.NONE,
        )
    check_range(model, ip, item)
    _check_only(model, ip)
    ip.dhcp = ip.dhcp or Dhcp()
    ranges = ip.dhcp.ranges

    def same(other: DhcpRange) -> bool:
        return (other.start, other.end) == (item.start, item.end)

    if command in ADDS:
        if any(same(other) for other in ranges):
            raise invalid("there is an existing dhcp range entry that matches", model)
        insert(ranges, item, command)
    elif command == _Command.DELETE:
        del ranges[place(ranges, same, "dhcp range", model)]
    else:
        raise unknown(command)
