# SPDX-License-Identifier: Apache-2.0
"""The protocol's error structure to and from :class:`~virloom.errors.VirloomError`."""

from __future__ import annotations

from typing import Any

from virloom.enums.error import ErrorDomain, ErrorLevel
from virloom.errors import Rpc, UnknownError, VirloomError, error_from_code
from virloom.rpc.xdr import XdrError, codec_for

_TEXT = ("optional", ("string", 4194304))


class DomainRef:
    """The guest that an error is about."""

    __slots__ = ("id", "name", "uuid")
    WIRE = (("name", ("string", 4194304)), ("uuid", ("fixed", 16)), ("id", "int"))

    name: str
    uuid: bytes
    id: int


class NetworkRef:
    """The network that an error is about."""

    __slots__ = ("name", "uuid")
    WIRE = (("name", ("string", 4194304)), ("uuid", ("fixed", 16)))

    name: str
    uuid: bytes


class ErrorStruct:
    """``virNetMessageError``, field by field (``data/protocol/framing.json``)."""

    __slots__ = (
        "code", "dom", "domain", "int1", "int2", "level", "message", "net", "str1", "str2", "str3",
    )  # fmt: skip
    WIRE: tuple[tuple[str, Any], ...] = (
        ("code", "int"),
        ("domain", "int"),
        ("message", _TEXT),
        ("level", "int"),
        ("dom", ("optional", DomainRef)),
        ("str1", _TEXT),
        ("str2", _TEXT),
        ("str3", _TEXT),
        ("int1", "int"),
        ("int2", "int"),
        ("net", ("optional", NetworkRef)),
    )

    code: int
    domain: int
    message: str | None
    level: int
    dom: DomainRef | None
    str1: str | None
    str2: str | None
    str3: str | None
    int1: int
    int2: int
    net: NetworkRef | None


#: An error's texts are cut here: an error must always get through.
_LONGEST = 65536


def _sendable(text: str) -> str:
    cut = text[:_LONGEST].replace("\0", "\N{REPLACEMENT CHARACTER}")
    return cut.encode("utf-8", "surrogateescape" if _escaped(cut) else "replace").decode(
        "utf-8", "surrogateescape"
    )


def _escaped(text: str) -> bool:
    """Whether all that UTF-8 cannot hold came from bytes of a peer, and can go back."""
    return all("\udc80" <= char <= "\udcff" for char in text if "\ud800" <= char <= "\udfff")


def encode_error(error: VirloomError) -> bytes:
    """The payload of an error reply; never fails, whatever the error's texts hold."""
    wire = ErrorStruct()
    wire.code = error.wire_code if isinstance(error, UnknownError) else error.code
    wire.domain = int(error.domain)
    wire.level = int(error.level)
    wire.message = _sendable(error.message)
    wire.str1 = (error.with_detail if error.detail else error.alone).replace("{}", "%s")
    wire.str2 = _sendable(error.detail) if error.detail else None
    wire.str3 = wire.dom = wire.net = None
    if error.strings is not None:
        wire.str1, wire.str2, wire.str3 = (
            None if text is None else _sendable(text) for text in error.strings
        )
    wire.int1, wire.int2 = error.int1, error.int2
    return codec_for(ErrorStruct).encode(wire)


def decode_error(payload: bytes) -> VirloomError:
    """The error that a peer sent, ready to be raised; its message is kept to the letter."""
    try:
        wire = codec_for(ErrorStruct).decode(payload)
    except XdrError as exc:
        return Rpc(f"cannot decode the error that the peer sent: {exc}", domain=ErrorDomain.RPC)
    domain = _domain(wire.domain)
    kind = error_from_code(wire.code)
    message = wire.message or ""
    if issubclass(kind, UnknownError):
        return _with_numbers(kind(message, wire.code, domain=domain), wire)
    detail = _detail(kind, message, wire.str2)
    if detail is not None:
        return _with_numbers(kind(detail, domain=domain), wire)
    # Another release's words for the code, or a translated message: ours must not be added.
    error = kind.worded(message, domain=domain)
    error.strings = (wire.str1, wire.str2, wire.str3)
    return _with_numbers(error, wire)


def _detail(kind: type[VirloomError], message: str, str2: str | None) -> str | None:
    """What the class's own words must be completed with to give *message*; None if nothing."""
    if message in (kind.alone, ""):
        return ""
    before, _, after = kind.with_detail.partition("{}")
    if str2 and f"{before}{str2}{after}" == message:
        return str2
    whole = len(message) > len(before) + len(after)
    if whole and message.startswith(before) and message.endswith(after):
        return message[len(before) : len(message) - len(after)]
    return None


def _domain(number: int) -> ErrorDomain:
    try:
        return ErrorDomain(number)
    except ValueError:  # newer than our tables
        return ErrorDomain.NONE


def _with_numbers(error: VirloomError, wire: ErrorStruct) -> VirloomError:
    error.int1, error.int2 = wire.int1, wire.int2
    if wire.level in (0, 1, 2):
        error.level = ErrorLevel(wire.level)
    return error
