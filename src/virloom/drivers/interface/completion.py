# SPDX-License-Identifier: Apache-2.0
"""From a client's document to an interface of the host: checked, with libvirt's codes."""

from __future__ import annotations

import re

from virloom.enums.error import ErrorDomain
from virloom.errors import XmlError
from virloom.model.interface import Bond, HostInterface, Protocol
from virloom.xml import parse_document

_MODES = (
    "balance-rr", "active-backup", "balance-xor", "broadcast", "802.3ad", "balance-tlb",
    "balance-alb",
)  # fmt: skip
#: Where a wrong value is an error of interfaces, not of XML.
_OWN = re.compile(r"interface/(start/@mode|protocol(\[\d+\])?/@family): ")
_PARTS = ("bridge", "bond", "vlan")


def parse_interface(text: str, *, validate: bool = False) -> HostInterface:
    """The interface that a document describes.

    Raises:
        XmlError: It is malformed, or lacks what its type needs.
    """
    try:
        model = parse_document(HostInterface, text, validate=validate)
    except XmlError as exc:
        if _OWN.search(exc.message):
            exc.domain = ErrorDomain.INTERFACE  # as libvirt, which reads these by itself
        raise
    if model.type is None:
        raise XmlError(
            "Missing required attribute 'type' in element 'interface'", domain=ErrorDomain.XML
        )
    if not model.name:
        raise _wrong("interface has no name")
    for part in _PARTS:
        if part != model.type:
            setattr(model, part, None)
        elif getattr(model, part) is None:
            raise _wrong(f"{part} interface misses the {part} element")
    for protocol in model.protocols:
        _check_protocol(protocol)
    if model.vlan is not None and model.vlan.tag_ is None:
        raise _wrong("vlan interface misses the tag attribute")
    if model.bond is not None:
        _check_bond(model.bond)
    for port in model.bridge.interfaces if model.bridge is not None else ():
        if port.bond is not None:
            _check_bond(port.bond)
    return model


def _check_protocol(protocol: Protocol) -> None:
    if protocol.family is None:
        raise _wrong("protocol misses the family attribute")
    protocol.ips = [ip for ip in protocol.ips if ip.address is not None]


def _check_bond(bond: Bond) -> None:
    if bond.mode is not None and bond.mode not in _MODES:
        raise _wrong(f"unknown bonding mode {bond.mode}")


def _wrong(what: str) -> XmlError:
    return XmlError(what, domain=ErrorDomain.INTERFACE)
