# SPDX-License-Identifier: Apache-2.0
"""Documents as libvirt 9.0.0 writes them come out of reader and writer byte for byte.

``libvirt9-*.xml`` are what ``virDomainGetXMLDesc`` of libvirt 9.0.0 (Debian 12) gave for documents
of ours (``-live``: of a running guest); ``kept-*.xml`` is what its QEMU and test drivers do not
take or do not give back.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tools.golden_devices import cases, document
from virloom.model.domain import Domain
from virloom.xml import Element, FormatFlags, format_document, parse_document
from virloom.xml.fields import Role

HERE = Path(__file__).parent
DOCUMENTS = sorted(HERE.glob("*.xml"))
DEFINED = sorted((HERE.parent / "define").glob("*.out.xml"))
FLAGS = FormatFlags.SECURE


@pytest.mark.parametrize("path", DOCUMENTS, ids=lambda path: path.stem)
def test_a_document_comes_out_as_it_went_in(path: Path) -> None:
    text = path.read_text()
    assert format_document(parse_document(Domain, text, validate=True), FLAGS) == text


@pytest.mark.parametrize("path", DOCUMENTS, ids=lambda path: path.stem)
def test_a_copy_is_written_alike(path: Path) -> None:
    text = path.read_text()
    assert format_document(parse_document(Domain, text).copy(), FLAGS) == text


@pytest.mark.parametrize("machine", ["q35", "pc"])
@pytest.mark.parametrize(
    ("source", "flags", "target"),
    [
        ("live-secure", FormatFlags.NONE, "live"),
        ("live-inactive", FormatFlags.NONE, "off"),
        ("live-inactive", FormatFlags.SECURE, "live-inactive"),
        ("live-inactive", FormatFlags.MIGRATABLE, "off-migratable"),
    ],
)
def test_flags_show_what_libvirt_shows(
    machine: str, source: str, flags: FormatFlags, target: str
) -> None:
    document = parse_document(Domain, (HERE / f"libvirt9-{machine}-{source}.xml").read_text())
    assert (
        format_document(document, flags) == (HERE / f"libvirt9-{machine}-{target}.xml").read_text()
    )


def _declared() -> set[tuple[str, str]]:
    found: set[tuple[str, str]] = set()
    seen: set[type[Element]] = set()
    waiting: list[type[Element]] = [Domain]
    while waiting:
        cls = waiting.pop()
        if cls not in seen:
            seen.add(cls)
            # libvirt 9 writes nothing of what later releases brought.
            fields = {name: field for name, field in cls._fields.items() if not field.since}
            found |= {(cls.__name__, name) for name in fields}
            waiting += [field.cls for field in fields.values() if field.cls is not None]
    return found


def _exercise(element: Element, found: set[tuple[str, str]]) -> None:
    for name, value in element.__dict__.items():
        field = element._fields.get(name)
        if field is None or value is None or value == []:
            continue
        if value is False and field.role is Role.FLAG:
            continue
        found.add((type(element).__name__, name))
        for item in value if isinstance(value, list) else [value]:
            if isinstance(item, Element):
                _exercise(item, found)


def _texts() -> Iterator[str]:
    """Documents here, and those of single devices that libvirt 9 takes."""
    yield from (path.read_text() for path in [*DOCUMENTS, *DEFINED])
    for path in sorted((HERE.parent / "devices").glob("*.txt")):
        expected = path.with_suffix(".expected").read_text()
        for name, machine, body in cases(path.read_text()):
            if f"## {name}\nrefused" not in expected:
                yield document(name, machine, body)


def test_every_declared_field_is_in_some_document() -> None:
    """A field nobody has seen written by libvirt may be misspelt or in the wrong place."""
    found: set[tuple[str, str]] = set()
    for text in _texts():
        _exercise(parse_document(Domain, text), found)
    assert sorted(_declared() - found) == []
