# SPDX-License-Identifier: Apache-2.0
"""The program that dnsmasq runs for each lease (``--dhcp-script`` with ``--leasefile-ro``).

It keeps ``BRIDGE.status``, in libvirt's form, which is dnsmasq's own memory too: dnsmasq asks for
what there is when it starts (``init``). Arguments and variables are those of dnsmasq(8). It is
started anew for each lease, so it imports little.

    python -m virloom.drivers.network.dnsmasq.lease_helper DIRECTORY BRIDGE init
    python -m virloom.drivers.network.dnsmasq.lease_helper DIRECTORY BRIDGE ACTION ID ADDRESS [NAME]
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

Lease = dict[str, Any]
_CHANGES = ("add", "old", "del")


def read(path: Path) -> list[Lease]:
    """What is kept; nothing where the file is no JSON, so that guests get leases again.

    Raises:
        ValueError: It is JSON, but not ours.
        OSError: It cannot be read.
    """
    try:
        text = path.read_text()
    except FileNotFoundError:
        return []
    try:
        leases = json.loads(text or "[]")
    except ValueError:
        return []
    if not isinstance(leases, list) or not all(map(_complete, leases)):
        raise ValueError(f"'{path}' is no file of leases")
    return leases


def _complete(lease: Any) -> bool:
    return isinstance(lease, dict) and {"ip-address", "mac-address", "expiry-time"} <= lease.keys()


def changed(
    leases: list[Lease], arguments: Sequence[str], environment: Mapping[str, str]
) -> list[Lease]:
    """The leases after one came, changed or went: one that changed is the last.

    Args:
        arguments: Action, MAC address (IPv6: the client's identity), address, name if there is one.

    Raises:
        ValueError: It is none of dnsmasq's actions, or the time is no number.
    """
    action, identity, address, *names = arguments
    if action not in _CHANGES:
        raise ValueError(f"'{action}' is not done here")
    kept = [lease for lease in leases if lease["ip-address"] != address]
    if action == "del":
        return kept
    name = names[0] if names else environment.get("DNSMASQ_OLD_HOSTNAME")
    made = _lease(identity, address, name, environment)
    return leases if made is None else [*kept, made]


def _lease(
    identity: str, address: str, name: str | None, environment: Mapping[str, str]
) -> Lease | None:
    """None for an IPv6 guest whose MAC address is not known: nobody could ask for it."""
    iaid = environment.get("DNSMASQ_IAID")
    six = iaid is not None
    parts: Lease = {
        "iaid": iaid,
        "ip-address": address,
        "mac-address": environment.get("DNSMASQ_MAC") if six else identity,
        "hostname": name,
        "client-id": identity if six else environment.get("DNSMASQ_CLIENT_ID"),
        "server-duid": environment.get("DNSMASQ_SERVER_DUID") if six else None,
        "expiry-time": int(environment.get("DNSMASQ_LEASE_EXPIRES") or "0"),
    }
    if parts["mac-address"] is None:
        return None
    return {key: value for key, value in parts.items() if value is not None}


def told(leases: list[Lease]) -> str:
    """What dnsmasq reads when it starts: the form of its own file of leases, IPv4 first."""
    four = [lease for lease in leases if "iaid" not in lease]
    six = [lease for lease in leases if "iaid" in lease]
    lines = [_line(lease, "mac-address") for lease in four]
    server = next((lease["server-duid"] for lease in six if "server-duid" in lease), None)
    if server is not None:
        lines += [f"duid {server}", *(_line(lease, "iaid") for lease in six)]
    return "".join(f"{line}\n" for line in lines)


def _line(lease: Lease, key: str) -> str:
    """Fields with spaces between them; a name that would be two fields is left out."""
    name = str(lease.get("hostname", "*"))
    fields = (
        lease["expiry-time"],
        lease[key],
        lease["ip-address"],
        name if len(name.split()) == 1 else "*",
        lease.get("client-id", "*"),
    )
    return " ".join(map(str, fields))


def write(path: Path, leases: list[Lease]) -> None:
    """Replaces the file.

    Raises:
        OSError: It cannot be written; the former one is still there.
    """
    temporary = path.with_name(f".{path.name}.new")
    temporary.write_text(json.dumps(leases, indent=2, ensure_ascii=False) + "\n")
    temporary.replace(path)


def main(arguments: Sequence[str], environment: Mapping[str, str]) -> int:
    """The program; 0, or 1 after words on standard error."""
    try:
        directory, bridge, *call = arguments
        path = Path(directory, f"{bridge}.status")
        if call == ["init"]:
            sys.stdout.write(told(read(path)))
        else:
            write(path, changed(read(path), call, environment))
    except (OSError, ValueError) as exc:
        print(f"lease helper: {exc}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:], os.environ))
