# SPDX-License-Identifier: Apache-2.0
"""Whatever the declarations allow survives writing and reading; whatever is read survives too."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from virloom.errors import VirloomError
from virloom.model import DOCUMENTS, document_class
from virloom.model.cpuset import LIMIT, NUMBERS, as_text
from virloom.model.domain import Address, Domain
from virloom.model.nwfilter.rule import HARDWARE, TRUTH
from virloom.xml import Element, FormatFlags, format_document, parse_document
from virloom.xml.fields import Field, Role
from virloom.xml.kinds import (
    FILLED,
    INT,
    MAC,
    ON_OFF,
    STRING,
    UINT,
    UINT_ANY_BASE,
    UINT_POSITIVE,
    ULONG,
    UUID,
    YES_NO,
    Kind,
)

FLAGS = FormatFlags.STATUS
# XML 1.0 characters; a carriage return becomes a line feed in every XML reader.
_CHARACTERS = st.characters(
    exclude_categories=("Cs",), exclude_characters="\r￾￿\x00", min_codepoint=9
).filter(lambda c: c >= " " or c in "\t\n")
_TEXT = st.text(_CHARACTERS, min_size=1, max_size=12)
# An attribute's line feeds and tabs become blanks; libvirt does not write them as references.
_VALUE = st.text(_CHARACTERS.filter(lambda c: c >= " "), max_size=12)
_HEX = "0123456789abcdef"


def _values(kind: Kind[Any], *, text: bool) -> st.SearchStrategy[Any]:
    if kind.show is not None and kind.show in (YES_NO.show, ON_OFF.show):
        return st.booleans()
    if kind.choices:
        return st.sampled_from(kind.choices)
    if kind is STRING:
        return _TEXT if text else _VALUE
    if kind is FILLED:
        return _TEXT.filter(str.strip)
    if kind is UUID or (kind.pattern and kind.pattern == UUID.pattern):
        return st.uuids().map(str)
    if kind is MAC:
        return st.lists(st.text(_HEX, min_size=2, max_size=2), min_size=6, max_size=6).map(":".join)
    if kind is HARDWARE:
        return st.sampled_from(["$MAC", "52:54:00:12:34:56"])
    if kind is TRUTH:
        return st.sampled_from(["true", "false"])
    if kind is ULONG:
        return st.integers(0, (1 << 64) - 1)
    if kind.parse is UINT.parse:
        return st.integers(0, (1 << 32) - 1)
    if kind is UINT_POSITIVE:
        return st.integers(1, (1 << 32) - 1)
    if kind is NUMBERS:
        return st.sets(st.integers(0, LIMIT - 1), min_size=1, max_size=9).map(as_text)
    if kind is INT or kind.parse is INT.parse:
        return st.integers(-(1 << 31) + 1, (1 << 31) - 1)
    if kind is UINT_ANY_BASE or kind.scaled is not None:
        return st.integers(0, (1 << 31) - 1)
    return st.integers(0, 255)


@st.composite
def elements(draw: st.DrawFn, cls: type[Element], depth: int = 0) -> Element:
    if cls is Address:
        return draw(_addresses())
    made = cls()
    names = list(cls._fields)
    chosen = draw(st.lists(st.sampled_from(names), unique=True, max_size=8)) if names else []
    chosen += [name for name in names if cls._fields[name].required and name not in chosen]
    for name in chosen:
        value = draw(_field_value(cls._fields[name], depth))
        if value is not None:
            made.__dict__[name] = value
    return made


@st.composite
def _field_value(draw: st.DrawFn, field: Field, depth: int) -> Any:
    role = field.role
    if role in (Role.ATTRIBUTE, Role.CONTENT, Role.LEAF):
        return draw(_values(field.kind, text=role is not Role.ATTRIBUTE))
    if role is Role.LEAVES:
        return draw(st.lists(_values(field.kind, text=True), max_size=3))
    if role is Role.FLAG:
        return draw(st.booleans())
    if role is Role.MIXTURE:
        anyone = st.one_of(*(elements(cls, depth + 1) for cls in field.members.values()))
        return draw(st.lists(anyone, max_size=3))
    if role in (Role.VERBATIM, Role.RAW) or field.cls is None or depth > 4:
        return None
    if role is Role.CHILDREN:
        return draw(st.lists(elements(field.cls, depth + 1), max_size=2))
    return draw(elements(field.cls, depth + 1))


def _addresses() -> st.SearchStrategy[Address]:
    small, large = st.integers(0, 7), st.integers(0, (1 << 32) - 1)
    return st.one_of(
        st.builds(
            Address,
            type=st.just("pci"),
            domain=st.integers(0, 0xFFFF),
            bus=st.integers(0, 0xFF),
            slot=st.integers(0, 0x1F),
            function=small,
            multifunction=st.none() | st.booleans(),
        ),
        st.builds(Address, type=st.just("drive"), controller=large, bus=large, unit=large),
        st.builds(Address, type=st.just("virtio-serial"), controller=large, port=large),
        st.builds(Address, type=st.just("usb"), bus=large, port=st.sampled_from(["1", "1.2.3"])),
        st.builds(Address, type=st.just("isa"), iobase=large, irq=st.none() | large),
        st.builds(Address, type=st.just("virtio-mmio")),
    )


@given(elements(Domain))
def test_what_is_written_is_read_alike(element: Element) -> None:
    element.__dict__.update(name="a", type="qemu")
    element.__dict__.pop("xmlns_qemu", None)
    once = format_document(element, FLAGS)
    again = parse_document(Domain, once, validate=True)
    assert format_document(again, FLAGS) == once
    assert format_document(again.copy(), FLAGS) == once


#: Of the other types, those whose parts are what their fields say; a snapshot's domain is above.
_OTHERS = sorted(set(DOCUMENTS) - {"domain"})


@pytest.mark.parametrize("root", _OTHERS)
@settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(data=st.data())
def test_documents_of_other_types_come_back_too(root: str, data: st.DataObject) -> None:
    cls = document_class(root)
    assert cls is not None
    drawn = data.draw(elements(cls))
    if "name" in cls._fields:
        drawn.__dict__["name"] = "a"
    written = format_document(drawn, FLAGS)
    try:
        once = parse_document(cls, written)
    except VirloomError:
        # A value that its kind would not have read, or a document that is not whole.
        assume(False)
    text = format_document(once, FLAGS)
    again = parse_document(cls, text, validate=True)
    assert format_document(again, FLAGS) == text
    assert format_document(again.copy(), FLAGS) == text


_TAGS = st.sampled_from(
    ["name", "memory", "vcpu", "os", "type", "devices", "disk", "source", "metadata", "x:y", "cpu"]
)
_ATTRIBUTES = st.dictionaries(
    st.sampled_from(["type", "unit", "dev", "bus", "xmlns", "xmlns:x", "x:z", "foo"]),
    st.sampled_from(["", "qemu", "pci", "KiB", "0x1", "urn:1", "&lt;"]),
    max_size=3,
)


@st.composite
def _markup(draw: st.DrawFn, depth: int = 0) -> str:
    tag = draw(_TAGS)
    head = "".join(f" {name}='{value}'" for name, value in draw(_ATTRIBUTES).items())
    inner: list[str] = []
    if depth < 5:
        parts = st.sampled_from(["", "1", " ", "<!-- c -->", "<![CDATA[<]]>", "&amp;"])
        inner = draw(st.lists(parts | _markup(depth + 1), max_size=4))
    return f"<{tag}{head}>{''.join(inner)}</{tag}>"


@given(st.lists(_markup(), max_size=5))
def test_what_is_read_comes_to_rest(parts: list[str]) -> None:
    """Reading ends in a document or an error of ours, and a document stays as it is."""
    text = f"<domain type='qemu' xmlns:x='urn:x'><name>a</name>{''.join(parts)}</domain>"
    try:
        dom = parse_document(Domain, text)
    except VirloomError:
        return
    once = format_document(dom, FLAGS)
    assert format_document(parse_document(Domain, once), FLAGS) == once


@given(st.binary(max_size=200) | st.text(max_size=200))
def test_no_input_gets_past_the_errors(data: bytes | str) -> None:
    try:
        parse_document(Domain, data)
    except VirloomError:
        pass
    else:
        raise AssertionError("random input is no domain")
