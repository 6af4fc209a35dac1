# SPDX-License-Identifier: Apache-2.0
"""What is refused in ``<dns>``, with libvirt's codes."""

from __future__ import annotations

from ipaddress import ip_address

from virloom.enums.error import ErrorDomain
from virloom.errors import XmlDetail, XmlError
from virloom.model.network import Network
from virloom.model.network.names import Dns, DnsHost, Forwarder, Srv, Txt

#: The greatest port, priority and weight of a service (RFC 2782).
_MOST = 65535
_DOMAIN = ErrorDomain.NETWORK


def check_names(model: Network) -> None:
    """Refuses records of names that lack a part, or have one that is none.

    Raises:
        XmlDetail: A record is not complete.
        XmlError: Names where none are served, or a forwarder that is none.
    """
    dns = model.dns
    if dns is None:
        return
    if dns.enable is False and (dns.forwarders or dns.txts or dns.srvs or dns.hosts):
        raise XmlError(
            f"network '{model.name}': names where none are served (<dns enable='no'>)",
            domain=_DOMAIN,
        )
    _check_records(model, dns)


def _check_records(model: Network, dns: Dns) -> None:
    for forwarder in dns.forwarders:
        _check_forwarder(model, forwarder)
    for txt in dns.txts:
        check_txt(model, txt)
    for srv in dns.srvs:
        check_srv(model, srv)
    for host in dns.hosts:
        check_dns_host(model, host)


def _incomplete(model: Network, what: str) -> XmlDetail:
    return XmlDetail(f"network '{model.name}': {what}", domain=_DOMAIN)


def _is_address(text: str | None) -> bool:
    try:
        ip_address(text or "")
    except ValueError:
        return False
    return True


def _check_forwarder(model: Network, forwarder: Forwarder) -> None:
    if forwarder.addr is not None and not _is_address(forwarder.addr):
        what = f"the address '{forwarder.addr}' of a forwarder is none"
    elif forwarder.addr is None and forwarder.domain is None:
        what = "a forwarder has an address, a domain, or both"
    else:
        return
    raise XmlError(f"network '{model.name}': {what}", domain=_DOMAIN)


def check_txt(model: Network, txt: Txt, *, partial: bool = False) -> None:
    """Refuses a TXT record that has not both parts, or a name that is more than one.

    Args:
        partial: It only names the one that is to be removed.

    Raises:
        XmlDetail: It is so.
    """
    if not txt.name or (txt.value is None and not partial):
        raise _incomplete(model, "a TXT record has a name and a value")
    if set(" ,") & set(txt.name):
        raise _incomplete(model, f"'{txt.name}' of a TXT record is no name")


def check_srv(model: Network, srv: Srv, *, partial: bool = False) -> None:
    """Refuses an SRV record without service and protocol, or with a port of nobody.

    Args:
        partial: It only names the one that is to be removed.

    Raises:
        XmlDetail: It is so.
    """
    if not partial and (not srv.service or not srv.protocol):
        raise _incomplete(model, "an SRV record has a service and a protocol")
    for name, least in (("port", 1), ("priority", 0), ("weight", 0)):
        number = getattr(srv, name)
        if number is not None and not least <= number <= _MOST:
            raise _incomplete(model, f"{name} {number} of the SRV record of '{srv.service}'")
    if srv.target is None and (srv.port, srv.priority, srv.weight) != (None, None, None):
        raise _incomplete(model, f"the SRV record of '{srv.service}' has a port but no target")


def check_dns_host(model: Network, host: DnsHost, *, partial: bool = False) -> None:
    """Refuses a machine without an address and a name, or with none of both that tells it.

    Args:
        partial: It only tells which one is to be removed.

    Raises:
        XmlDetail: It is so.
    """
    if partial and host.ip is None and host.hostnames:
        return
    if not _is_address(host.ip):
        raise _incomplete(model, f"the address '{host.ip}' of a DNS host is none")
    if partial:
        return
    if not host.hostnames or not all(host.hostnames):
        raise _incomplete(model, f"the DNS host '{host.ip}' has no name")
