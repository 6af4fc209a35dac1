# SPDX-License-Identifier: Apache-2.0
"""From a method of the binding to a procedure and back: arguments, results, objects."""

from __future__ import annotations

import functools
import importlib
import operator
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any
from uuid import UUID

from libvirt._calls import CALLS
from libvirt._errors import fail, must_not_be_null, virResetLastError
from virloom.enums.error import ErrorDomain
from virloom.errors import InvalidConn, NoSupport, VirloomError
from virloom.procedures.record import VOID, Procedure, Record, TypedParamValue, Void

if TYPE_CHECKING:
    from libvirt._handle import Handle

#: The classes of the binding by name; filled when they are made.
CLASSES: dict[str, type[Any]] = {}

#: Which class shows a record of the wire.
_SHOWN_BY = {
    "NonnullDomain": "virDomain",
    "NonnullDomainSnapshot": "virDomainSnapshot",
    "NonnullDomainCheckpoint": "virDomainCheckpoint",
    "NonnullNetwork": "virNetwork",
    "NonnullNetworkPort": "virNetworkPort",
    "NonnullInterface": "virInterface",
    "NonnullNodeDevice": "virNodeDevice",
    "NonnullNwfilter": "virNWFilter",
    "NonnullNwfilterBinding": "virNWFilterBinding",
    "NonnullSecret": "virSecret",
    "NonnullStoragePool": "virStoragePool",
    "NonnullStorageVol": "virStorageVol",
}

#: Arguments that the C function has as a size, and Python callers do not see.
_NEED_ALL = "need_results"
_MAXIMA = ("maxnames", "maxids", "maxuuids")

#: What a value must be, by the form of its wire type: bits and whether it is signed.
_INTEGERS = {
    "int": (32, True), "uint": (32, False), "hyper": (64, True), "uhyper": (64, False),
    "short": (16, True), "ushort": (16, False), "char": (8, True), "uchar": (8, False),
}  # fmt: skip

#: The domain of "not supported", by the beginning of the function's name; else DOMAIN (20).
_DOMAINS = {
    "virNetwork": 19, "virStorage": 18, "virSecret": 30, "virNodeDevice": 22, "virInterface": 26,
    "virNWFilter": 33, "virStream": 38,
}  # fmt: skip

_TYPES = {"int": 1, "uint": 2, "llong": 3, "ullong": 4, "double": 5, "boolean": 6, "string": 7}


@functools.cache
def procedure_of(function: str) -> Procedure[Any, Any]:
    """The procedure of a C function."""
    area, name = CALLS[function]
    found = getattr(importlib.import_module(f"virloom.procedures.{area}"), name)
    assert isinstance(found, Procedure)
    return found


def handle_of(owner: Any, function: str) -> Handle:
    """The connection of an object.

    Raises:
        libvirtError: It is closed (INVALID_CONN).
    """
    handle: Handle | None = owner._handle
    if handle is None:
        fail(InvalidConn(function, domain=domain_of(function)), function)
    return handle


def call(owner: Any, function: str, *values: Any) -> Any:
    """Calls the procedure of a C function for *owner*, and gives what the binding returns.

    Raises:
        libvirtError: Whatever went wrong.
        TypeError: A value is of the wrong type.
    """
    return result_of(owner, function, invoke(owner, function, *values))


def invoke(owner: Any, function: str, *values: Any) -> Any:
    """The same up to the procedure's own result record."""
    handle = handle_of(owner, function)
    procedure = procedure_of(function)
    fields = _fields(owner, procedure, function, values)
    return guarded(function, lambda: _asked(handle, procedure, fields))


def invoke_with_fds(
    owner: Any, function: str, fds: Sequence[int], *values: Any
) -> tuple[Any, list[int]]:
    """The same with descriptors in both directions; those that come are the caller's."""
    handle = handle_of(owner, function)
    procedure = procedure_of(function)
    args = record(procedure, _fields(owner, procedure, function, values))
    numbers = [_integer("int", fd) for fd in fds]
    both: tuple[Any, list[int]] = guarded(
        function, lambda: handle.call_with_fds(procedure, args, numbers)
    )
    return both


def arguments(owner: Any, function: str, *values: Any) -> Any:
    """The argument record alone, for calls that are made in another way."""
    return record(procedure_of(function), _fields(owner, procedure_of(function), function, values))


def guarded(function: str, work: Callable[[], Any]) -> Any:
    """Runs *work*; what Virloom raises becomes the thread's error and a libvirtError."""
    virResetLastError()
    try:
        return work()
    except VirloomError as exc:
        # Without its traceback, whose frames would hold the objects of the call in a cycle.
        fail(_named(exc.with_traceback(None), function), function)


def unsupported(function: str) -> Any:
    """Raises NO_SUPPORT for a function that neither our client nor our drivers have."""
    virResetLastError()
    fail(_named(NoSupport(function), function), function)


def record(procedure: Procedure[Any, Any], fields: Mapping[str, Any]) -> Any:
    """The argument record of *fields*."""
    return VOID if procedure.args is Void else procedure.args(**fields)


def _named(error: VirloomError, function: str) -> VirloomError:
    """Has "not supported" name the C function, as libvirt does, and not the procedure."""
    plain = error.detail.replace("_", "").isalnum() and not error.detail.startswith("vir")
    if error.code != NoSupport.code or not plain:
        return error
    named = NoSupport(function)
    named.domain = error.domain or domain_of(function)
    return named


@functools.cache
def domain_of(function: str) -> ErrorDomain:
    """The message domain of a function's own errors."""
    found = (n for start, n in _DOMAINS.items() if function.startswith(start))
    return ErrorDomain(next(found, ErrorDomain.DOMAIN))


def _asked(handle: Handle, procedure: Procedure[Any, Any], fields: dict[str, Any]) -> Any:
    """Makes the call; getters of parameters are asked for their number first."""
    if fields.get("nparams", ...) is None:
        fields["nparams"] = 0
        number = handle.call(procedure, record(procedure, fields)).nparams
        if number == 0:
            return procedure.ret(params=[], nparams=0)
        fields["nparams"] = number
    return handle.call(procedure, record(procedure, fields))


def _fields(
    owner: Any, procedure: Procedure[Any, Any], function: str, values: tuple[Any, ...]
) -> dict[str, Any]:
    wire = list(procedure.args.WIRE)
    given = list(values)
    fields: dict[str, Any] = {}
    if wire and type(owner).__name__ != "virConnect" and function_has_owner(owner, wire[0][1]):
        name, kind = wire.pop(0)
        fields[name] = owner._o if isinstance(kind, type) else owner._o.name
    counted = len(given) < _visible(wire)
    for name, kind in wire:
        if name == _NEED_ALL:
            fields[name] = 1
        elif name in _MAXIMA:
            fields[name] = procedure.ret.WIRE[0][1][2]
        elif name == "nparams" and counted:
            fields[name] = None
        else:
            fields[name] = sent(kind, given.pop(0), function, name)
    return fields


def function_has_owner(owner: Any, kind: Any) -> bool:
    """Whether the first field of a call names the object itself."""
    if isinstance(kind, type):
        return isinstance(owner._o, kind)
    return type(owner).__name__ == "virNodeDevice"


def _visible(wire: list[tuple[str, Any]]) -> int:
    return sum(name != _NEED_ALL and name not in _MAXIMA for name, _ in wire)


def sent(kind: Any, value: Any, function: str, name: str) -> Any:
    """A Python value as the record's field wants it."""
    if isinstance(kind, str):
        return _integer(kind, value) if kind in _INTEGERS else value
    if isinstance(kind, type):
        if value is None:
            must_not_be_null(function, name)
        return value if isinstance(value, Record) else value._o
    form = kind[0]
    if form == "optional":
        return None if value is None else sent(kind[1], value, function, name)
    if value is None and form != "list":
        must_not_be_null(function, name)
    if form == "list":
        return [sent(kind[1], item, function, name) for item in value or ()]
    return _BY_FORM[form](value, function, name)


def _text(value: Any, function: str, name: str) -> str:
    if not isinstance(value, str):
        kind = type(value).__name__
        raise TypeError(f"{function}() argument '{name}' must be str or None, not {kind}")
    return value


def _bytes(value: Any, function: str, name: str) -> bytes:
    if isinstance(value, str):
        return value.encode()
    return bytes(memoryview(value))


def _uuid(value: Any, function: str, name: str) -> bytes:
    """A UUID as its 16 bytes, or as text."""
    if isinstance(value, str):
        try:
            return UUID(value).bytes
        except ValueError:
            text = f"uuidstr in {function} must be a valid UUID"
            domain = int(domain_of(function))
            fail((8, domain, text, 2, function, "uuidstr", None, 0, 0), function)
    if len(value) != 16:
        must_not_be_null(function, name)
    return bytes(value)


_BY_FORM = {"string": _text, "opaque": _bytes, "fixed": _uuid}


def _integer(kind: str, value: Any) -> int:
    """The number; a negative one in an unsigned field wraps, as it does in the binding."""
    bits, signed = _INTEGERS[kind]
    number = operator.index(value)
    if not signed:
        return number & ((1 << bits) - 1)
    if not -(1 << (bits - 1)) <= number < 1 << (bits - 1):
        raise OverflowError(f"{number} does not fit a C integer of {bits} bits")
    return number


def result_of(owner: Any, function: str, result: Any) -> Any:
    """What the binding returns for a result record of one value (or a list and its length)."""
    wire = result.WIRE
    if not wire:
        return 0
    name, kind = wire[0]
    return shown(owner, kind, getattr(result, name))


def shown(owner: Any, kind: Any, value: Any) -> Any:
    """A value of a record as Python callers get it: objects wrapped, parameters a dictionary."""
    if isinstance(value, Record):
        return wrap(owner, value)
    if isinstance(value, list):
        element: Any = kind[1]
        if {"field", "value"} == {name for name, _ in getattr(element, "WIRE", ())}:
            return params_of(value)
        return [shown(owner, element, item) for item in value]
    if isinstance(kind, tuple) and kind[0] in ("chars", "fixed-chars"):
        return text_of(value)
    return value


def text_of(value: Any) -> str:
    """A field of characters up to its closing NUL."""
    if isinstance(value, str):
        return value
    return bytes(value).split(b"\0", 1)[0].decode(errors="replace")


def params_of(params: Iterable[Any]) -> dict[str, Any]:
    """Typed parameters, or pairs of a field and a number, as a dictionary."""
    return {one.field: _value(one.value) for one in params}


def _value(value: Any) -> Any:
    if not isinstance(value, TypedParamValue):
        return value
    return bool(value.value) if value.type == _TYPES["boolean"] else value.value


def typed(values: Mapping[str, Any] | None, hints: Mapping[str, str]) -> list[Any]:
    """Typed parameters from a dictionary; *hints* gives types by name, else the value does."""
    from virloom.procedures.types import TypedParam

    return [
        TypedParam(name, _tagged(value, hints.get(name))) for name, value in (values or {}).items()
    ]


def typed_like(values: Mapping[str, Any], ask: Callable[[], Any]) -> list[Any]:
    """Typed parameters, each with the type that it has in the result of the getter *ask*.

    Raises:
        LookupError: The result lacks one of them, or there are none.
        OverflowError: A number does not fit its type.
    """
    from virloom.procedures.types import TypedParam

    if not values:
        raise LookupError("Need non-empty dictionary to set attributes")

    types = {one.field: one.value.type for one in ask().params}
    for name in values:
        if name not in types:
            raise LookupError(f'Attribute name "{name}" could not be recognized')
    numbers = {number: kind for kind, number in _TYPES.items()}
    return [
        TypedParam(name, _tagged(value, numbers[types[name]])) for name, value in values.items()
    ]


def _tagged(value: Any, kind: str | None) -> TypedParamValue:
    if kind is None:
        kind = _natural(value)
    if kind == "string":
        if not isinstance(value, str):
            raise TypeError(f"a string is needed, not {type(value).__name__}")
        return TypedParamValue(_TYPES[kind], value)
    if kind == "double":
        return TypedParamValue(_TYPES[kind], float(value))
    if kind == "boolean":
        return TypedParamValue(_TYPES[kind], int(bool(value)))
    return TypedParamValue(_TYPES[kind], _number(value, kind))


_RANGES = {
    "int": range(-(2**31), 2**31),
    "uint": range(2**32),
    "llong": range(-(2**63), 2**63),
    "ullong": range(2**64),
}


def _number(value: Any, kind: str) -> int:
    """A whole number that fits, with the errors of the binding for one that does not."""
    if not isinstance(value, int):
        raise TypeError("an integer is required")
    if value in _RANGES[kind]:
        return operator.index(value)
    if kind in ("int", "uint"):
        name = "unsigned int" if kind == "uint" else kind
        raise OverflowError(f"Python int too large to convert to C {name}")
    negative = kind == "ullong" and value < 0
    raise OverflowError(
        "can't convert negative int to unsigned" if negative else "int too big to convert"
    )


def _natural(value: Any) -> str:
    if isinstance(value, bool):
        return "boolean"
    if isinstance(value, int):
        return "llong" if value < 0 else "ullong"
    return "double" if isinstance(value, float) else "string"


def wrap(owner: Any, record: Record) -> Any:
    """The object of the binding for an object's record."""
    # A driver in this process may give a reference of a class of its own.
    names = (cls.__name__ for cls in type(record).__mro__)
    kind = next(_SHOWN_BY[name] for name in names if name in _SHOWN_BY)
    if kind in ("virDomainSnapshot", "virDomainCheckpoint"):
        return CLASSES[kind](_parent(owner, "virDomain", record, "dom"), _obj=record)
    if kind == "virNetworkPort":
        return CLASSES[kind](_parent(owner, "virNetwork", record, "net"), _obj=record)
    return CLASSES[kind](connection_of(owner), _obj=record)


def _parent(owner: Any, kind: str, record: Any, field: str) -> Any:
    if type(owner).__name__ == kind:
        return owner
    return CLASSES[kind](connection_of(owner), _obj=getattr(record, field))


def connection_of(owner: Any) -> Any:
    """The virConnect of an object, or itself."""
    return owner if type(owner).__name__ == "virConnect" else owner._conn
