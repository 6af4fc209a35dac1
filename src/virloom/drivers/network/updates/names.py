# SPDX-License-Identifier: Apache-2.0
"""Changes of the names that a network's DNS knows."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

from virloom.drivers.network.completion import says_nothing
from virloom.drivers.network.name_checks import check_dns_host, check_srv, check_txt
from virloom.drivers.network.updates.parts import (
    ADDS,
    insert,
    invalid,
    parsed,
    refuse_modify,
    unknown,
)
from virloom.enums.network import NetworkUpdateCommand
from virloom.model.network import Network
from virloom.model.network.names import Dns, DnsHost, Srv, Txt
from virloom.xml import Element

E = TypeVar("E", bound=Element)


def _change(
    model: Network, command: int, items: list[E], item: E, same: Callable[[E], bool]
) -> None:
    if command in ADDS:
        if any(same(other) for other in items):
            raise invalid("there is already a matching DNS record", model)
        insert(items, item, command)
    elif command == NetworkUpdateCommand.DELETE:
        found = [number for number, other in enumerate(items) if same(other)]
        if not found:
            raise invalid("couldn't locate a matching DNS record", model)
        if len(found) > 1:
            raise invalid("multiple matching DNS records were found", model)
        del items[found[0]]
    else:
        raise unknown(command)
    if says_nothing(model.dns):
        model.dns = None


def _dns(model: Network) -> Dns:
    model.dns = model.dns or Dns()
    return model.dns


def change_dns_host(model: Network, command: int, index: int, text: str) -> None:
    """Adds or removes a machine: one of another address may have the same name.

    Raises:
        VirloomError: As :func:`~virloom.drivers.network.updates.update.update`.
    """
    refuse_modify(command, "DNS hosts")
    item = parsed(DnsHost, "host", text)
    item.hostnames = [name for name in item.hostnames if name]
    check_dns_host(model, item, partial=command not in ADDS)

    def same(other: DnsHost) -> bool:
        if item.ip is not None and item.ip == other.ip:
            return True
        return command not in ADDS and bool(set(item.hostnames) & set(other.hostnames))

    _change(model, command, _dns(model).hosts, item, same)


def change_txt(model: Network, command: int, index: int, text: str) -> None:
    """Adds or removes a text.

    Raises:
        VirloomError: As :func:`~virloom.drivers.network.updates.update.update`.
    """
    refuse_modify(command, "DNS texts")
    item = parsed(Txt, "txt", text)
    check_txt(model, item, partial=command == NetworkUpdateCommand.DELETE)
    _change(model, command, _dns(model).txts, item, lambda other: item.name == other.name)


def change_srv(model: Network, command: int, index: int, text: str) -> None:
    """Adds or removes a service; what its document leaves out may be anything.

    Raises:
        VirloomError: As :func:`~virloom.drivers.network.updates.update.update`.
    """
    refuse_modify(command, "DNS services")
    item = parsed(Srv, "srv", text)
    check_srv(model, item, partial=command == NetworkUpdateCommand.DELETE)
    fields = ("domain", "service", "protocol", "target")

    def same(other: Srv) -> bool:
        said = [name for name in fields if getattr(item, name) is not None]
        return all(getattr(item, name) == getattr(other, name) for name in said)

    _change(model, command, _dns(model).srvs, item, same)
