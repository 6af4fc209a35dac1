# SPDX-License-Identifier: Apache-2.0
"""Sets of small numbers as documents write them: ``0-3,^1,7`` for CPUs, nodes and threads."""

from __future__ import annotations

from collections.abc import Iterable

from virloom.enums.error import ErrorDomain
from virloom.errors import ConfigUnsupported, InvalidArg
from virloom.xml.kinds import Kind

#: Numbers are below this, as in libvirt (``VIR_DOMAIN_CPUMASK_LEN``).
LIMIT = 16384
_BLANKS = " \t\n"


def numbers_in(text: str) -> list[int]:
    """The members of a set, in order.

    Raises:
        InvalidArg: It is none: ``N``, ``N-M`` and ``^N`` (without N), separated by commas.
    """
    members: set[int] = set()
    try:
        for part in text.split(","):
            word = part.strip(_BLANKS)
            if word.startswith("^"):
                members.discard(_number(word[1:]))
                continue
            first, dash, last = word.partition("-")
            low = _number(first.rstrip(_BLANKS))
            high = _number(last.lstrip(_BLANKS)) if dash else low
            if high < low:
                raise ValueError
            members.update(range(low, high + 1))
    except ValueError:
        shown = text if len(text) <= 80 else f"{text[:80]}…"
        raise InvalidArg(
            f"'{shown}' is not a set of numbers below {LIMIT}", remedy="write it as 0-3,^2,8"
        ) from None
    return sorted(members)


def _number(word: str) -> int:
    if not (word.isascii() and word.isdigit()) or len(word) > 9 or int(word) >= LIMIT:
        raise ValueError
    return int(word)


def as_text(numbers: Iterable[int]) -> str:
    """The shortest text of a set: ``0-1,3``."""
    parts: list[str] = []
    run: list[int] = []
    for number in sorted(set(numbers)):
        if run and number != run[-1] + 1:
            parts.append(_run(run))
            run = []
        run.append(number)
    if run:
        parts.append(_run(run))
    return ",".join(parts)


def _run(run: list[int]) -> str:
    return str(run[0]) if len(run) == 1 else f"{run[0]}-{run[-1]}"


def _parsed(text: str) -> str:
    numbers = numbers_in(text)
    if not numbers:
        raise ConfigUnsupported(f"set '{text}' is empty", domain=ErrorDomain.DOMAIN)
    return as_text(numbers)


NUMBERS: Kind[str] = Kind(_parsed, plain=True)
"""Held and written in the shortest form."""
