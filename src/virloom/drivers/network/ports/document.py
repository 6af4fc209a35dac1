# SPDX-License-Identifier: Apache-2.0
"""The document of a port, as a hypervisor's driver asks for one."""

from __future__ import annotations

from virloom.drivers.network.checks import is_mac, is_unicast_mac
from virloom.drivers.runtime.traffic_rules import check_bandwidth, check_vlan, complete_vlan
from virloom.enums.error import ErrorDomain
from virloom.errors import InternalError, XmlError
from virloom.model.network.port import NetworkPort, Plug
from virloom.xml import holds, parse_document

_DOMAIN = ErrorDomain.NETWORK


def parse_port(text: str, *, validate: bool = False) -> NetworkPort:
    """The port that a document describes.

    Raises:
        XmlError: It is malformed, or has no hardware address of one card.
        InternalError: It lacks its UUID, owner or hardware address (libvirt's code for it).
        VirloomError: Its rates or VLANs are none.
    """
    model = parse_document(NetworkPort, text, validate=validate)
    if model.uuid is None:
        raise InternalError("network port has no uuid", domain=_DOMAIN)
    if not model.owner.name or not model.owner.uuid:
        what = "uuid" if model.owner.name else "name"
        raise InternalError(f"network port has no owner {what}", domain=_DOMAIN)
    if model.mac.address is None:
        raise InternalError("network port has no mac", domain=_DOMAIN)
    if not is_mac(model.mac.address):
        raise InternalError(f"'{model.mac.address}' is no MAC address", domain=_DOMAIN)
    if not is_unicast_mac(model.mac.address):
        raise XmlError(
            f"a network port has the address of one card, not '{model.mac.address}'",
            domain=_DOMAIN,
        )
    check_bandwidth(model.bandwidth, with_class=True)
    check_vlan(model.vlan)
    complete_vlan(model.vlan)
    if model.bandwidth is not None and not holds(model.bandwidth):
        model.bandwidth = None
    _complete_plug(model.plug)
    return model


def _complete_plug(plug: Plug) -> None:
    """Fills in what a plug leaves out, in place.

    Raises:
        XmlError: It does not say what it is plugged into.
    """
    if plug.type in ("network", "bridge") and plug.bridge is None:
        raise XmlError("a network port has no bridge", domain=_DOMAIN)
    if plug.type == "hostdev-pci" and not holds(plug.address):
        raise XmlError("a network port has no PCI address", domain=_DOMAIN)
    if plug.type == "direct":
        plug.mode = plug.mode or "vepa"
