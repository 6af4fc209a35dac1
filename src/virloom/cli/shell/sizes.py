# SPDX-License-Identifier: Apache-2.0
"""Sizes as they are typed and as they are shown."""

from __future__ import annotations

import re

from virloom.errors import InvalidArg, NumericOverflow

MAXIMUM = 2**64 - 1

_NUMBER = re.compile(r"\s*\+?([0-9]+)")
_SUFFIX = re.compile(r"(?:([kmgtpe])(b|ib)?|bytes?|b)?", re.IGNORECASE)
_PREFIXES = "BKMGTPE"


class NoSize(ValueError):
    """A text that does not even begin with a number."""


def read_size(text: str, unit: int = 1, maximum: int = MAXIMUM) -> int:
    """The bytes that a text such as ``10``, ``5k``, ``5KiB`` or ``5KB`` says.

    Powers of 1024, of 1000 where a B follows; *unit* is what a number without a suffix counts.

    Raises:
        NoSize: It does not begin with a number that fits.
        InvalidArg: Its suffix is none.
        NumericOverflow: It is more than *maximum*.
    """
    found = _NUMBER.match(text)
    if found is None or int(found[1]) > MAXIMUM:
        raise NoSize(text)
    size = int(found[1]) * _factor(text[found.end() :], unit)
    if size > maximum:
        raise NumericOverflow(f"value too large: {text}")
    return size


def _factor(suffix: str, unit: int) -> int:
    if not suffix:
        return unit
    found = _SUFFIX.fullmatch(suffix)
    if found is None:
        raise InvalidArg(f"unknown suffix '{suffix}'")
    letter, rest = found[1] or "B", found[2] or ""
    base = 1000 if rest.lower() == "b" else 1024
    return int(base ** _PREFIXES.index(letter.upper()))


def shown_size(size: int, decimals: int = 2) -> str:
    """Bytes in the greatest unit of which there is at least one, as ``1.50 GiB``."""
    power = min(max(size.bit_length() - 1, 0) // 10, len(_PREFIXES) - 1)
    unit = _PREFIXES[power] + "iB" if power else "B"
    return f"{size / 1024**power:.{decimals}f} {unit}"
