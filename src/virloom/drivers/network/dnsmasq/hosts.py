# SPDX-License-Identifier: Apache-2.0
"""The files of machines that dnsmasq knows: those it reads again when it is told to (SIGHUP)."""

from __future__ import annotations

from virloom.drivers.network.dnsmasq.configuration import joined, lease_time
from virloom.model.network import Network
from virloom.model.network.network import DhcpHost


def hosts_file(model: Network) -> str:
    """Machines that get an address of their own, by MAC address, client identity or name.

    Raises:
        ConfigUnsupported: A value would be more than one line.
    """
    hosts = [host for ip in model.ips if ip.dhcp is not None for host in ip.dhcp.hosts]
    return joined(model, map(_line, hosts))


def _line(host: DhcpHost) -> str:
    if ":" in (host.ip or ""):
        parts = [f"id:{host.id}" if host.id else None, host.name, f"[{host.ip}]"]
    elif host.mac:
        parts = [host.mac, host.ip, host.name]
    else:
        parts = [host.name, host.ip]
    if host.lease is not None:
        parts.append(lease_time(host.lease))
    return ",".join(part for part in parts if part)


def names_file(model: Network) -> str:
    """Names of machines that need no address of the network, in the form of ``/etc/hosts``.

    Raises:
        ConfigUnsupported: A value would be more than one line.
    """
    hosts = model.dns.hosts if model.dns is not None else []
    return joined(model, ("\t".join((host.ip or "", *host.hostnames, "")) for host in hosts))
