# SPDX-License-Identifier: Apache-2.0
"""What dnsmasq is told of a network: the file that it reads when it starts.

Options and their order are what libvirt 9 writes for the same document, which the recorded pairs
in ``tests/golden/dnsmasq`` show: whoever looks at a host sees the same, and dnsmasq does the same.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from ipaddress import IPv4Interface, IPv6Interface, ip_address, ip_interface

from virloom.drivers.network.checks import prefix_of
from virloom.drivers.network.completion import forward_mode
from virloom.drivers.network.dnsmasq.files import DnsmasqFiles
from virloom.enums.error import ErrorDomain
from virloom.errors import ConfigUnsupported
from virloom.model.network import Network
from virloom.model.network.names import Dns, Srv
from virloom.model.network.network import Dhcp, DhcpRange, Lease, NetworkIp

#: Comments begin with this; a person who reads the file is told where it is from.
_HEAD = """\
## Written by Virloom from the network's document whenever the network starts or changes;
## what is changed here is lost. Change the document (virsh net-edit NETWORK).
"""
#: A lease for ever, for dnsmasq.
_EVER = "infinite"
#: Nobody is told of a way out that there is not, nor are names asked for outside.
_ISOLATED = ("dhcp-option=3", "no-resolv", "ra-param=*,0,0")
#: Nothing of a document may end a line.
_CONTROL = re.compile(r"[\x00-\x08\x0a-\x1f\x7f]")
_UNITS = {"seconds": "s", "minutes": "m", "hours": "h"}


def needs_dnsmasq(model: Network) -> bool:
    """Whether there is anybody whom dnsmasq would serve, and an address to do it at."""
    lends = any(_lends(ip.dhcp) for ip in model.ips)
    return bool(model.ips) and (lends or serves_names(model))


def configuration(model: Network, files: DnsmasqFiles) -> str:
    """The text of the configuration file.

    Args:
        model: A complete document whose bridge has a name.

    Raises:
        ConfigUnsupported: A value would be more than one line (libvirt writes it, so that the name
            of a domain can be an option), or the network is no zone of its own.
    """
    return _HEAD + joined(model, _lines(model, files))


def joined(model: Network, lines: Iterable[str]) -> str:
    """The lines of a file for dnsmasq.

    Raises:
        ConfigUnsupported: One of them is more than a line.
    """
    made = list(lines)
    for line in made:
        if _CONTROL.search(line):
            raise _unsupported(model, f"{line!r} is more than one line for dnsmasq")
    return "".join(f"{line}\n" for line in made)


def _unsupported(model: Network, what: str) -> ConfigUnsupported:
    return ConfigUnsupported(f"network '{model.name}': {what}", domain=ErrorDomain.NETWORK)


def _lines(model: Network, files: DnsmasqFiles) -> Iterator[str]:
    yield "strict-order"
    yield from _naming(model)
    yield f"pid-file={files.pid}"
    yield "except-interface=lo"
    yield "bind-dynamic"
    yield f"interface={model.bridge.name}"
    if forward_mode(model) is None:
        yield from _ISOLATED
    yield from _records(model.dns or Dns())
    yield from _serving(model, files)
    yield from _advertising(model)
    for option in model.dnsmasq.options:
        yield option.value or ""


# -- names -----------------------------------------------------------------------------------------


def serves_names(model: Network) -> bool:
    """Whether its guests ask the host for names."""
    return model.dns is None or model.dns.enable is not False


def _naming(model: Network) -> Iterator[str]:
    dns = model.dns or Dns()
    if not serves_names(model):
        yield "port=0"
    for forwarder in dns.forwarders:
        domain = f"/{forwarder.domain}/" if forwarder.domain else ""
        yield f"server={domain}{forwarder.addr or '#'}"
    if any(one.domain is None for one in dns.forwarders):
        yield "no-resolv"
    if model.domain.name is not None:
        if model.domain.local_only:
            yield f"local=/{model.domain.name}/"
        yield f"domain={model.domain.name}"
        yield "expand-hosts"
    for ip in model.ips:
        if ip.local_ptr:
            yield f"local=/{_zone(model, ip)}/"
    if dns.forward_plain_names is False:
        yield "domain-needed"
        yield "local=//"


def _zone(model: Network, ip: NetworkIp) -> str:
    """The zone of the network's addresses below ``arpa``."""
    network = _interface(ip).network
    bits = 8 if network.version == 4 else 4
    if network.prefixlen % bits:
        raise _unsupported(
            model, f"'{network}' is no zone of names, which are of {bits} bits each (localPtr)"
        )
    labels = network.network_address.reverse_pointer.split(".")
    return ".".join(labels[(network.max_prefixlen - network.prefixlen) // bits :])


def _records(dns: Dns) -> Iterator[str]:
    for txt in dns.txts:
        yield f"txt-record={txt.name},{txt.value}"
    for srv in dns.srvs:
        yield f"srv-host={_service(srv)}"


def _service(srv: Srv) -> str:
    """Name, target, port, priority and weight; those after the last that is given are left out."""
    domain = f".{srv.domain}" if srv.domain else ""
    parts = [f"_{srv.service}._{srv.protocol}{domain}"]
    if srv.target:
        numbers = [srv.port or 1, srv.priority or 0, srv.weight or 0]
        given = [bool(srv.port), bool(srv.priority), bool(srv.weight)]
        last = max((place for place, there in enumerate(given, 1) if there), default=0)
        parts += [srv.target, *map(str, numbers[:last])]
    return ",".join(parts)


# -- addresses -------------------------------------------------------------------------------------


def _lends(dhcp: Dhcp | None) -> bool:
    return dhcp is not None and bool(dhcp.ranges or dhcp.hosts)


def _serving(model: Network, files: DnsmasqFiles) -> Iterator[str]:
    lending = [ip.dhcp for ip in model.ips if ip.dhcp is not None and _lends(ip.dhcp)]
    first = next((ip for ip in model.ips if ip.tftp.root is not None), None)
    for ip in model.ips:
        if ip.tftp.root is not None:
            if ip is first:
                yield "enable-tftp"
            yield f"tftp-root={ip.tftp.root}"
        if ip.dhcp is not None and _lends(ip.dhcp):
            yield from _dhcp(ip, ip.dhcp)
    most = sum(_count(item) for dhcp in lending for item in dhcp.ranges)
    if most:
        yield f"dhcp-lease-max={most}"
    if lending:
        yield f"dhcp-hostsfile={files.hosts}"
    if serves_names(model):
        yield f"addn-hosts={files.names}"
    if model.mtu.size:
        yield f"dhcp-option=option:mtu,{model.mtu.size}"


def _dhcp(ip: NetworkIp, dhcp: Dhcp) -> Iterator[str]:
    interface = _interface(ip)
    for item in dhcp.ranges:
        yield f"dhcp-range={_range(interface, item)}"
    if dhcp.hosts and not dhcp.ranges:
        bits = f",{interface.network.prefixlen}" if interface.version == 6 else ""
        yield f"dhcp-range={ip.address},static{bits}"
    if interface.version == 4:
        yield "dhcp-no-override"
        yield "dhcp-authoritative"
    if dhcp.bootp is not None and dhcp.bootp.file:
        server = f",,{dhcp.bootp.server}" if dhcp.bootp.server else ""
        yield f"dhcp-boot={dhcp.bootp.file}{server}"


def _range(interface: IPv4Interface | IPv6Interface, item: DhcpRange) -> str:
    bits = interface.netmask if interface.version == 4 else interface.network.prefixlen
    parts = [item.start or "", item.end or "", str(bits)]
    if item.lease is not None:
        parts.append(lease_time(item.lease))
    return ",".join(parts)


def lease_time(lease: Lease) -> str:
    """How long an address is lent, as dnsmasq reads it."""
    if not lease.expiry:
        return _EVER
    return f"{lease.expiry}{_UNITS[lease.unit or 'minutes']}"


def _count(item: DhcpRange) -> int:
    return int(ip_address(item.end or "")) - int(ip_address(item.start or "")) + 1


def _interface(ip: NetworkIp) -> IPv4Interface | IPv6Interface:
    return ip_interface(f"{ip.address}/{prefix_of(ip)}")


def _advertising(model: Network) -> Iterator[str]:
    """IPv6 guests find the host by its advertisements; without DHCP these are all they get."""
    addresses = [ip for ip in model.ips if ":" in (ip.address or "")]
    if any(_lends(ip.dhcp) for ip in addresses):
        yield "enable-ra"
        return
    for ip in addresses:
        yield f"dhcp-range={ip.address},ra-only"
