# SPDX-License-Identifier: Apache-2.0
"""Parts of a document of which one would be without effect, or have another one than it says.

libvirt takes such documents. What dnsmasq then ignores, or reads as something else, is refused
here when it comes; what is on the disk since libvirt's time is still loaded, and can be changed
bit by bit.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from ipaddress import ip_address, ip_interface

from virloom.drivers.network.checks import prefix_of
from virloom.model.network import Network
from virloom.model.network.network import DhcpHost, NetworkIp

#: One field of dnsmasq's lines: a comma begins the next one, and a space another name.
_FIELD = re.compile(r"[^\s,]+")
#: A name that no program takes for an option or a path.
_LINK = re.compile(r"[^-/\s][^/\s]*")


def clashes(model: Network) -> Iterator[str]:
    """What is wrong, in words; nothing where all is well."""
    yield from _links(model)
    for ip in model.ips:
        hosts = ip.dhcp.hosts if ip.dhcp is not None else []
        yield from _twice(hosts)
        yield from _outside(ip, hosts)
        yield from (f"'{host.name}' is not one name" for host in hosts if _is_more(host.name))
    dns = model.dns
    if dns is None:
        return
    names = [name for host in dns.hosts for name in host.hostnames]
    names += [part for srv in dns.srvs for part in (srv.service, srv.protocol, srv.domain,
              srv.target) if part]  # fmt: skip
    yield from (f"'{name}' is not one name" for name in names if _is_more(name))


def _is_more(name: str | None) -> bool:
    return name is not None and _FIELD.fullmatch(name) is None


def _links(model: Network) -> Iterator[str]:
    forward = model.forward
    names = [model.bridge.name]
    if forward is not None:
        names += [forward.dev, *(one.dev for one in (*forward.interfaces, *forward.pfs))]
    for name in dict.fromkeys(names):
        if name and name.startswith("-"):
            yield f"'{name}' would be an option, and not the name of a link"
    for name in dict.fromkeys(names[1:]):
        if name and not name.startswith("-") and _LINK.fullmatch(name) is None:
            yield f"'{name}' is no name of a link"


def _twice(hosts: Sequence[DhcpHost]) -> Iterator[str]:
    for what in ("mac", "ip", "name"):
        seen: set[str] = set()
        for host in hosts:
            value = (getattr(host, what) or "").lower()
            if value and value in seen:
                yield f"two DHCP hosts have the {what} '{value}'"
            seen.add(value)


def _outside(ip: NetworkIp, hosts: Sequence[DhcpHost]) -> Iterator[str]:
    if not hosts:
        return
    subnet = ip_interface(f"{ip.address}/{prefix_of(ip)}").network
    for host in hosts:
        if host.ip is not None and ip_address(host.ip) not in subnet:
            yield f"the address '{host.ip}' of a DHCP host is outside of {subnet}"
