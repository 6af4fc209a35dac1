# SPDX-License-Identifier: Apache-2.0
"""The RELAX NG schemas made of the declarations say what the reader says, as libxml2 reads them."""

from __future__ import annotations

from functools import cache
from pathlib import Path

import pytest
from lxml import etree

from virloom.errors import VirloomError
from virloom.model import DOCUMENTS, document_class
from virloom.model.relaxng import relaxng
from virloom.xml import parse_document

TESTS = Path(__file__).resolve().parents[2]
DOMAINS = sorted([*TESTS.glob("parity/corpus/**/*.xml"), *TESTS.glob("golden/define/*.in.xml")])
OTHERS = sorted(TESTS.glob("golden/documents/*.xml"))


@cache
def schema(root: str) -> etree.RelaxNG:
    cls = document_class(root)
    assert cls is not None
    return etree.RelaxNG(etree.fromstring(relaxng(cls).encode()))


def verdicts(path: Path) -> tuple[str, bool] | None:
    """What the schema has against a document, and whether the reader takes it."""
    data = path.read_bytes()
    try:
        tree = etree.fromstring(data)
    except etree.XMLSyntaxError:
        return None
    cls = document_class(tree.tag)
    if cls is None:
        return None
    rng = schema(tree.tag)
    refused = "" if rng.validate(tree) else str(rng.error_log[0])
    try:
        parse_document(cls, data, validate=True)
    except VirloomError:
        return refused, False
    return refused, True


@pytest.mark.parametrize("root", DOCUMENTS)
def test_every_type_has_a_schema_that_refuses_unknown_names(root: str) -> None:
    tree = etree.fromstring(f"<{root}><nonsense/></{root}>")
    assert not schema(root).validate(tree)


def test_what_the_reader_takes_the_schema_takes() -> None:
    seen = {str(path.relative_to(TESTS)): verdicts(path) for path in [*DOMAINS, *OTHERS]}
    taken = {name: found[0] for name, found in seen.items() if found is not None and found[1]}
    assert len(taken) > 2000
    assert {name: why for name, why in taken.items() if why} == {}


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("<memory", "<nonsense/><memory"),
        ("<vcpu>", "<vcpu placement='elsewhere'>"),
        ("<vcpu>1", "<vcpu>one"),
        ("type='kvm'", "type='other'"),
        ("<os>", "<os wrong='1'>"),
        ("<disk ", "<disk snapshot='perhaps' "),
        ("<name>", "<uuid>1234</uuid><name>"),
    ],
)
def test_what_the_reader_refuses_the_schema_refuses(old: str, new: str) -> None:
    text = (
        "<domain type='kvm'><name>g</name><memory unit='MiB'>64</memory><vcpu>1</vcpu>"
        "<os><type>hvm</type></os><devices><disk type='file'><source file='/x'/>"
        "<target dev='vda'/></disk></devices></domain>"
    )
    assert schema("domain").validate(etree.fromstring(text))
    changed = text.replace(old, new, 1)
    assert changed != text
    with pytest.raises(VirloomError):
        parse_document(document_class("domain"), changed, validate=True)  # type: ignore[type-var] # there is one
    assert not schema("domain").validate(etree.fromstring(changed))
