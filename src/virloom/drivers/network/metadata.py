# SPDX-License-Identifier: Apache-2.0
"""A network's title, description and elements of applications, as calls read and set them."""

from __future__ import annotations

from enum import IntEnum

from virloom.drivers.runtime.arguments import senseless
from virloom.enums.error import ErrorDomain
from virloom.errors import InvalidArg, NoNetworkMetadata, XmlDetail
from virloom.model.metadata import get_metadata, set_metadata
from virloom.model.network import Network
from virloom.procedures import network as p

_DOMAIN = ErrorDomain.NETWORK


class NetworkMetadataType(IntEnum):
    """``virNetworkMetadataType`` of libvirt 9.7, which the tables of 9.0.0 do not have."""

    DESCRIPTION = 0
    TITLE = 1
    ELEMENT = 2


_WORDS = {
    NetworkMetadataType.DESCRIPTION: "description",
    NetworkMetadataType.TITLE: "title",
}


def check_metadata(args: p.NetworkSetMetadataArgs) -> None:
    """Refuses what no document can hold.

    Raises:
        InvalidArg: A title of several lines, or an element without its names.
    """
    _check_kind(args.type, args.uri)
    if args.type == NetworkMetadataType.TITLE and args.metadata and "\n" in args.metadata:
        raise InvalidArg("a title has one line", domain=_DOMAIN)
    if args.type == NetworkMetadataType.ELEMENT and args.metadata is not None and not args.key:
        raise InvalidArg("an element of metadata needs a prefix", domain=_DOMAIN)


def _check_kind(kind: int, uri: str | None) -> None:
    if kind not in tuple(NetworkMetadataType):
        raise InvalidArg(f"unknown metadata type {kind}", domain=_DOMAIN)
    if (kind == NetworkMetadataType.ELEMENT) != bool(uri):
        raise senseless("elements of metadata, and only they, have a name space", _DOMAIN)


def read_metadata(model: Network, kind: int, uri: str | None) -> str:
    """The title, the description or an element.

    Raises:
        InvalidArg: There is no such kind.
        NoNetworkMetadata: The document has none.
    """
    _check_kind(kind, uri)
    if kind == NetworkMetadataType.ELEMENT:
        text = get_metadata(model.metadata, uri or "")
    else:
        text = getattr(model, _WORDS[NetworkMetadataType(kind)]) or None
    if text is None:
        raise NoNetworkMetadata("the network has no such metadata", domain=_DOMAIN)
    return text


def write_metadata(model: Network, args: p.NetworkSetMetadataArgs) -> None:
    """Sets or removes it, in place.

    Raises:
        XmlDetail: The text is not one well-formed element.
    """
    if args.type != NetworkMetadataType.ELEMENT:
        setattr(model, _WORDS[NetworkMetadataType(args.type)], args.metadata or None)
        return
    try:
        model.metadata = set_metadata(model.metadata, args.uri or "", args.key or "", args.metadata)
    except XmlDetail as exc:
        exc.domain = _DOMAIN
        raise
