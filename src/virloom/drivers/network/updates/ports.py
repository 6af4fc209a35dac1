# SPDX-License-Identifier: Apache-2.0
"""Changes of what ports get: classes of them, and the links of the host that they are put on."""

from __future__ import annotations

from virloom.drivers.network.forwarding import check_forward
from virloom.drivers.network.updates.parts import (
    ADDS,
    insert,
    invalid,
    parsed,
    refuse_modify,
    unknown,
)
from virloom.enums.error import ErrorDomain
from virloom.enums.network import NetworkUpdateCommand
from virloom.errors import XmlError
from virloom.model.network import Network
from virloom.model.network.network import ForwardInterface, PortGroup

_Command = NetworkUpdateCommand


def change_port_group(model: Network, command: int, index: int, text: str) -> None:
    """Changes a class of ports.

    Raises:
        VirloomError: As :func:`~virloom.drivers.network.updates.update.update`.
    """
    item = parsed(PortGroup, "portgroup", text)
    if item.name is None:
        raise XmlError(
            f"a port group of network '{model.name}' has no name", domain=ErrorDomain.NETWORK
        )
    if command not in (*ADDS, _Command.MODIFY, _Command.DELETE):
        raise unknown(command)
    groups = model.portgroups
    found = next((n for n, other in enumerate(groups) if other.name == item.name), None)
    if command in ADDS and found is not None:
        raise invalid(f"there is an existing portgroup entry '{item.name}'", model)
    if command not in ADDS and found is None:
        raise invalid(f"couldn't find a portgroup entry '{item.name}'", model)
    default = any(other.default for other in groups if other.name != item.name)
    if item.default and default and command != _Command.DELETE:
        raise invalid("a different portgroup entry is the default already", model)
    if found is None:
        insert(groups, item, command)
    elif command == _Command.MODIFY:
        groups[found] = item
    else:
        del groups[found]


def change_forward_interface(model: Network, command: int, index: int, text: str) -> None:
    """Adds or removes a link of the host.

    Raises:
        VirloomError: As :func:`~virloom.drivers.network.updates.update.update`.
    """
    refuse_modify(command, "forward interfaces")
    item = parsed(ForwardInterface, "interface", text)
    if item.dev is None:
        raise XmlError(
            f"a forward interface of network '{model.name}' has no dev", domain=ErrorDomain.NETWORK
        )
    item.connections = None
    if model.forward is None:
        raise invalid("there is no forward entry", model)
    interfaces = model.forward.interfaces
    found = next((n for n, other in enumerate(interfaces) if other.dev == item.dev), None)
    if command in ADDS:
        if found is not None:
            raise invalid(f"there is an existing interface entry '{item.dev}'", model)
        insert(interfaces, item, command)
    elif command == _Command.DELETE:
        if found is None:
            raise invalid(f"couldn't find an interface entry '{item.dev}'", model)
        del interfaces[found]
    else:
        raise unknown(command)
    model.forward.dev = interfaces[0].dev if interfaces else None
    if not model.forward.pfs:  # whose functions are among the interfaces of what runs
        check_forward(model)
