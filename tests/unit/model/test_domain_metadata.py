# SPDX-License-Identifier: Apache-2.0
"""``<metadata>``: kept as libvirt 9 keeps it, given and taken by name space."""

from __future__ import annotations

import pytest

from virloom.errors import InternalError, XmlDetail
from virloom.model.domain import Domain
from virloom.model.metadata import get_metadata, set_metadata
from virloom.xml import Node, format_document, parse_document


def _metadata(inner: str, root: str = "") -> Node:
    text = f"<domain type='qemu' {root}><name>a</name><metadata>{inner}</metadata></domain>"
    found = parse_document(Domain, text).metadata
    assert found is not None
    return found


def test_prefixes_of_the_root_go_along() -> None:
    node = _metadata("<lo:a x='1'><lo:b/></lo:a>", "xmlns:lo='urn:lo' xmlns:other='urn:o'")
    assert node.attributes == {"xmlns:lo": "urn:lo"}


@pytest.mark.parametrize(
    ("inner", "kept"),
    [
        ("text", []),
        ("<a/>", []),
        ("<z:a/>", []),
        ("<a xmlns='urn:1'/><b xmlns='urn:1'/><c xmlns='urn:2'/>", ["a", "c"]),
        ("<!-- c --><p:a xmlns:p='urn:1'/>", ["p:a"]),
    ],
)
@pytest.mark.filterwarnings("ignore")
def test_one_element_per_name_space_and_nothing_else(inner: str, kept: list[str]) -> None:
    assert [node.tag for node in _metadata(inner).elements()] == kept


def test_layout_is_libxml2s() -> None:
    node = _metadata(
        '<i:a xmlns:i="urn:i" b=\'it"s\'>\n <i:b/> <i:m>t <b>x</b> y</i:m>'
        "<i:e></i:e><i:w> </i:w><!-- c --><i:c><![CDATA[<&]]></i:c></i:a>"
    )
    assert node.dump("  ") == (
        "  <metadata>\n"
        '    <i:a xmlns:i="urn:i" b="it&quot;s">\n'
        "      <i:b/>\n"
        "      <i:m>t <b>x</b> y</i:m>\n"
        "      <i:e/>\n"
        "      <i:w> </i:w>\n"
        "      <!-- c -->\n"
        "      <i:c><![CDATA[<&]]></i:c>\n"
        "    </i:a>\n"
        "  </metadata>"
    )


def test_an_element_is_given_and_taken_without_its_prefix() -> None:
    text = "<foo bar='1'><baz> t </baz><q:r xmlns:q='urn:q'/></foo>"
    changed = set_metadata(_metadata("<a xmlns='urn:1'/>"), "urn:k", "k", text)
    assert changed is not None
    assert '<k:foo xmlns:k="urn:k" bar="1">' in changed.dump()
    taken = '<foo bar="1">\n  <baz> t </baz>\n  <q:r xmlns:q="urn:q"/>\n</foo>'
    assert get_metadata(changed, "urn:k") == taken
    assert get_metadata(changed, "urn:none") is None


def test_an_element_replaces_the_one_of_its_name_space() -> None:
    first = set_metadata(None, "urn:k", "k", "<foo/>")
    second = set_metadata(first, "urn:k", "k2", "<bar/>")
    assert second is not None
    assert [node.tag for node in second.elements()] == ["k2:bar"]
    emptied = set_metadata(second, "urn:k", "k", None)
    assert emptied is not None  # libvirt keeps the empty element
    assert not emptied.elements()
    assert set_metadata(None, "urn:k", "k", None) is None


@pytest.mark.parametrize("text", ["foo", "<a/><b/>", "<a>", ""])
def test_what_is_not_one_element_is_refused(text: str) -> None:
    with pytest.raises(XmlDetail):
        set_metadata(None, "urn:k", "k", text)


@pytest.mark.parametrize("prefix", ["", "1a", "a b", "a:b", "a'/><x"])
def test_a_prefix_is_a_name(prefix: str) -> None:
    with pytest.raises(InternalError):
        set_metadata(None, "urn:k", prefix, "<a/>")


def test_metadata_survives_its_document() -> None:
    text = (
        "<domain type='qemu' xmlns:lo='urn:lo'><name>a</name>"
        "<metadata><lo:a><b>t</b></lo:a></metadata></domain>"
    )
    once = format_document(parse_document(Domain, text))
    assert '  <metadata xmlns:lo="urn:lo">\n    <lo:a>\n' in once
    assert format_document(parse_document(Domain, once)) == once
