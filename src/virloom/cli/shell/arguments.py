# SPDX-License-Identifier: Apache-2.0
"""The arguments of a command, by the names of its options."""

from __future__ import annotations

import re
from collections.abc import Mapping

from virloom.cli.shell.failure import CommandFailed, failing
from virloom.cli.shell.sizes import NoSize, read_size

_INT = range(-(2**31), 2**31)
_UINT = range(2**32)
_ULONGLONG = range(2**64)
_LONGLONG = range(-(2**63), 2**63)

_NUMBER = re.compile(r"\s*([+-]?(?:0[xX][0-9a-fA-F]+|[0-9]+))")


class Arguments:
    """The arguments of one call; names are those of the table."""

    def __init__(self, values: Mapping[str, str | list[str]]) -> None:
        self._values = values

    def __contains__(self, name: str) -> bool:
        """Whether the option was given."""
        return name in self._values

    def flag(self, name: str, value: int = 1) -> int:
        """*value* if the option was given, else 0."""
        return value if name in self._values else 0

    def flags(self, values: Mapping[str, int]) -> int:
        """The values of the given ones of these options, or-ed."""
        found = 0
        for name, value in values.items():
            found |= self.flag(name, value)
        return found

    def get(self, name: str, *, empty: bool = False) -> str | None:
        """The text of an option, None where it was not given.

        Raises:
            CommandFailed: It is empty, which only *empty* allows.
        """
        value = self._values.get(name)
        if value is None:
            return None
        assert isinstance(value, str)
        if not value and not empty:
            raise CommandFailed(f"Failed to get option '{name}': Option argument is empty")
        return value

    def text(self, name: str, default: str | None = None, *, empty: bool = False) -> str:
        """The same, of one that is required or has a default."""
        value = self.get(name, empty=empty)
        if value is None:
            value = default
        assert value is not None, f"option {name} is not required"
        return value

    def words(self, name: str) -> list[str]:
        """All words of an option that takes many."""
        value = self._values.get(name, [])
        assert isinstance(value, list)
        return value

    def integer(self, name: str) -> int | None:
        """A number of 32 bits with a sign; None where the option was not given."""
        return self._number(name, _INT)

    def uint(self, name: str) -> int | None:
        """A number of 32 bits, none below zero."""
        return self._number(name, _UINT)

    def longlong(self, name: str) -> int | None:
        """A number of 64 bits with a sign."""
        return self._number(name, _LONGLONG)

    def ulonglong(self, name: str) -> int | None:
        """A number of 64 bits, none below zero."""
        return self._number(name, _ULONGLONG)

    def wrapping(self, name: str) -> int | None:
        """An unsigned number of 64 bits, where -1 stands for the greatest."""
        value = self._number(name, range(-(2**63), 2**64))
        return None if value is None else value % 2**64

    def _number(self, name: str, allowed: range) -> int | None:
        text = self.get(name, empty=True)
        if text is None:
            return None
        number = parse_number(text, base=10)
        signed = allowed.start < 0 or "-" not in text
        if number is None or number not in allowed or not signed:
            raise CommandFailed(
                f"Numeric value '{text}' for <{name}> option is malformed or out of range"
            )
        return number

    def scaled(self, name: str, unit: int = 1, maximum: int = 2**64 - 1) -> int | None:
        """A size in bytes; *unit* is what a number without a suffix counts."""
        text = self.get(name, empty=True)
        if text is None:
            return None
        message = f"Scaled numeric value '{text}' for <{name}> option is malformed or out of range"
        try:
            with failing(message):
                return read_size(text, unit, maximum)
        except NoSize:
            raise CommandFailed(message) from None

    def exclusive(self, *names: str) -> None:
        """Raises CommandFailed when more than one of these was given."""
        given = [name for name in names if name in self._values]
        if len(given) > 1:
            raise CommandFailed(f"Options --{given[0]} and --{given[1]} are mutually exclusive")

    def requires(self, name: str, *needed: str) -> None:
        """Raises CommandFailed when *name* was given and one of *needed* was not."""
        for other in needed:
            if name in self._values and other not in self._values:
                raise CommandFailed(f"Option --{other} is required by option --{name}")

    def impact(self) -> int:
        """Which configuration is meant: DomainModificationImpact of live, config and current.

        Raises:
            CommandFailed: ``--current`` was given beside one of the others.
        """
        self.exclusive("current", "live")
        self.exclusive("current", "config")
        return self.flags({"live": 1, "config": 2})


def parse_number(text: str, base: int = 0) -> int | None:
    """A whole number, or None.

    With a *base* of 0 as C reads it: octal with a leading 0, hexadecimal with 0x.
    """
    found = _NUMBER.fullmatch(text)
    if found is None:
        return None
    digits = found[1]
    sign = -1 if digits[0] == "-" else 1
    digits = digits.lstrip("+-")
    if base == 10:
        return sign * int(digits) if digits.isdecimal() else None
    if digits[:2] in ("0x", "0X"):
        return sign * int(digits, 16)
    if digits[0] == "0" and len(digits) > 1:
        return sign * int(digits, 8) if not set(digits) & set("89") else None
    return sign * int(digits)
