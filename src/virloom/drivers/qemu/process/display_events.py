# SPDX-License-Identifier: Apache-2.0
"""Viewers of a guest's displays come, pass and go."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from virloom.drivers.qemu.process.running import RunningGuest
from virloom.enums.domain import (
    DomainEventGraphicsAddressType,
    DomainEventGraphicsPhase,
    DomainEventID,
)
from virloom.procedures.domain import DomainEventGraphicsAddress, DomainEventGraphicsIdentity

if TYPE_CHECKING:
    from virloom.drivers.qemu.driver import QemuDriver

_PHASES = {
    "CONNECTED": DomainEventGraphicsPhase.CONNECT,
    "INITIALIZED": DomainEventGraphicsPhase.INITIALIZE,
    "DISCONNECTED": DomainEventGraphicsPhase.DISCONNECT,
}

#: QEMU's ``NetworkAddressFamily`` (qapi/sockets.json).
_FAMILIES = {
    "ipv4": DomainEventGraphicsAddressType.IPV4,
    "ipv6": DomainEventGraphicsAddressType.IPV6,
    "unix": DomainEventGraphicsAddressType.UNIX,
}


def _graphics(
    driver: QemuDriver, running: RunningGuest, name: str, data: Mapping[str, Any]
) -> None:
    client, server = data.get("client", {}), data.get("server", {})
    identities = [
        DomainEventGraphicsIdentity(kind, str(client[key]))
        for kind, key in (("x509dname", "x509_dname"), ("saslUsername", "sasl_username"))
        if client.get(key)
    ]
    driver.events.emit(
        DomainEventID.GRAPHICS,
        running.guest.ref(),
        int(_PHASES[name.partition("_")[2]]),
        _address(server),
        _address(client),
        str(server.get("auth", "")),
        identities,
    )


def _address(side: Mapping[str, Any]) -> DomainEventGraphicsAddress:
    family = _FAMILIES.get(str(side.get("family")), DomainEventGraphicsAddressType.UNIX)
    port = side.get("service", side.get("port", ""))  # VNC's word, and SPICE's
    return DomainEventGraphicsAddress(int(family), str(side.get("host", "")), str(port))


#: Event → what it means.
DISPLAYS: dict[str, Callable[[QemuDriver, RunningGuest, str, Mapping[str, Any]], None]] = {
    f"{display}_{phase}": _graphics for display in ("VNC", "SPICE") for phase in _PHASES
}
