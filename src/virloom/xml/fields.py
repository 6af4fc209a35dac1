# SPDX-License-Identifier: Apache-2.0
"""Field declarations: each says once how one attribute or child element is called, read and shown.

The functions are typed as what the field holds, so that ``queues: int | None = attribute(UINT)``
is checked by the type checker; at run time they return a :class:`Field`, which
:class:`~virloom.xml.element.Element` turns into its tables.
"""

from __future__ import annotations

from enum import IntEnum
from typing import TYPE_CHECKING, Any, NamedTuple, TypeVar, cast, overload

from virloom.enums.error import ErrorDomain
from virloom.errors import VirloomError, XmlError
from virloom.xml.kinds import STRING, Kind

if TYPE_CHECKING:
    from collections.abc import Mapping

    from virloom.xml.element import Element
    from virloom.xml.node import Node

T = TypeVar("T")
E = TypeVar("E", bound="Element")


class Role(IntEnum):
    """What a field stands for in the document."""

    ATTRIBUTE = 0
    CONTENT = 1
    LEAF = 2
    LEAVES = 3
    FLAG = 4
    CHILD = 5
    GROUP = 6
    CHILDREN = 7
    VERBATIM = 8
    RAW = 9
    MIXTURE = 10


#: Names of all attributes that are secret; filled as the model's classes are declared.
SECRET_NAMES: set[str] = set()


class Once(NamedTuple):
    """The error of a child element that a document has twice."""

    error: type[VirloomError] = XmlError
    domain: ErrorDomain = ErrorDomain.DOMAIN


#: What most of a domain's have.
ONCE = Once()


class Field:
    """One declared field.

    ``name`` is the name in the document, ``python`` the name of the model's attribute. ``order``
    sorts what is written (declaration order among equals); ``since`` is the libvirt version that
    brought it, ``live`` marks what only a running guest shows, ``secret`` what needs SECURE,
    ``required`` what no document may leave out, ``once`` how a second one is refused (where that
    is none, the first counts), and ``members`` has the classes of a mixture by their tags.
    """

    __slots__ = (
        "beside",
        "cls",
        "default",
        "kind",
        "live",
        "members",
        "name",
        "once",
        "order",
        "parse",
        "python",
        "required",
        "role",
        "secret",
        "since",
    )

    def __init__(
        self,
        role: Role,
        name: str | None,
        *,
        kind: Kind[Any] = STRING,
        cls: type[Element] | None = None,
        default: object = None,
        order: int = 0,
        since: str = "",
        live: bool = False,
        secret: bool = False,
        beside: Mapping[str, tuple[str, Kind[Any]]] | None = None,
        required: bool = False,
        members: tuple[type[Element], ...] = (),
        once: Once | None = None,
    ) -> None:
        self.role = role
        self.python = ""
        self.name = name or ""
        self.kind = kind
        self.parse = kind.parse
        self.cls = cls
        self.default = default
        self.order = order
        self.since = since
        self.live = live
        self.secret = secret
        self.beside = beside
        self.required = required
        self.once = once
        self.members = {member.tag: member for member in members}


@overload
def attribute(
    kind: Kind[T] = ...,
    name: str | None = ...,
    *,
    live: bool = ...,
    secret: bool = ...,
    order: int = ...,
    since: str = ...,
    required: bool = ...,
) -> T | None: ...
@overload
def attribute(
    kind: Kind[T],
    name: str | None = ...,
    *,
    default: T,
    live: bool = ...,
    secret: bool = ...,
    order: int = ...,
    since: str = ...,
) -> T: ...
def attribute(
    kind: Kind[Any] = STRING,
    name: str | None = None,
    *,
    default: object = None,
    live: bool = False,
    secret: bool = False,
    order: int = 0,
    since: str = "",
    required: bool = False,
) -> Any:
    """An attribute of the element: ``<x name='…'/>``; with a default it is always written."""
    return Field(
        Role.ATTRIBUTE,
        name,
        kind=kind,
        default=default,
        live=live,
        secret=secret,
        order=order,
        since=since,
        required=required,
    )


def content(kind: Kind[T] = STRING, *, since: str = "") -> T | None:  # type: ignore[assignment] # the default fits the T of its callers
    """The element's own text: ``<x>…</x>``."""
    return cast("T | None", Field(Role.CONTENT, None, kind=kind, since=since))


@overload
def leaf(
    kind: Kind[T] = ..., name: str | None = ..., *, order: int = ..., since: str = ...
) -> T | None: ...
@overload
def leaf(
    kind: Kind[T],
    name: str | None = ...,
    *,
    default: T,
    order: int = ...,
    since: str = ...,
    beside: Mapping[str, tuple[str, Kind[Any]]] | None = ...,
) -> T: ...
def leaf(
    kind: Kind[Any] = STRING,
    name: str | None = None,
    *,
    default: object = None,
    order: int = 0,
    since: str = "",
    beside: Mapping[str, tuple[str, Kind[Any]]] | None = None,
) -> Any:
    """A child element that is only text: ``<name>…</name>``; with a default always written.

    ``beside`` maps further attributes of that child to fields of the same class, so that a
    plain value stays a plain value: ``{"dumpCore": ("dump_core", ON_OFF)}``.
    """
    return Field(
        Role.LEAF, name, kind=kind, default=default, order=order, since=since, beside=beside
    )


def leaves(kind: Kind[T], name: str, *, order: int = 0, since: str = "") -> list[T]:
    """Child elements that are only text, any number: ``<name>…</name><name>…</name>``."""
    return cast("list[T]", Field(Role.LEAVES, name, kind=kind, order=order, since=since))


def flag(name: str | None = None, *, order: int = 0, since: str = "") -> bool:
    """A child element whose presence says it: ``<name/>``."""
    return cast("bool", Field(Role.FLAG, name, default=False, order=order, since=since))


def child(
    cls: type[E],
    name: str | None = None,
    *,
    order: int = 0,
    live: bool = False,
    since: str = "",
    once: Once | None = None,
) -> E | None:
    """A child element that may be absent, and whose mere presence means something."""
    made = Field(Role.CHILD, name, cls=cls, order=order, live=live, since=since, once=once)
    return cast("E | None", made)


def itself(name: str, *, order: int = 0, since: str = "") -> Any:
    """A child element of the declaring class's own kind (a backing image has a backing image)."""
    return Field(Role.CHILD, name, order=order, since=since)


def group(
    cls: type[E],
    name: str | None = None,
    *,
    order: int = 0,
    since: str = "",
    once: Once | None = None,
) -> E:
    """A child element that is always there to be asked, and written when it holds something."""
    return cast("E", Field(Role.GROUP, name, cls=cls, order=order, since=since, once=once))


def children(
    cls: type[E], name: str, *, order: int = 0, live: bool = False, since: str = ""
) -> list[E]:
    """Child elements of one tag, any number, in the document's order."""
    made = Field(Role.CHILDREN, name, cls=cls, order=order, live=live, since=since)
    return cast("list[E]", made)


def mixture(*members: type[E], order: int = 0, since: str = "") -> list[E]:
    """Child elements of several tags whose order among each other counts; each class has a tag."""
    made = Field(Role.MIXTURE, None, members=members, order=order, since=since)
    return cast("list[E]", made)


def verbatim(name: str, *, order: int = 0, since: str = "") -> list[Node]:
    """Child elements that are not modelled but have a known place: kept word for word."""
    return cast("list[Node]", Field(Role.VERBATIM, name, order=order, since=since))


def raw(name: str | None = None, *, order: int = 0, since: str = "") -> Node | None:
    """The child element whose content belongs to others (``<metadata>``)."""
    return cast("Node | None", Field(Role.RAW, name, order=order, since=since))
