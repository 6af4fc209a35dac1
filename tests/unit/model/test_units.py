# SPDX-License-Identifier: Apache-2.0
"""Amounts with units."""

from __future__ import annotations

import pytest

from virloom.errors import InvalidArg, NumericOverflow
from virloom.model.domain import Domain
from virloom.model.units import largest_unit, scaled, unit_factor
from virloom.xml import format_document, parse_document


@pytest.mark.parametrize(
    ("unit", "factor"),
    [
        ("b", 1),
        ("byte", 1),
        ("Bytes", 1),
        ("k", 1024),
        ("K", 1024),
        ("KB", 1000),
        ("KiB", 1024),
        ("kib", 1024),
        ("m", 1024**2),
        ("MB", 1000**2),
        ("MiB", 1024**2),
        ("G", 1024**3),
        ("gb", 1000**3),
        ("TiB", 1024**4),
        ("P", 1024**5),
        ("EB", 1000**6),
    ],
)
def test_factor_of_a_unit(unit: str, factor: int) -> None:
    assert unit_factor(unit) == factor


@pytest.mark.parametrize("unit", ["foo", "ZiB", "i", "iB", "kk", "KiBB", " KiB", "бит"])
def test_an_unknown_unit_is_named(unit: str) -> None:
    with pytest.raises(InvalidArg, match=f"unknown suffix '{unit}'"):
        unit_factor(unit)


# What libvirt 9.0.0 makes of the same elements.
@pytest.mark.parametrize(
    ("element", "kib"),
    [
        ("<memory>65536</memory>", 65536),
        ("<memory unit=''>65536</memory>", 65536),
        ("<memory unit='b'>65536000</memory>", 64000),
        ("<memory unit='mb'>66</memory>", 64454),
        ("<memory unit='g'>1</memory>", 1048576),
        ("<memory unit='gb'>1</memory>", 976563),
        ("<memory unit='TiB'>8388607</memory>", 9007198180999168),
        ("<memory unit='MB'>200</memory>", 195313),
    ],
)
def test_memory_is_held_in_kib_rounded_up(element: str, kib: int) -> None:
    dom = parse_document(Domain, f"<domain type='qemu'><name>a</name>{element}</domain>")
    assert dom.memory == kib
    assert f"<memory unit='KiB'>{kib}</memory>" in format_document(dom)


@pytest.mark.parametrize(("amount", "unit"), [("65536", "EiB"), ("9388608", "TiB")])
def test_what_does_not_fit_is_an_overflow(amount: str, unit: str) -> None:
    text = f"<domain type='qemu'><name>a</name><memory unit='{unit}'>{amount}</memory></domain>"
    with pytest.raises(NumericOverflow, match=f"domain/memory: value too large: {amount}{unit}"):
        parse_document(Domain, text)


def test_the_limit_itself_fits() -> None:
    assert scaled("3", "KiB", default=1, limit=3072) == 3072
    with pytest.raises(NumericOverflow):
        scaled("3", "KiB", default=1, limit=3071)


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        (0, ("0", "B")),
        (1023, ("1023", "B")),
        (1024, ("1", "KiB")),
        (16 * 1024**2, ("16", "MiB")),
        (2 * 1024**3, ("2", "GiB")),
        (1025 * 1024, ("1025", "KiB")),
        (1024**6, ("1", "EiB")),
        (1024**7, ("1024", "EiB")),
    ],
)
def test_the_largest_unit_without_a_fraction(value: int, shown: tuple[str, str]) -> None:
    assert largest_unit(value) == shown
