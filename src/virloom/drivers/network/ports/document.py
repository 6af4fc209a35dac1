# SPDX-License-Identifier: Apache-2.0
"""The document of a port, as a hypervisor's driver asks for one."""

from __future__ import annotations

from uuid import uuid4

from virloom.drivers.network.checks import is_unicast_mac
from virloom.enums.error import ErrorDomain
from virloom.errors import InternalError, XmlError
from virloom.model.network.port import NetworkPort
from virloom.xml import parse_document

_DOMAIN = ErrorDomain.NETWORK


def parse_port(text: str, *, validate: bool = False) -> NetworkPort:
    """The port that a document describes, with a UUID.

    Raises:
        XmlError: It is malformed, or has no hardware address of one card.
        InternalError: It lacks its owner or its hardware address (libvirt's code for it).
    """
    model = parse_document(NetworkPort, text, validate=validate)
    model.uuid = model.uuid or str(uuid4())
    if not model.owner.name or not model.owner.uuid:
        what = "uuid" if model.owner.name else "name"
        raise InternalError(f"network port has no owner {what}", domain=_DOMAIN)
    if model.mac.address is None:
        raise InternalError("network port has no mac", domain=_DOMAIN)
    if not is_unicast_mac(model.mac.address):
        raise XmlError(
            f"a network port has the address of one card, not '{model.mac.address}'",
            domain=_DOMAIN,
        )
    return model
