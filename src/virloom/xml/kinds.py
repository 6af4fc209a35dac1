# SPDX-License-Identifier: Apache-2.0
"""Kinds of values: how a text becomes a value and a value a text.

A parser function raises :class:`ValueError` with what was expected (``a non-negative integer``);
the reader adds the value, the path and the line.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Generic, TypeVar

from virloom.enums.error import ErrorDomain
from virloom.errors import ConfigUnsupported, InternalError, VirloomError, XmlError

if TYPE_CHECKING:
    from collections.abc import Mapping

T = TypeVar("T")


class Kind(Generic[T]):
    """One kind of value.

    Args:
        parse: Text to value; None keeps the text.
        show: Value to text; None for values that are text.
        plain: Its text never needs escaping.
        error: What a value that does not convert raises.
        filled: An element that holds none of it is one that does not convert, not an absent one.
        owned: Whether such an error is told as the document's own (its ``error_domain``) rather
            than as the XML reader's; always so for errors other than XmlError.
        choices: The words that may stand.
        scaled: Text and ``unit`` attribute to value, for amounts.
        amount: Amount to text and unit.
        pattern: A pattern of XML Schema for its text, where there is a short one.
    """

    __slots__ = (
        "amount",
        "choices",
        "error",
        "filled",
        "owned",
        "parse",
        "pattern",
        "plain",
        "scaled",
        "show",
    )

    def __init__(
        self,
        parse: Callable[[str], T] | None,
        show: Callable[[T], str] | None = None,
        *,
        plain: bool = True,
        error: type[VirloomError] = XmlError,
        owned: bool = False,
        choices: tuple[str, ...] = (),
        scaled: Callable[[str, str | None], T] | None = None,
        amount: Callable[[T], tuple[str, str]] | None = None,
        pattern: str = "",
        filled: bool = False,
    ) -> None:
        self.parse = parse
        self.show = show
        self.plain = plain
        self.error = error
        self.filled = filled
        self.owned = owned or error is not XmlError
        self.choices = choices
        self.scaled = scaled
        self.amount = amount
        self.pattern = pattern


def _digits(text: str) -> int:
    # strtoul skips leading blanks; int() would also take underscores and other scripts' digits.
    stripped = text.lstrip(" \t\n").removeprefix("+")
    if not (stripped.isascii() and stripped.isdigit()):
        raise ValueError("a non-negative integer")
    return int(_short(stripped))


def _short(digits: str) -> str:
    """The digits of a number that may be too large, but not absurd."""
    if len(digits) > 64:
        raise ValueError("a number of at most 64 digits")
    return digits


def _bounded(bits: int) -> Callable[[str], int]:
    top = 1 << bits

    def parse(text: str) -> int:
        value = _digits(text)
        if value >= top:
            raise ValueError(f"a non-negative integer below {top}")
        return value

    return parse


def _signed(text: str) -> int:
    negative = text.startswith("-")
    try:
        value = _digits(text[1:] if negative else text)
    except ValueError:
        raise ValueError("an integer") from None
    if value >= 1 << 31:
        raise ValueError("an integer of 32 bits")
    return -value if negative else value


def _signed_long(text: str) -> int:
    negative = text.startswith("-")
    try:
        value = _digits(text[1:] if negative else text)
    except ValueError:
        raise ValueError("an integer") from None
    if value >= 1 << 63:
        raise ValueError("an integer of 64 bits")
    return -value if negative else value


def _positive(text: str) -> int:
    value = _bounded(32)(text)
    if value == 0:
        raise ValueError("a positive integer")
    return value


def parse_base0(text: str) -> int:
    """A non-negative number as ``strtoul(…, 0)`` reads it: ``0x1f``, ``031`` (octal) or ``31``.

    Raises:
        ValueError: It is none, or needs more than 64 bits.
    """
    digits, base = text.lstrip(" \t\n").removeprefix("+"), 10
    if digits[:2] in ("0x", "0X"):
        digits, base = digits[2:], 16
    elif len(digits) > 1 and digits[0] == "0":
        digits, base = digits[1:], 8
    if not (digits.isascii() and digits.isalnum()):
        raise ValueError("a non-negative integer")
    try:
        value = int(_short(digits), base)
    except ValueError:
        raise ValueError("a non-negative integer of 64 bits") from None
    if value >= 1 << 64:
        raise ValueError("a non-negative integer of 64 bits")
    return value


def bounded_base0(top: int) -> Callable[[str], int]:
    """:func:`parse_base0` for numbers up to ``top``."""

    def parse(text: str) -> int:
        value = parse_base0(text)
        if value > top:
            raise ValueError(f"a number from 0 to {top:#x}")
        return value

    return parse


def _mapped(table: Mapping[str, bool], expected: str) -> Kind[bool]:
    shown = {value: text for text, value in table.items()}

    def parse(text: str) -> bool:
        try:
            return table[text]
        except KeyError:
            raise ValueError(expected) from None

    return Kind(parse, shown.__getitem__, choices=tuple(table))


_HEXADECIMAL = frozenset("0123456789abcdefABCDEF")


def _uuid(text: str) -> str:
    # As virUUIDParse: blanks around and dashes and blanks anywhere between two digits are skipped.
    digits = text.strip().replace("-", "").replace(" ", "")
    if len(digits) != 32 or not _HEXADECIMAL.issuperset(digits):
        raise ValueError("a UUID")
    digits = digits.lower()
    return "-".join((digits[:8], digits[8:12], digits[12:16], digits[16:20], digits[20:]))


def _mac(text: str) -> str:
    # As virMacAddrParse: six hexadecimal numbers, of one or two digits each.
    parts = text.split(":")
    if len(parts) != 6 or not all(
        len(part) in (1, 2) and _HEXADECIMAL.issuperset(part) for part in parts
    ):
        raise ValueError("a MAC address such as '52:54:00:12:34:56'")
    return ":".join([part.lower().rjust(2, "0") for part in parts])


def choice(*values: str, error: type[VirloomError] = XmlError) -> Kind[str]:
    """A word out of a fixed list; an unknown one is an error that lists them."""
    known = frozenset(values)

    def parse(text: str) -> str:
        if text in known:
            return text
        raise ValueError(f"one of {', '.join(values)}")

    return Kind(parse, choices=values, error=error)


def option(*values: str) -> Kind[str]:
    """A :func:`choice` whose unknown words libvirt 9 calls an unsupported configuration."""
    return choice(*values, error=ConfigUnsupported)


def _refusing(
    parse: Callable[[str], T], error: type[VirloomError], domain: ErrorDomain
) -> Callable[[str], T]:
    def refusing(text: str) -> T:
        try:
            return parse(text)
        except ValueError as exc:
            raise error(f"'{text[:80]}' is not {exc}", domain=domain) from None

    return refusing


def answering(
    kind: Kind[T], error: type[VirloomError] = XmlError, domain: ErrorDomain | None = None
) -> Kind[T]:
    """The same kind, but what does not convert is another error, as libvirt 9 has it.

    Args:
        error: Which.
        domain: Whose; None: the document's own.
    """
    parse = kind.parse
    assert parse is not None
    if domain is not None:
        parse = _refusing(parse, error, domain)
    return Kind(
        parse,
        kind.show,
        plain=kind.plain,
        error=error,
        owned=True,
        choices=kind.choices,
        pattern=kind.pattern,
    )


def lenient(kind: Kind[T]) -> Kind[T | None]:
    """The same kind, but what does not convert counts as not given, as libvirt 9 has it."""
    parse = kind.parse
    assert parse is not None

    def tried(text: str) -> T | None:
        try:
            return parse(text)
        except ValueError:
            return None

    return Kind(tried, kind.show, plain=kind.plain)  # type: ignore[arg-type] # None is never shown


def blank(kind: Kind[T]) -> Kind[T | None]:
    """The same kind, but an empty text counts as not given, where libvirt 9 asks by XPath."""
    parse = kind.parse
    assert parse is not None
    return Kind(
        lambda text: parse(text) if text else None,
        kind.show,  # type: ignore[arg-type] # None is never shown
        plain=kind.plain,
        error=kind.error,
        owned=kind.owned,
        choices=(*kind.choices, "") if kind.choices else (),
        pattern=f"({kind.pattern})?" if kind.pattern else "",
    )


_DECIMAL = r"[ \t\n]*\+?[0-9]+"
_SIGNED = r"-?[ \t\n]*\+?[0-9]+"
_ANY_BASE = r"[ \t\n]*\+?(0[xX][0-9a-fA-F]+|[0-9]+)"


def hexadecimal(width: int) -> Kind[int]:
    """A number that is written as ``0x`` and at least ``width`` digits."""
    return Kind(bounded_base0((1 << 31) - 1), f"0x{{:0{width}x}}".format, pattern=_ANY_BASE)


STRING: Kind[str] = Kind(None, plain=False)
FILLED: Kind[str] = Kind(None, plain=False, filled=True)
UINT: Kind[int] = Kind(_bounded(32), str, pattern=_DECIMAL)
UINT_ANY_BASE: Kind[int] = Kind(bounded_base0((1 << 31) - 1), str, pattern=_ANY_BASE)
ULONG: Kind[int] = Kind(_bounded(64), str, pattern=_DECIMAL)
UINT_OWNED: Kind[int] = Kind(_bounded(32), str, owned=True, pattern=_DECIMAL)
ULONG_OWNED: Kind[int] = Kind(_bounded(64), str, owned=True, pattern=_DECIMAL)
INT: Kind[int] = Kind(_signed, str, pattern=_SIGNED)
LONG: Kind[int] = Kind(_signed_long, str, pattern=_SIGNED)
UINT_POSITIVE: Kind[int] = Kind(_positive, str, pattern=_DECIMAL)
YES_NO = _mapped({"yes": True, "no": False}, "'yes' or 'no'")
ON_OFF = _mapped({"on": True, "off": False}, "'on' or 'off'")
UUID: Kind[str] = Kind(_uuid, error=InternalError, pattern=r"\s*([0-9a-fA-F][- ]*){32}\s*")
MAC: Kind[str] = Kind(_mac, owned=True, pattern="[0-9a-fA-F]{1,2}(:[0-9a-fA-F]{1,2}){5}")
