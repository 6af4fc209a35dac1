# SPDX-License-Identifier: Apache-2.0
"""A domain's title, description and elements of applications, as calls read and set them."""

from __future__ import annotations

from collections.abc import Callable

from virloom.drivers.runtime.arguments import senseless
from virloom.enums.domain import DomainMetadataType
from virloom.enums.error import ErrorDomain
from virloom.errors import InvalidArg, NoDomainMetadata, XmlDetail
from virloom.model.domain import Domain
from virloom.model.metadata import get_metadata, set_metadata
from virloom.procedures import domain as p

_NAMES = {
    DomainMetadataType.DESCRIPTION: "description",
    DomainMetadataType.TITLE: "title",
    DomainMetadataType.ELEMENT: "metadata",
}


def check_uri(function: str, kind: int, uri: str | None) -> None:
    """Elements have a name space, and only they.

    Raises:
        InvalidArg: Words have one, or an element has none.
    """
    words = (DomainMetadataType.DESCRIPTION, DomainMetadataType.TITLE)
    if kind in words and uri is not None:
        raise senseless(f"uri in {function} must be NULL")
    if kind == DomainMetadataType.ELEMENT and uri is None:
        raise senseless(f"uri in {function} must not be NULL")


def check_metadata(args: p.DomainSetMetadataArgs) -> None:
    """Refuses what no document can hold.

    Raises:
        InvalidArg: A title of several lines, or an element without its names.
    """
    check_uri("virDomainSetMetadata", args.type, args.uri)
    if args.type == DomainMetadataType.TITLE and args.metadata and "\n" in args.metadata:
        raise InvalidArg("metadata title can't contain newlines", domain=ErrorDomain.DOMAIN)
    if args.type != DomainMetadataType.ELEMENT:
        name_of(args.type)
        return
    if not args.uri:
        raise InvalidArg("an element of metadata needs a namespace URI", domain=ErrorDomain.DOMAIN)
    if args.metadata is not None and not args.key:
        raise InvalidArg("an element of metadata needs a prefix", domain=ErrorDomain.DOMAIN)


def name_of(kind: int) -> str:
    """The element that holds it.

    Raises:
        InvalidArg: There is no such kind.
    """
    try:
        return _NAMES[DomainMetadataType(kind)]
    except ValueError as exc:
        raise InvalidArg(f"unknown metadata type {kind}", domain=ErrorDomain.DOMAIN) from exc


def read_metadata(model: Callable[[], Domain], kind: int, uri: str | None) -> str:
    """The title, the description or an element.

    Args:
        model: Gives the document; asked once it is known what for.

    Raises:
        InvalidArg: There is no such kind.
        NoDomainMetadata: The document has none.
    """
    name = name_of(kind)
    if name == "metadata":
        text = get_metadata(model().metadata, uri or "")
    else:
        text = getattr(model(), name) or None
    if text is None:
        raise NoDomainMetadata(
            "Requested metadata element is not present", domain=ErrorDomain.DOMAIN
        )
    return text


def write_metadata(model: Domain, args: p.DomainSetMetadataArgs) -> None:
    """Sets or removes it.

    Raises:
        XmlDetail: The text is not one well-formed element.
    """
    if args.type == DomainMetadataType.ELEMENT:
        try:
            model.metadata = set_metadata(
                model.metadata, args.uri or "", args.key or "", args.metadata
            )
        except XmlDetail as exc:
            exc.domain = ErrorDomain.DOMAIN
            raise
    else:
        setattr(model, name_of(args.type), args.metadata or None)
