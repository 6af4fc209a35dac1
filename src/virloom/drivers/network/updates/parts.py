# SPDX-License-Identifier: Apache-2.0
"""What changes of all parts have alike: the part's document, its place, and what is refused."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import TypeVar

from virloom.enums.error import ErrorDomain
from virloom.enums.network import NetworkUpdateCommand
from virloom.errors import OperationInvalid, OperationUnsupported, XmlDetail, XmlError
from virloom.model.network import Network
from virloom.xml import Element, parse_document

E = TypeVar("E", bound=Element)

ADDS = (NetworkUpdateCommand.ADD_FIRST, NetworkUpdateCommand.ADD_LAST)


@cache
def _root(kind: type[Element], tag: str) -> type[Element]:
    """The same class for a part that is a document by itself."""
    return type(kind.__name__, (kind,), {"tag": tag, "error_domain": ErrorDomain.NETWORK})


def parsed(kind: type[E], tag: str, text: str) -> E:
    """The part that a document describes.

    Raises:
        XmlError: It is malformed.
        XmlDetail: It is none.
    """
    try:
        part: Element = parse_document(_root(kind, tag), text)  # type: ignore[arg-type] # a class is hashable
    except (XmlError, XmlDetail) as exc:
        exc.domain = ErrorDomain.NETWORK
        raise
    assert isinstance(part, kind)
    return part


def invalid(what: str, model: Network) -> OperationInvalid:
    """The error of what is there already, or is not."""
    return OperationInvalid(f"{what} in network '{model.name}'", domain=ErrorDomain.NETWORK)


def unknown(command: int) -> OperationUnsupported:
    """The error of a command that is none."""
    return OperationUnsupported(
        f"unrecognized network update command code {command}", domain=ErrorDomain.NETWORK
    )


def refuse_modify(command: int, what: str) -> None:
    """Refuses to modify parts that only come and go.

    Raises:
        OperationUnsupported: The command is that one.
    """
    if command == NetworkUpdateCommand.MODIFY:
        raise OperationUnsupported(
            f"{what} cannot be modified, only added or deleted", domain=ErrorDomain.NETWORK
        )


def insert(items: list[E], item: E, command: int) -> None:
    """Adds *item* at the end that is meant."""
    items.insert(0 if command == NetworkUpdateCommand.ADD_FIRST else len(items), item)


def place(items: list[E], same: Callable[[E], bool], what: str, model: Network) -> int:
    """Where in its list the part is that is meant.

    Raises:
        OperationInvalid: There is none.
    """
    for number, item in enumerate(items):
        if same(item):
            return number
    raise invalid(f"couldn't locate a matching {what} entry", model)
