# SPDX-License-Identifier: Apache-2.0
"""Checks of what a network card asks of the switch that it is plugged into: virtual port and VLANs.

A definition is refused for what is no such thing at all; a start for what the switch at the other
end has not, which a card of a virtual network only knows when it has its port.
"""

from __future__ import annotations

from virloom.drivers.runtime.traffic_rules import check_vlan
from virloom.enums.error import ErrorDomain
from virloom.errors import ConfigUnsupported, XmlError
from virloom.host.virtual_functions import find_link
from virloom.model.domain import Interface, VirtualPort

_TYPES_WITH_VIRTUALPORT = ("network", "bridge", "direct", "hostdev")
_TYPES_WITH_ISOLATION = ("network", "bridge")
#: What each kind of port cannot do without, by its attribute, in the order of libvirt's complaints.
_PARAMETERS = {
    "802.1Qbg": ("managerid", "typeid", "typeidversion", "instanceid"),
    "802.1Qbh": ("profileid",),
    "midonet": ("interfaceid",),
}


def is_on_openvswitch(interface: Interface) -> bool:
    """Whether the card is plugged into a bridge of Open vSwitch."""
    port = interface.virtualport
    return interface.type == "bridge" and port is not None and port.type == "openvswitch"


def check_given_port(interface: Interface) -> None:
    """The document's own words, whatever the switch is.

    Raises:
        XmlError: Something is missing or contradictory.
        ConfigUnsupported: This type of interface has no such thing.
    """
    check_vlan(interface.vlan)
    if interface.virtualport is not None:
        _check_virtual_port(interface, interface.virtualport)
    _check_isolation(interface)


def _check_virtual_port(interface: Interface, port: VirtualPort) -> None:
    if interface.type not in _TYPES_WITH_VIRTUALPORT:
        raise ConfigUnsupported(
            f"an interface of type '{interface.type}' has no <virtualport>",
            domain=ErrorDomain.DOMAIN,
        )
    if port.type is None and interface.type != "network":  # whose network may say it
        raise XmlError("<virtualport> has no type", domain=ErrorDomain.NONE)
    if interface.type == "network":
        return  # which may say the rest as well, and is asked at the start
    for name in _PARAMETERS.get(port.type or "", ()):
        if getattr(port.parameters, name) is None:
            raise XmlError(
                f"<virtualport type='{port.type}'> has no {name}", domain=ErrorDomain.NET
            )


def _check_isolation(interface: Interface) -> None:
    port = interface.virtualport
    if not interface.port.isolated:
        return
    what = ""
    if interface.type not in _TYPES_WITH_ISOLATION:
        what = f"of type '{interface.type}'"
    elif port is not None and port.type is not None:
        what = f"with a virtual port of type '{port.type}'"
    if what:
        raise ConfigUnsupported(
            f"interface {interface.mac.address}: <port isolated='yes'/> is not for interfaces "
            f"{what}",
            domain=ErrorDomain.DOMAIN,
        )


def check_connected_port(interface: Interface) -> None:
    """What the switch can do of it, once it is known how the card is connected.

    Raises:
        ConfigUnsupported: It cannot.
    """
    port, name = interface.virtualport, f"interface {interface.mac.address}"
    kind = port.type if port is not None else None
    if kind in ("802.1Qbg", "802.1Qbh", "midonet") and interface.type in ("bridge", "direct"):
        raise ConfigUnsupported(
            f"{name}: nothing here registers virtual ports of type '{kind}' with a switch",
            domain=ErrorDomain.QEMU,
        )
    if interface.vlan is not None and interface.vlan.tags:
        _check_vlan(interface, name)
    if interface.filterref is not None and kind is not None:
        raise ConfigUnsupported(
            f"{name}: filterref is not supported with virtualport type '{kind}'",
            domain=ErrorDomain.QEMU,
        )


def _check_vlan(interface: Interface, name: str) -> None:
    if is_on_openvswitch(interface) or interface.type == "hostdev":
        return
    if interface.type == "bridge":
        return  # which knows VLANs where it filters them: the host has to be asked
    if interface.type == "direct" and interface.source.mode == "passthrough":
        if find_link(interface.source.dev or "") is not None:
            return  # whoever makes its macvtap has the card tag its frames
        raise ConfigUnsupported(
            f"{name}: only a virtual function of SR-IOV tags frames itself, and "
            f"'{interface.source.dev}' is none",
            domain=ErrorDomain.NONE,
        )
    raise ConfigUnsupported(
        f"{name}: vlan tag not supported for this connection type",
        domain=ErrorDomain.DOMAIN,
        remedy="VLANs of a guest's card need a bridge, of Open vSwitch or one that filters them",
    )
