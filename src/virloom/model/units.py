# SPDX-License-Identifier: Apache-2.0
"""Amounts with a unit: ``<memory unit='MiB'>64</memory>``."""

from __future__ import annotations

from virloom.errors import InvalidArg, NumericOverflow
from virloom.xml.kinds import ULONG, Kind

_PREFIXES = "kmgtpe"


def unit_factor(unit: str) -> int:
    """Bytes of one unit, by libvirt's names.

    ``b``, ``byte`` and ``bytes`` are 1; ``k`` and ``KiB`` are 1024, ``KB`` is 1000, and so on
    up to E; case does not matter.

    Raises:
        InvalidArg: There is no such unit.
    """
    word = unit.lower()
    if word in ("b", "byte", "bytes"):
        return 1
    power = _PREFIXES.find(word[:1]) + 1 if word else 0
    rest = word[1:]
    if power == 0 or rest not in ("", "b", "ib"):
        raise InvalidArg(
            f"unknown suffix '{unit[:32]}'", remedy="bytes, KB, KiB, MB, MiB, GB, GiB, TB, TiB, …"
        )
    return int((1000 if rest == "b" else 1024) ** power)


def scaled(text: str, unit: str | None, *, default: int, limit: int) -> int:
    """The bytes that a number and a unit amount to.

    Args:
        text: A non-negative number.
        unit: See :func:`unit_factor`; empty or None takes ``default``.
        default: Bytes of one unit where none is given.
        limit: The largest number of bytes.

    Raises:
        ValueError: The text is not a number (says what was expected).
        InvalidArg: There is no such unit.
        NumericOverflow: More than ``limit``.
    """
    assert ULONG.parse is not None
    number = ULONG.parse(text)
    value = number * (unit_factor(unit) if unit else default)
    if value > limit:
        raise NumericOverflow(f"value too large: {number}{unit or ''}")
    return value


def largest_unit(value: int) -> tuple[str, str]:
    """A number of bytes in the largest binary unit that needs no fraction: ``16``, ``MiB``."""
    power = 0
    while value and value % 1024 == 0 and power < len(_PREFIXES):
        value //= 1024
        power += 1
    return str(value), f"{_PREFIXES[power - 1].upper()}iB" if power else "B"


def _amount(step: int, unit: str, *, default: int = 1024, limit: int = (1 << 64) - 1) -> Kind[int]:
    def parse(text: str, given: str | None) -> int:
        # Rounded up: what is asked for is there.
        return -(-scaled(text, given, default=default, limit=limit) // step)

    return Kind(None, scaled=parse, amount=lambda value: (str(value), unit))


# libvirt bounds memory so that the bytes fit a signed 64-bit number (virDomainParseMemoryLimit).
KIBIBYTES = _amount(1024, "KiB", limit=(1 << 63) - 1)
"""Held and written in KiB, read in any unit, KiB where none is given."""
BYTES = _amount(1, "bytes", default=1)
"""Held and written in bytes, read in any unit, bytes where none is given."""
PRETTY_BYTES: Kind[int] = Kind(
    None,
    scaled=lambda text, unit: scaled(text, unit, default=1024 * 1024, limit=(1 << 64) - 1),
    amount=largest_unit,
)
"""Held in bytes, read in MiB where no unit is given, written in the largest unit that fits."""
