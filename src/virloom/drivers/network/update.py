# SPDX-License-Identifier: Apache-2.0
"""Changes of single parts of a network's document (``virNetworkUpdate``)."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import TypeVar

from virloom.drivers.network.checks import check_host, check_range, parse_address
from virloom.drivers.network.completion import fill_addresses
from virloom.drivers.network.name_checks import check_srv, check_txt
from virloom.enums.error import ErrorDomain
from virloom.enums.network import NetworkUpdateCommand, NetworkUpdateSection
from virloom.errors import OperationInvalid, OperationUnsupported, VirloomError, XmlDetail, XmlError
from virloom.model.network import Network
from virloom.model.network.names import Dns, DnsHost, Srv, Txt
from virloom.model.network.network import (
    Dhcp,
    DhcpHost,
    DhcpRange,
    ForwardInterface,
    NetworkIp,
    PortGroup,
)
from virloom.xml import Element, holds, parse_document

_Command = NetworkUpdateCommand
_Section = NetworkUpdateSection
E = TypeVar("E", bound=Element)

#: Sections that no driver of libvirt can change.
_FIXED = (_Section.BRIDGE, _Section.DOMAIN, _Section.IP, _Section.FORWARD, _Section.FORWARD_PF)
_ADDS = (_Command.ADD_FIRST, _Command.ADD_LAST)


def update(model: Network, command: int, section: int, index: int, text: str) -> None:
    """Changes one part of *model*, in place.

    Args:
        command: What is to be done (``virNetworkUpdateCommand``).
        section: With what (``virNetworkUpdateSection``).
        index: Of the ``<ip>`` that is meant; -1 for the one that fits.
        text: The part.

    Raises:
        OperationUnsupported: That cannot be changed.
        OperationInvalid: What is to be added is there, or what is to be changed is not.
        XmlError: The part is none.
    """
    try:
        what = _Section(section)
        change = _CHANGES[what]
    except (ValueError, KeyError) as exc:
        known = section in _FIXED
        name = f"'{_Section(section).name.lower()}'" if known else "unrecognized"
        raise OperationUnsupported(
            f"can't update {name} section of network", domain=ErrorDomain.NETWORK
        ) from exc
    change(model, command, index, text)
    fill_addresses(model)


@cache
def _root(kind: type[Element], tag: str) -> type[Element]:
    """The same class for a part that is a document by itself."""
    return type(kind.__name__, (kind,), {"tag": tag, "error_domain": ErrorDomain.NETWORK})


def _parsed(kind: type[E], tag: str, text: str) -> E:
    try:
        part: Element = parse_document(_root(kind, tag), text)  # type: ignore[arg-type] # a class is hashable
    except (XmlError, XmlDetail) as exc:
        exc.domain = ErrorDomain.NETWORK
        raise
    assert isinstance(part, kind)
    return part


def _invalid(what: str, model: Network) -> OperationInvalid:
    return OperationInvalid(f"{what} in network '{model.name}'", domain=ErrorDomain.NETWORK)


def _unknown(command: int) -> VirloomError:
    return OperationUnsupported(
        f"unrecognized network update command code {command}", domain=ErrorDomain.NETWORK
    )


def _add(items: list[E], item: E, command: int) -> None:
    items.insert(0 if command == _Command.ADD_FIRST else len(items), item)


# -- addresses for guests --------------------------------------------------------------------------


def _ip(model: Network, index: int, what: str, address: str | None) -> NetworkIp:
    """The ``<ip>`` that is meant: that of a number, or the one that has such addresses."""
    if index >= 0:
        if index < len(model.ips):
            return model.ips[index]
        raise _invalid(f"couldn't update {what} - no <ip> element found at index {index}", model)
    version = 6 if address is not None and ":" in address else 4
    same = [ip for ip in model.ips if (parsed := parse_address(ip.address)) is not None
            and parsed.version == version]  # fmt: skip
    with_dhcp = [ip for ip in same if ip.dhcp is not None and (ip.dhcp.ranges or ip.dhcp.hosts)]
    for candidates in (with_dhcp, same):
        if candidates:
            return candidates[0]
    raise _invalid(f"couldn't update {what} - no <ip> element found", model)


def _host(model: Network, command: int, index: int, text: str) -> None:
    host = _parsed(DhcpHost, "host", text)
    ip = _ip(model, index, "dhcp host entry", host.ip)
    version = 6 if ":" in (ip.address or "") else 4
    check_host(model, host, version=version, partial=command == _Command.DELETE)
    ip.dhcp = ip.dhcp or Dhcp()
    hosts = ip.dhcp.hosts
    if command in _ADDS:
        if any(_clashes(host, other) for other in hosts):
            raise _invalid("there is an existing dhcp host entry that matches", model)
        _add(hosts, host, command)
    elif command == _Command.MODIFY:
        hosts[_place(hosts, lambda other: _same_machine(host, other), "dhcp host", model)] = host
    elif command == _Command.DELETE:
        del hosts[_place(hosts, lambda other: _names(host, other), "dhcp host", model)]
    else:
        raise _unknown(command)


def _same_mac(one: str | None, other: str | None) -> bool:
    return one is not None and other is not None and one.lower() == other.lower()


def _clashes(host: DhcpHost, other: DhcpHost) -> bool:
    return (
        _same_mac(host.mac, other.mac)
        or (host.name is not None and host.name == other.name)
        or (host.ip is not None and host.ip == other.ip)
    )


def _same_machine(host: DhcpHost, other: DhcpHost) -> bool:
    if host.mac is not None:
        return _same_mac(host.mac, other.mac)
    return host.name is not None and host.name == other.name


def _names(host: DhcpHost, other: DhcpHost) -> bool:
    """Whether all that *host* says is so of *other*."""
    return (
        (host.mac is None or _same_mac(host.mac, other.mac))
        and (host.name is None or host.name == other.name)
        and (host.ip is None or host.ip == other.ip)
    )


def _range(model: Network, command: int, index: int, text: str) -> None:
    item = _parsed(DhcpRange, "range", text)
    ip = _ip(model, index, "dhcp range", item.start)
    check_range(model, ip, item)
    if command == _Command.MODIFY:
        raise OperationInvalid(
            "dhcp ranges cannot be modified, only added or deleted", domain=ErrorDomain.NETWORK
        )
    ip.dhcp = ip.dhcp or Dhcp()
    ranges = ip.dhcp.ranges

    def same(other: DhcpRange) -> bool:
        return (other.start, other.end) == (item.start, item.end)

    if command in _ADDS:
        if any(same(other) for other in ranges):
            raise _invalid("there is an existing dhcp range entry that matches", model)
        _add(ranges, item, command)
    elif command == _Command.DELETE:
        del ranges[_place(ranges, same, "dhcp range", model)]
    else:
        raise _unknown(command)


def _place(items: list[E], same: Callable[[E], bool], what: str, model: Network) -> int:
    for number, item in enumerate(items):
        if same(item):
            return number
    raise _invalid(f"couldn't locate a matching {what} entry", model)


# -- names -----------------------------------------------------------------------------------------


def _dns(model: Network, command: int, items: list[E], item: E, same: Callable[[E], bool]) -> None:
    if command == _Command.MODIFY:
        raise OperationUnsupported(
            "DNS records cannot be modified, only added or deleted", domain=ErrorDomain.NETWORK
        )
    if command in _ADDS:
        if any(same(other) for other in items):
            raise _invalid("there is already a matching DNS record", model)
        _add(items, item, command)
    elif command == _Command.DELETE:
        found = [number for number, other in enumerate(items) if same(other)]
        if not found:
            raise _invalid("couldn't locate a matching DNS record", model)
        if len(found) > 1:
            raise _invalid("multiple matching DNS records were found", model)
        del items[found[0]]
    else:
        raise _unknown(command)
    if not holds(model.dns):
        model.dns = None


def _names_of(model: Network) -> Dns:
    model.dns = model.dns or Dns()
    return model.dns


def _dns_host(model: Network, command: int, index: int, text: str) -> None:
    item = _parsed(DnsHost, "host", text)
    if command != _Command.DELETE and (item.ip is None or not item.hostnames):
        raise XmlError(
            f"a DNS host of network '{model.name}' needs an address and a name",
            domain=ErrorDomain.NETWORK,
        )

    def same(other: DnsHost) -> bool:
        if command == _Command.DELETE:
            return item.ip is None or item.ip == other.ip
        return item.ip == other.ip or bool(set(item.hostnames) & set(other.hostnames))

    _dns(model, command, _names_of(model).hosts, item, same)


def _dns_txt(model: Network, command: int, index: int, text: str) -> None:
    item = _parsed(Txt, "txt", text)
    if command != _Command.DELETE:
        check_txt(model, item)
    _dns(model, command, _names_of(model).txts, item, lambda other: item.name == other.name)


def _dns_srv(model: Network, command: int, index: int, text: str) -> None:
    item = _parsed(Srv, "srv", text)
    if command != _Command.DELETE:
        check_srv(model, item)
    fields = ("domain", "service", "protocol", "target")

    def same(other: Srv) -> bool:
        said = [name for name in fields if getattr(item, name) is not None]
        return all(getattr(item, name) == getattr(other, name) for name in said)

    _dns(model, command, _names_of(model).srvs, item, same)


# -- ports and devices -----------------------------------------------------------------------------


def _port_group(model: Network, command: int, index: int, text: str) -> None:
    item = _parsed(PortGroup, "portgroup", text)
    groups = model.portgroups
    found = next((n for n, other in enumerate(groups) if other.name == item.name), None)
    if command in _ADDS and found is not None:
        raise _invalid(f"there is an existing portgroup entry '{item.name}'", model)
    if command not in _ADDS and found is None:
        raise _invalid(f"couldn't find a portgroup entry '{item.name}'", model)
    default = any(other.default for other in groups if other.name != item.name)
    if item.default and default and command != _Command.DELETE:
        raise _invalid("a different portgroup entry is the default already", model)
    if command in _ADDS:
        _add(groups, item, command)
    elif command == _Command.MODIFY and found is not None:
        groups[found] = item
    elif command == _Command.DELETE and found is not None:
        del groups[found]
    else:
        raise _unknown(command)


def _forward_interface(model: Network, command: int, index: int, text: str) -> None:
    item = _parsed(ForwardInterface, "interface", text)
    if model.forward is None:
        raise _invalid("there is no forward entry", model)
    if command == _Command.MODIFY:
        raise OperationInvalid(
            "forward interfaces cannot be modified, only added or deleted",
            domain=ErrorDomain.NETWORK,
        )
    interfaces = model.forward.interfaces
    found = next((n for n, other in enumerate(interfaces) if other.dev == item.dev), None)
    if command in _ADDS:
        if found is not None:
            raise _invalid(f"there is an existing interface entry '{item.dev}'", model)
        _add(interfaces, item, command)
    elif command == _Command.DELETE:
        if found is None:
            raise _invalid(f"couldn't find an interface entry '{item.dev}'", model)
        del interfaces[found]
    else:
        raise _unknown(command)
    model.forward.dev = interfaces[0].dev if interfaces else None


_CHANGES: dict[NetworkUpdateSection, Callable[[Network, int, int, str], None]] = {
    _Section.IP_DHCP_HOST: _host,
    _Section.IP_DHCP_RANGE: _range,
    _Section.FORWARD_INTERFACE: _forward_interface,
    _Section.PORTGROUP: _port_group,
    _Section.DNS_HOST: _dns_host,
    _Section.DNS_TXT: _dns_txt,
    _Section.DNS_SRV: _dns_srv,
}
