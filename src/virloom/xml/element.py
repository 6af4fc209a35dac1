# SPDX-License-Identifier: Apache-2.0
"""Element classes: the fields of a class body, collected into tables for reader and writer."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar, Protocol, Self, dataclass_transform

from virloom.enums.error import ErrorDomain
from virloom.xml.fields import SECRET_NAMES, Field, Role
from virloom.xml.node import Node

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from virloom.xml.format import FormatFlags


class Schema(Protocol):
    """What is known about a document type beyond what the classes declare."""

    def knows_element(self, path: str) -> bool:
        """Whether the schema has an element at ``domain/devices/tpm``."""

    def knows_attribute(self, path: str, name: str) -> bool:
        """Whether the schema has that attribute at the element's path."""

    def passes_over(self, path: str) -> bool:
        """Whether a path (attributes as ``/@name``) is in the schema and read by nobody."""


class Extra:
    """What an element held that the schema knows and the class does not: kept word for word."""

    __slots__ = ("attributes", "children")

    def __init__(self) -> None:
        self.attributes: dict[str, str] = {}
        self.children: list[Node] = []

    def copy(self) -> Extra:
        """An independent copy."""
        made = Extra()
        made.attributes = dict(self.attributes)
        made.children = [node.copy() for node in self.children]
        return made


class Shape:
    """What the writer looks at in elements of one class that hold values for the same fields.

    Attributes:
        attributes, children: The fields that may be written, in the order of the document.
        nests: Whether there may be anything between the tags but text.
        bare: Whether there is certainly nothing to be written but the tag.
    """

    __slots__ = ("attributes", "bare", "children", "nests")

    def __init__(
        self,
        attributes: tuple[Field, ...],
        children: tuple[Field, ...],
        *,
        nests: bool,
        bare: bool,
    ) -> None:
        self.attributes = attributes
        self.children = children
        self.nests = nests
        self.bare = bare


class _Fresh:
    """Makes a list or a group on first access and keeps it in the instance (which then wins)."""

    __slots__ = ("factory", "make", "name")

    def __init__(self, name: str, factory: type[Any]) -> None:
        self.name = name
        self.factory = factory
        # Without the arguments that nobody gives: a document has a hundred of them.
        self.make: Callable[..., Any] = factory.__new__

    def __get__(self, instance: object, owner: type) -> Any:
        if instance is None:
            return self
        made = self.make(self.factory)
        instance.__dict__[self.name] = made
        return made


@dataclass_transform(kw_only_default=True, eq_default=False)
class Element:
    """Base of all element classes.

    A subclass declares its fields with the functions of :mod:`virloom.xml.fields`; what a
    constructor or a document does not give is None, False, an empty list or an empty group.
    Elements are mutable and compared by identity; :meth:`copy` gives an independent tree.
    """

    tag: ClassVar[str] = ""
    """The element's own name, for classes that can be the root of a document."""
    schema_path: ClassVar[str] = ""
    """The path of the root in the schema: ``domain`` or ``domain/devices/disk``."""
    closed: ClassVar[str] = ""
    """What a child that is not declared is called in the error; empty where it is no error."""
    empty: ClassVar[str] = ""
    """How an element that holds nothing is closed: ``lines`` on a line of its own, ``text`` on
    the same one; empty for ``<x/>``."""
    always: ClassVar[bool] = False
    """Whether a group is shown even where it holds nothing."""
    namespaces: ClassVar[dict[str, str]] = {}
    """Of a root: the prefix by which its fields are declared, by name space."""

    error_domain: ClassVar[ErrorDomain] = ErrorDomain.XML
    """Who speaks in errors about documents of this root."""

    _fields: ClassVar[dict[str, Field]] = {}
    _attributes: ClassVar[dict[str, Field]] = {}
    _children: ClassVar[dict[str, Field]] = {}
    _content: ClassVar[Field | None] = None
    _attribute_order: ClassVar[tuple[Field, ...]] = ()
    _required: ClassVar[tuple[str, ...]] = ()
    _child_order: ClassVar[tuple[Field, ...]] = ()
    _adapts: ClassVar[bool] = False
    _takes: ClassVar[bool] = False
    _shows: ClassVar[bool] = False
    _shapes: ClassVar[dict[tuple[object, ...], Shape]] = {}
    """By the flags that it is written under and the names of its values; see the writer."""

    def __init_subclass__(cls) -> None:
        fields = dict(cls._fields)
        for name, value in list(cls.__dict__.items()):
            if isinstance(value, Field):
                value.python = name
                value.name = value.name or name
                fields[name] = value
                if value.secret:
                    SECRET_NAMES.add(value.name)
                _install(cls, value)
        ordered = sorted(fields.values(), key=lambda field: field.order)
        cls._fields = fields
        cls._attribute_order = tuple([f for f in ordered if f.role is Role.ATTRIBUTE])
        cls._child_order = tuple(
            [f for f in ordered if f.role not in (Role.ATTRIBUTE, Role.CONTENT)]
        )
        cls._attributes = {f.name: f for f in cls._attribute_order}
        cls._required = tuple([f.name for f in cls._attribute_order if f.required])
        cls._children = {
            name: f
            for f in cls._child_order
            for name in (*f.members, *(() if f.members else (f.name,)))
        }
        cls._content = next((f for f in ordered if f.role is Role.CONTENT), None)
        # Hooks are looked up once per class: a document has a hundred elements, few with a hook.
        cls._adapts = cls.adapted is not Element.adapted
        cls._takes = cls.take_attributes is not Element.take_attributes
        cls._shows = cls.attribute_texts is not Element.attribute_texts
        cls._shapes = {}

    def __init__(self, **fields: Any) -> None:
        for name, value in fields.items():
            if name not in self._fields and not _is_beside(self, name):
                raise TypeError(f"{type(self).__name__} has no field '{name}'")
            self.__dict__[name] = value

    def __repr__(self) -> str:
        shown = ", ".join(f"{name}={value!r}" for name, value in self.__dict__.items())
        return f"{type(self).__name__}({shown})"

    @classmethod
    def schema(cls) -> Schema | None:
        """The schema that tells unknown names from names that are merely not modelled."""
        return None

    @property
    def extra(self) -> Extra:
        """What is kept verbatim of this element; empty when everything is modelled."""
        found: Extra | None = self.__dict__.get("_extra")
        if found is None:
            found = self.__dict__["_extra"] = Extra()
        return found

    def adapted(self, flags: FormatFlags) -> Self:
        """What is to be written under these flags instead of the element: itself or a changed copy.

        For what follows from more than one field; plain cases are field options.
        """
        return self

    def complete(self) -> None:
        """Checks what a document of this kind cannot be without; called once it is read.

        Raises:
            VirloomError: Something is missing.
        """

    def implied(self, flags: FormatFlags) -> FormatFlags:
        """The flags with what follows for the whole document, asked of its root."""
        return flags

    def beside(self, **changes: Any) -> Self:
        """A copy with other field values; unchanged children are shared, so it is for reading."""
        made = type(self).__new__(type(self))
        made.__dict__.update(self.__dict__)
        made.__dict__.update(changes)
        return made

    def copy(self) -> Self:
        """An independent copy of the whole tree."""
        made = _new(type(self))
        values = made.__dict__
        for name, value in self.__dict__.items():
            if type(value) in _PLAIN:  # nearly all
                values[name] = value
            elif type(value) is list:
                values[name] = [_copied(item) for item in value]
            else:
                values[name] = _copied(value)
        return made

    def attribute_texts(self, flags: FormatFlags) -> Iterator[tuple[str, str]]:
        """Attributes in an order and form of the class's own, instead of the declared ones."""
        raise NotImplementedError(type(self).__name__)

    def take_attributes(self, attributes: dict[str, str]) -> dict[str, str]:
        """Reads attributes whose form depends on one another; returns those left to the tables.

        Raises:
            ValueError: With the name of the attribute and what was expected as arguments, and whose
                error that is (an ``ErrorDomain``) where it is not the reader's.
        """
        return attributes


def _install(cls: type[Element], field: Field) -> None:
    if field.role in (Role.LEAVES, Role.CHILDREN, Role.VERBATIM, Role.MIXTURE):
        setattr(cls, field.python, _Fresh(field.python, list))
    elif field.role is Role.CHILD and field.cls is None:
        field.cls = cls
        setattr(cls, field.python, None)
    elif field.role is Role.GROUP:
        assert field.cls is not None
        setattr(cls, field.python, _Fresh(field.python, field.cls))
    else:
        setattr(cls, field.python, field.default)


def _is_beside(element: Element, name: str) -> bool:
    return any(
        name == python
        for field in element._child_order
        for python, _ in (field.beside or {}).values()
    )


#: Makes an element without a call of Python's.
_new = object.__new__

#: Types of most values, which nobody can change.
_PLAIN = frozenset({str, int, bool, type(None), float})


def _copied(value: Any) -> Any:
    if isinstance(value, (Element, Node, Extra)):
        return value.copy()
    if isinstance(value, list):
        return [_copied(item) for item in value]
    return value


def holds(value: object) -> bool:
    """Whether the value of a field is anything to be written."""
    if isinstance(value, Element):
        return any(holds(inner) for inner in value.__dict__.values())
    if isinstance(value, Extra):
        return bool(value.attributes or value.children)
    return value is not None and value != [] and value is not False
