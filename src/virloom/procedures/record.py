# SPDX-License-Identifier: Apache-2.0
"""What the generated procedure modules are made of: records and procedures.

A record is a typed argument, result or event structure. A procedure names its argument and its
result record, so a call through the seam is checked by the type checker from end to end.
"""

from __future__ import annotations

from typing import Any, ClassVar, Generic, Literal, TypeVar

#: How a field travels: a scalar's name, a record class, or a tuple of a constructor and its
#: parts, e.g. ``("list", ("string", 4194304), 1024)``. The XDR codec is compiled from these.
WireType = Any

#: Who serves a procedure when there is one daemon per area.
Area = Literal[
    "connect", "domain", "network", "storage", "secret", "nodedev", "nwfilter", "interface",
    "qemu", "lxc", "admin", "lock", "log", "recorder",
]  # fmt: skip


class Record:
    """A structure of the protocol. Subclasses are generated, with slots and a typed constructor."""

    __slots__ = ()

    #: (attribute, wire type) in wire order.
    WIRE: ClassVar[tuple[tuple[str, WireType], ...]] = ()

    #: Its bytes on the wire, where whoever made it knows them (in a slot of a subclass, whose
    #: records must not change any more). A list of records takes them as they are.
    encoded: bytes | None = None

    def __eq__(self, other: object) -> bool:
        return (
            isinstance(other, Record)
            and self.WIRE is other.WIRE
            and all(getattr(self, name) == getattr(other, name) for name, _ in self.WIRE)
        )

    __hash__ = None  # type: ignore[assignment] # records are mutable values

    def __repr__(self) -> str:
        fields = ", ".join(f"{name}={getattr(self, name)!r}" for name, _ in self.WIRE)
        return f"{type(self).__name__}({fields})"


class Void(Record):
    """The empty argument or result."""

    __slots__ = ()


VOID = Void()

A = TypeVar("A", bound=Record)
R = TypeVar("R", bound=Record)


class Procedure(Generic[A, R]):
    """One entry of a program: its number, its records, and what the server must know about it.

    ``args`` of an event is its message, and its ``ret`` is :class:`Void`. ``readonly`` says that a
    read-only connection may make the call, but not with any of ``denied_flags``. ``sparse_flag`` is
    the one of its flags that asks for a stream with holes, 0 where it has none.
    """

    __slots__ = (
        "_api", "acl", "area", "args", "denied_flags", "kind", "name", "number", "priority",
        "program", "readonly", "ret", "sparse_flag", "stream",
    )  # fmt: skip

    def __init__(
        self,
        program: int,
        number: int,
        name: str,
        area: Area,
        args: type[A],
        ret: type[R],
        *,
        kind: Literal["call", "event"] = "call",
        priority: Literal["high", "low"] = "low",
        stream: Literal["none", "server-to-client", "client-to-server"] = "none",
        acl: tuple[str, ...] | None = None,
        readonly: bool = False,
        denied_flags: int = 0,
        sparse_flag: int = 0,
        api: str = "",
    ) -> None:
        self.program = program
        self.number = number
        self.name = name
        self.area = area
        self.args = args
        self.ret = ret
        self.kind = kind
        self.priority = priority
        self.stream = stream
        self.acl = acl
        self.readonly = readonly
        self.denied_flags = denied_flags
        self.sparse_flag = sparse_flag
        self._api = api

    def asks_for_holes(self, args: Record) -> bool:
        """Whether a call with *args* opens a stream that carries holes."""
        return bool(self.sparse_flag and getattr(args, "flags", 0) & self.sparse_flag)

    @property
    def api_name(self) -> str:
        """libvirt's name of the function that makes this call, as its messages have it."""
        if self._api:
            return self._api
        for record, suffix in ((self.args, "Args"), (self.ret, "Ret")):
            name = record.__name__
            if name.endswith(suffix):
                return "vir" + name.removesuffix(suffix)
        return "vir" + "".join(word.capitalize() for word in self.name.split("_"))

    def __repr__(self) -> str:
        return f"<procedure {self.name} ({self.program:#x}:{self.number})>"


class TypedParamValue(Record):
    """A value with its libvirt type (``virTypedParameterType``: 1 int .. 7 string)."""

    __slots__ = ("type", "value")

    WIRE = (("type", "typed-param-type"), ("value", "typed-param-value"))

    def __init__(self, type: int, value: int | float | str) -> None:
        self.type = type
        self.value = value


_TYPE_NUMBERS = {
    "int": 1, "uint": 2, "llong": 3, "ullong": 4, "double": 5, "boolean": 6, "string": 7,
}  # fmt: skip


def typed_value(kind: str, value: int | float | str | bool) -> TypedParamValue:
    """A value tagged by the short name of its type (``int``, ``ullong``, ``string``, ...)."""
    return TypedParamValue(_TYPE_NUMBERS[kind], int(value) if isinstance(value, bool) else value)
