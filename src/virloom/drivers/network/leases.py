# SPDX-License-Identifier: Apache-2.0
"""The leases of a network: who has which address, for how long.

They are in libvirt's file and form (``virbr0.status``: a JSON list of objects with
``ip-address``, ``mac-address``, ``hostname``, ``client-id``, ``expiry-time`` and, for IPv6,
``iaid``), as dnsmasq's lease helper leaves them; guests choose host names and identities, so what
is in it is believed of nobody.
"""

from __future__ import annotations

import json
from ipaddress import ip_interface
from pathlib import Path
from typing import Any, NamedTuple

from virloom.drivers.network.checks import is_mac, parse_address, prefix_of
from virloom.enums.error import ErrorDomain
from virloom.errors import InternalError, system_failure
from virloom.model.network import Network

#: No file of leases is longer; libvirt's bound.
_LONGEST = 16 << 20


class Lease(NamedTuple):
    """One address that is lent.

    Attributes:
        expiry: When it ends, in seconds since 1970; 0 is never.
        iaid: Of the association, for IPv6.
    """

    address: str
    mac: str
    expiry: int
    hostname: str | None
    client_id: str | None
    iaid: str | None


def read_leases(path: Path, mac: str | None) -> list[Lease]:
    """The leases in a file, those that ended too; none where there is no file.

    Args:
        mac: Only those of this MAC address; the others are not looked at.

    Raises:
        SystemFailure: It cannot be read.
        InternalError: It is not what the helper writes.
    """
    try:
        with path.open("rb") as file:
            text = file.read(_LONGEST + 1)
    except FileNotFoundError:
        return []
    except OSError as exc:
        raise system_failure(f"cannot read '{path}'", exc, domain=ErrorDomain.NETWORK) from exc
    if len(text) > _LONGEST:
        raise _malformed(path, "it is too long")
    try:
        items = json.loads(text) if text else []
    except (ValueError, RecursionError) as exc:
        raise _malformed(path, str(exc)) from exc
    if not isinstance(items, list):
        raise _malformed(path, "it is no list")
    wanted = None if mac is None else _bytes(mac)
    owned = [(_owner(path, item), item) for item in items]
    return [
        _lease(path, owner, item)
        for owner, item in owned
        if wanted is None or (is_mac(owner) and _bytes(owner) == wanted)
    ]


def _malformed(path: Path, what: str) -> InternalError:
    return InternalError(f"invalid leases in '{path}': {what}", domain=ErrorDomain.NETWORK)


def _owner(path: Path, item: Any) -> str:
    mac = item.get("mac-address") if isinstance(item, dict) else None
    if not isinstance(mac, str):
        raise _malformed(path, "a lease has no MAC address")
    return mac


def _lease(path: Path, mac: str, item: dict[str, Any]) -> Lease:
    def text(key: str) -> str | None:
        value = item.get(key)
        return value if isinstance(value, str) else None

    if type(expiry := item.get("expiry-time")) is not int:
        raise _malformed(path, "a lease has no time")
    if (address := text("ip-address")) is None:
        raise _malformed(path, "a lease has no address")
    return Lease(address, mac, expiry, text("hostname"), text("client-id"), text("iaid"))


def current(leases: list[Lease], now: float) -> list[Lease]:
    """Those that have not ended."""
    return [lease for lease in leases if lease.expiry <= 0 or lease.expiry >= now]


def _bytes(mac: str) -> bytes:
    return bytes(int(part, 16) for part in mac.split(":"))


def prefix_length(model: Network, address: str) -> int:
    """Of the subnet that an address is in, in bits.

    For one that is in none of the network's, that of the first of its family, or 0.
    """
    interfaces = [ip_interface(f"{ip.address}/{prefix_of(ip)}") for ip in model.ips]
    version = 6 if ":" in address else 4
    found = parse_address(address)
    for interface in interfaces:
        if found is not None and found in interface.network:
            return interface.network.prefixlen
    return next((one.network.prefixlen for one in interfaces if one.version == version), 0)
