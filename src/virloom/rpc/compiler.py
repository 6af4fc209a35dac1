# SPDX-License-Identifier: Apache-2.0
"""Turns a record's ``WIRE`` into straight Python source: the one place with ``exec``.

Interpreting a description costs several times the work itself. The generated function packs
each run of scalars (string lengths and UUIDs included) with one prepared ``struct.Struct``, and
has nested records inlined. Its source consists of attribute names from ``WIRE``, checked to be
identifiers, and of numbers; nothing of it ever comes from a peer.

Each emitted line remembers the fields it handles, so a failure names its field at no cost while
nothing fails.
"""

from __future__ import annotations

import struct
from typing import Any

from virloom.rpc.xdr import XdrError

_FORMATS = {
    "int": "i", "uint": "I", "hyper": "q", "uhyper": "Q", "double": "d",
    # Each takes a whole word; a decoder looks at the low bits only, as C's casts do.
    "ushort": "2xH", "uchar": "3xB",
}  # fmt: skip

#: virTypedParameterType → format of its value; 7 is a string.
_TYPED = {1: "i", 2: "I", 3: "q", 4: "Q", 5: "d", 6: "i"}
_TYPED_STRING = 7
_STRING_LIMIT = 4194304  # REMOTE_STRING_MAX (data/protocol/remote.json)

_TYPED_PACK = {number: struct.Struct(f">i{fmt}").pack for number, fmt in _TYPED.items()}
_TYPED_UNPACK = {
    number: (struct.Struct(f">{fmt}").unpack_from, struct.calcsize(f">{fmt}"))
    for number, fmt in _TYPED.items()
}
_PADDING = (b"", b"\0\0\0", b"\0\0", b"\0")


def encode_chars(value: bytes, size: int | None = None) -> bytes:
    """C ``char`` as XDR has it: a word each, with the sign of a signed char.

    Args:
        size: The length of a fixed array, to be filled up with zeros.
    """
    if value.isascii():
        words = bytearray(4 * (len(value) if size is None else size))
        words[3 : 4 * len(value) : 4] = value
        return bytes(words)
    padded = value if size is None else value.ljust(size, b"\0")
    return struct.pack(f">{len(padded)}i", *memoryview(padded).cast("b"))


def _over_limit(path: str, size: int, limit: int) -> XdrError:
    return XdrError(f"{path}: {size} are more than the {limit} allowed")


def _short(path: str) -> XdrError:
    return XdrError(f"{path}: the data end early")


def _bad_text(path: str, size: int, limit: int) -> XdrError:
    if size > limit:
        return _over_limit(path, size, limit)
    return XdrError(f"{path}: a string cannot hold a NUL")


def _bad_value(path: str, found: object) -> XdrError:
    return XdrError(f"{path}: unexpected {found!r}")


class _Source:
    """Lines of one function, and for each the fields that it handles."""

    def __init__(self) -> None:
        self.lines: list[str] = []
        self.paths: list[str] = []
        self.indent = 2
        self.names = 0
        self.env: dict[str, Any] = {
            "XdrError": XdrError, "struct_error": struct.error, "pack": struct.pack,
            "unpack_from": struct.unpack_from, "join": b"".join, "new": object.__new__,
            "PAD": _PADDING, "chars": encode_chars, "over_limit": _over_limit, "short": _short,
            "bad_text": _bad_text, "bad_value": _bad_value, "TYPED_PACK": _TYPED_PACK,
            "TYPED_UNPACK": _TYPED_UNPACK,
        }  # fmt: skip

    def line(self, text: str, path: str = "") -> None:
        self.lines.append("    " * self.indent + text)
        self.paths.append(path)

    def name(self, prefix: str) -> str:
        self.names += 1
        return f"{prefix}{self.names}"

    def bind(self, prefix: str, value: Any) -> str:
        name = self.name(prefix)
        self.env[name] = value
        return name

    def build(self, head: list[str], tail: list[str], what: str) -> Any:
        """Compiles ``head``, the lines, ``tail`` and returns the function ``run``."""
        paths = ["", *[""] * len(head), *self.paths]

        def failed(exc: BaseException) -> XdrError:
            number = exc.__traceback__.tb_lineno if exc.__traceback__ else 0
            path = paths[number] if number < len(paths) else ""
            return XdrError(f"{path or what}: {exc}")

        self.env["failed"] = failed
        source = "\n".join((*head, *self.lines, *tail))
        exec(compile(source, f"<{what}>", "exec"), self.env)
        return self.env["run"]


def _fields(record: type[Any], path: str) -> list[tuple[str, Any, str]]:
    """(attribute, wire type, path to show) of a record class."""
    found = []
    for name, wire in record.WIRE:
        if not name.isidentifier():
            raise TypeError(f"{record.__name__}: {name!r} is not an attribute's name")
        found.append((name, wire, f"{path}.{name}"))
    return found


def _is_typed_value(record: type[Any]) -> bool:
    return bool(record.WIRE) and record.WIRE[0][1] == "typed-param-type"


class _Encoder(_Source):
    """Source of ``run(record) -> bytes``."""

    def __init__(self) -> None:
        super().__init__()
        self.run: list[tuple[str, str, str]] = []  # scalars to pack together: format, value, path
        self.chunks: list[tuple[str, str]] = []  # expressions that give bytes, and their path
        self.collects = False

    def flush_run(self) -> None:
        if self.run:
            pack = self.bind("P", struct.Struct(">" + "".join(f for f, _, _ in self.run)).pack)
            values = ", ".join(value for _, value, _ in self.run)
            shown = dict.fromkeys(path for _, _, path in self.run)
            self.chunks.append((f"{pack}({values})", " or ".join(shown)))
            self.run = []

    def chunk(self, expression: str, path: str) -> None:
        self.flush_run()
        self.chunks.append((expression, path))

    def flush(self) -> None:
        """Everything so far goes out before a branch or a loop."""
        self.flush_run()
        if self.chunks:
            self.collects = True
            self.tuple_of("out += (")
            self.chunks = []

    def tuple_of(self, opening: str, closing: str = ")") -> None:
        self.line(opening)
        for expression, path in self.chunks:
            self.line(f"    {expression},", path)
        self.line(closing)

    def record(self, record: type[Any], expression: str, path: str) -> None:
        if _is_typed_value(record):
            self.typed_value(expression, path)
            return
        for name, wire, shown in _fields(record, path):
            self.value(wire, f"{expression}.{name}", shown)

    def value(self, wire: Any, expression: str, path: str) -> None:
        if isinstance(wire, str):
            self.scalar(wire, expression, path)
        elif isinstance(wire, type):
            local = self.name("v")
            self.line(f"{local} = {expression}", path)
            self.record(wire, local, path)
        else:
            kind, *rest = wire
            getattr(self, "put_" + kind.replace("-", "_"))(expression, path, *rest)

    def scalar(self, kind: str, expression: str, path: str) -> None:
        if kind == "char":
            local = self.name("c")
            self.line(f"{local} = {expression}", path)
            self.line(f"if not -128 <= {local} <= 127: raise bad_value({path!r}, {local})", path)
            self.run.append(("i", local, path))
        else:
            self.run.append((_FORMATS[kind], expression, path))

    def put_string(self, expression: str, path: str, limit: int) -> None:
        text, size = self.name("s"), self.name("n")
        self.line(f'{text} = {expression}.encode("utf-8", "surrogateescape")', path)
        self.line(f"{size} = len({text})")
        self.line(f"if {size} > {limit} or 0 in {text}:")
        self.line(f"    raise bad_text({path!r}, {size}, {limit})")
        self.sized(text, size, path)

    def sized(self, data: str, size: str, path: str) -> None:
        self.run.append(("I", size, path))
        self.chunk(data, path)
        self.chunk(f"PAD[{size} & 3]", path)

    def counted(self, expression: str, path: str, limit: int) -> tuple[str, str]:
        local, size = self.name("s"), self.name("n")
        self.line(f"{local} = {expression}", path)
        self.line(f"{size} = len({local})", path)
        self.line(f"if {size} > {limit}: raise over_limit({path!r}, {size}, {limit})")
        return local, size

    def put_opaque(self, expression: str, path: str, limit: int) -> None:
        self.sized(*self.counted(expression, path, limit), path)

    def put_fixed(self, expression: str, path: str, length: int) -> None:
        local = self.name("s")
        self.line(f"{local} = {expression}", path)
        self.line(f"if len({local}) != {length}: raise bad_value({path!r}, {local})", path)
        self.run.append((f"{length}s" + "x" * (-length % 4), local, path))

    def put_chars(self, expression: str, path: str, limit: int) -> None:
        local, size = self.counted(expression, path, limit)
        self.run.append(("I", size, path))
        self.chunk(f"chars({local})", path)

    def put_fixed_chars(self, expression: str, path: str, length: int) -> None:
        local, _ = self.counted(expression, path, length)
        self.chunk(f"chars({local}, {length})", path)

    def put_optional(self, expression: str, path: str, inner: Any) -> None:
        self.flush()
        local = self.name("v")
        self.line(f"{local} = {expression}", path)
        self.line(f"if {local} is None:")
        self.line("    out += (PAD0,)")
        self.env["PAD0"] = bytes(4)
        self.collects = True
        self.line("else:")
        self.indent += 1
        self.run.append(("I", "1", path))
        self.value(inner, local, path)
        self.flush()
        self.indent -= 1

    def put_list(self, expression: str, path: str, inner: Any, limit: int) -> None:
        local, size = self.counted(expression, path, limit)
        self.run.append(("I", size, path))
        path += "[]"
        if isinstance(inner, str):
            self.chunk(f'pack(f">{{{size}}}{_word(inner)}", *{local})', path)
            return
        self.flush()
        item = self.name("v")
        self.line(f"for {item} in {local}:", path)
        self.indent += 1
        if hasattr(inner, "encoded"):
            self.line(f"if {item}.encoded is not None:", path)
            self.line(f"    out.append({item}.encoded)")
            self.line("    continue")
            self.collects = True
        self.value(inner, item, path)
        self.flush()
        self.indent -= 1

    def typed_value(self, expression: str, path: str) -> None:
        """``virTypedParameter``'s union: a type, and a value in that type's form."""
        self.flush()
        kind, pack = self.name("t"), self.name("p")
        self.line(f"{kind} = {expression}.type", path)
        self.line(f"{pack} = TYPED_PACK.get({kind})", path)
        self.line(f"if {pack} is not None:")
        self.line(f"    out.append({pack}({kind}, {expression}.value))", path)
        self.line(f"elif {kind} == {_TYPED_STRING}:")
        self.indent += 1
        self.run.append(("i", kind, path))
        self.put_string(f"{expression}.value", path, _STRING_LIMIT)
        self.flush()
        self.indent -= 1
        self.line("else:")
        self.line(f"    raise bad_value({path!r}, {kind})")
        self.collects = True

    def finish(self) -> None:
        if self.collects:
            self.flush()
            self.line("return join(out)")
        else:
            self.flush_run()
            self.tuple_of("return join((", "))")


def _word(kind: str) -> str:
    """The format of one item of a list of scalars."""
    code = _FORMATS[kind]
    if len(code) != 1:
        raise TypeError(f"a list of {kind} is not of whole words")
    return code


def _least_size(wire: Any) -> int:
    """The fewest bytes that a value takes: what a count may be held against."""
    if isinstance(wire, str):
        if wire in ("char", "typed-param-type", "typed-param-value"):
            return 4
        return struct.calcsize(">" + _FORMATS[wire])
    if isinstance(wire, type):
        fields: tuple[tuple[str, Any], ...] = wire.WIRE  # type: ignore[attr-defined] # records
        return sum(_least_size(inner) for _, inner in fields)
    kind, size = wire[0], wire[1]
    if kind == "fixed":
        return int(size) + -int(size) % 4
    return 4 * int(size) if kind == "fixed-chars" else 4


class _Decoder(_Source):
    """Source of ``run(data, offset) -> record``. In it ``d`` is the data, ``o`` the position."""

    def __init__(self) -> None:
        super().__init__()
        self.run: list[tuple[str, str, str]] = []  # scalars to unpack together

    def flush(self) -> None:
        if self.run:
            layout = struct.Struct(">" + "".join(f for f, _, _ in self.run))
            unpack = self.bind("U", layout.unpack_from)
            targets = ", ".join(target for _, target, _ in self.run)
            shown = " or ".join(dict.fromkeys(path for _, _, path in self.run))
            self.line(f"{targets}, = {unpack}(d, o)", shown)
            self.line(f"o += {layout.size}")
            self.run = []

    def count(self, path: str, fmt: str = "I") -> str:
        size = self.name("n")
        self.run.append((fmt, size, path))
        self.flush()
        return size

    def record(self, record: type[Any], path: str) -> str:
        """Emits the reading of a record; returns the variable that holds it."""
        local = self.name("v")
        self.line(f"{local} = new({self.bind('C', record)})")
        if _is_typed_value(record):
            self.typed_value(local, path)
        else:
            for name, wire, shown in _fields(record, path):
                self.value(wire, f"{local}.{name}", shown)
        return local

    def value(self, wire: Any, target: str, path: str) -> None:
        if isinstance(wire, str):
            self.run.append(("3xb" if wire == "char" else _FORMATS[wire], target, path))
        elif isinstance(wire, type):
            # A record is filled in place, so storing it need not wait for a pending run.
            self.line(f"{target} = {self.record(wire, path)}")
        else:
            kind, *rest = wire
            getattr(self, "get_" + kind.replace("-", "_"))(target, path, *rest)

    def extent(self, path: str, limit: int, width: int = 1) -> tuple[str, str]:
        """Reads a length, checks it, and returns it with the position where it ends."""
        size, end = self.count(path), self.name("e")
        self.line(f"if {size} > {limit}: raise over_limit({path!r}, {size}, {limit})")
        self.line(f"{end} = o + {size}" + (f" * {width}" if width > 1 else ""))
        self.line(f"if {end} > end: raise short({path!r})")
        return size, end

    def get_string(self, target: str, path: str, limit: int) -> None:
        size, end = self.extent(path, limit)
        text = self.name("s")
        self.line(f'{text} = str(d[o:{end}], "utf-8", "surrogateescape")')
        # C ends a string there; whoever compares names must see what libvirtd would see.
        self.line(f'if "\\0" in {text}: {text} = {text}.split("\\0", 1)[0]')
        self.line(f"{target} = {text}")
        self.line(f"o = {end} + (-{size} & 3)")

    def get_opaque(self, target: str, path: str, limit: int) -> None:
        size, end = self.extent(path, limit)
        self.line(f"{target} = bytes(d[o:{end}])")
        self.line(f"o = {end} + (-{size} & 3)")

    def get_fixed(self, target: str, path: str, length: int) -> None:
        self.run.append((f"{length}s" + "x" * (-length % 4), target, path))

    def get_chars(self, target: str, path: str, limit: int) -> None:
        _, end = self.extent(path, limit, 4)
        self.line(f"{target} = bytes(d[o + 3:{end}:4])")
        self.line(f"o = {end}")

    def get_fixed_chars(self, target: str, path: str, length: int) -> None:
        self.flush()
        self.line(f"if o + {4 * length} > end: raise short({path!r})")
        self.line(f"{target} = bytes(d[o + 3:o + {4 * length}:4])")
        self.line(f"o += {4 * length}")

    def get_optional(self, target: str, path: str, inner: Any) -> None:
        present = self.count(path)
        self.line(f"if {present}:")
        self.indent += 1
        self.value(inner, target, path)
        self.flush()
        self.indent -= 1
        self.line("else:")
        self.line(f"    {target} = None")

    def get_list(self, target: str, path: str, inner: Any, limit: int) -> None:
        size, least = self.count(path), _least_size(inner)
        if least < 4:
            raise TypeError(f"{path}: a list of nothing has no bound")
        self.line(f"if {size} > {limit}: raise over_limit({path!r}, {size}, {limit})")
        # Before anything is made of them: a count must be paid for in bytes.
        self.line(f"if {size} * {least} > end - o: raise short({path!r})")
        path += "[]"
        if isinstance(inner, str):
            self.line(f'{target} = list(unpack_from(f">{{{size}}}{_word(inner)}", d, o))', path)
            self.line(f"o += {size} * {least}")
            return
        items = self.name("l")
        self.line(f"{items} = {target} = []")
        self.line(f"for _ in range({size}):")
        self.indent += 1
        if isinstance(inner, type):
            item = self.record(inner, path)
        else:
            item = self.name("x")
            self.value(inner, item, path)
        self.flush()
        self.line(f"{items}.append({item})")
        self.indent -= 1

    def typed_value(self, local: str, path: str) -> None:
        kind, form = self.count(path, "i"), self.name("f")
        self.line(f"{local}.type = {kind}")
        self.line(f"{form} = TYPED_UNPACK.get({kind})")
        self.line(f"if {form} is not None:")
        self.line(f"    {local}.value, = {form}[0](d, o)", path)
        self.line(f"    o += {form}[1]")
        self.line(f"elif {kind} == {_TYPED_STRING}:")
        self.indent += 1
        self.get_string(f"{local}.value", path, _STRING_LIMIT)
        self.indent -= 1
        self.line("else:")
        self.line(f"    raise bad_value({path!r}, {kind})")


def compile_encoder(record: type[Any]) -> Any:
    """``encode(record) -> bytes`` of a class with ``WIRE``."""
    encoder = _Encoder()
    encoder.record(record, "r", record.__name__)
    encoder.finish()
    head = ["def run(r):", "    try:", "        out = []"] if encoder.collects else [
        "def run(r):", "    try:"]  # fmt: skip
    tail = [
        "    except XdrError:",
        "        raise",
        "    except (struct_error, TypeError, AttributeError, ValueError, OverflowError) as exc:",
        "        raise failed(exc) from exc",
    ]
    return encoder.build(head, tail, record.__name__)


def compile_decoder(record: type[Any]) -> Any:
    """``decode(data, offset=0) -> record`` of a class with ``WIRE``."""
    decoder = _Decoder()
    result = decoder.record(record, record.__name__)
    decoder.flush()
    # Only padding can have led beyond the end.
    decoder.line(f"if o > end: raise short({record.__name__!r})")
    decoder.line(f"return {result}")
    head = ["def run(d, o=0):", "    end = len(d)", "    try:"]
    tail = ["    except struct_error as exc:", "        raise failed(exc) from exc"]
    return decoder.build(head, tail, record.__name__)
