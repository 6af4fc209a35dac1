# SPDX-License-Identifier: Apache-2.0
"""The interfaces that an agent tells of."""

from __future__ import annotations

from typing import Any

from virloom.drivers.qemu.agent.answers import MANY, items, number, text
from virloom.enums.network import IPAddrType
from virloom.procedures.domain import DomainInterface, DomainIpAddr

_FAMILIES = {"ipv4": IPAddrType.IPV4, "ipv6": IPAddrType.IPV6}


def interfaces(answer: Any) -> list[DomainInterface]:
    """What ``guest-network-get-interfaces`` answers; aliases are their interface.

    Raises:
        KeyError, TypeError, ValueError: It has another form.
    """
    found: dict[str, DomainInterface] = {}
    for item in items(answer):
        name = text(item["name"]).partition(":")[0]
        address = item.get("hardware-address")
        interface = found.setdefault(
            name, DomainInterface(name, None if address is None else text(address), [])
        )
        interface.addrs += [_address(one) for one in items(item.get("ip-addresses", []))]
        if len(interface.addrs) > MANY:
            raise ValueError(f"more than {MANY} addresses")
    return list(found.values())


def _address(item: dict[str, Any]) -> DomainIpAddr:
    family = _FAMILIES[item["ip-address-type"]]
    return DomainIpAddr(int(family), text(item["ip-address"]), number(item["prefix"], 0, 128))
