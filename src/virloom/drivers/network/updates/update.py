# SPDX-License-Identifier: Apache-2.0
"""One change of one part of a network's document, by its section."""

from __future__ import annotations

from collections.abc import Callable

from virloom.drivers.network.completion import fill_addresses
from virloom.drivers.network.updates.addresses import change_host, change_range
from virloom.drivers.network.updates.names import change_dns_host, change_srv, change_txt
from virloom.drivers.network.updates.ports import change_forward_interface, change_port_group
from virloom.enums.error import ErrorDomain
from virloom.enums.network import NetworkUpdateSection
from virloom.errors import OperationUnsupported
from virloom.model.network import Network

_Section = NetworkUpdateSection

#: Sections that no driver of libvirt can change.
_FIXED = (_Section.BRIDGE, _Section.DOMAIN, _Section.IP, _Section.FORWARD, _Section.FORWARD_PF)

_CHANGES: dict[NetworkUpdateSection, Callable[[Network, int, int, str], None]] = {
    _Section.IP_DHCP_HOST: change_host,
    _Section.IP_DHCP_RANGE: change_range,
    _Section.FORWARD_INTERFACE: change_forward_interface,
    _Section.PORTGROUP: change_port_group,
    _Section.DNS_HOST: change_dns_host,
    _Section.DNS_TXT: change_txt,
    _Section.DNS_SRV: change_srv,
}


def update(model: Network, command: int, section: int, index: int, text: str) -> None:
    """Changes one part of *model*, in place.

    Args:
        command: What is to be done (``virNetworkUpdateCommand``).
        section: With what (``virNetworkUpdateSection``).
        index: Of the ``<ip>`` that is meant; -1 for the one that has DHCP.
        text: The part.

    Raises:
        OperationUnsupported: That cannot be changed.
        OperationInvalid: What is to be added is there, or what is to be changed is not.
        VirloomError: The part is none, or the network would be none with it.
    """
    try:
        what = _Section(section)
        change = _CHANGES[what]
    except (ValueError, KeyError) as exc:
        known = section in _FIXED
        name = f"'{_Section(section).name.lower()}'" if known else "unrecognized"
        raise OperationUnsupported(
            f"can't update {name} section of network", domain=ErrorDomain.NETWORK
        ) from exc
    change(model, command, index, text)
    fill_addresses(model)
