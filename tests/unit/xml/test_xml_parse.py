# SPDX-License-Identifier: Apache-2.0
"""Reading documents: what is refused, and how the message says where."""

from __future__ import annotations

import logging

import pytest

from virloom.enums.error import ErrorDomain
from virloom.errors import (
    ConfigUnsupported,
    InternalError,
    InvalidArg,
    NoName,
    NumericOverflow,
    VirloomError,
    XmlDetail,
    XmlError,
    XmlInvalidSchema,
)
from virloom.model.domain import Disk, Domain
from virloom.model.domain.base import DomainElement
from virloom.xml import Limits, format_document, parse_document, parse_node
from virloom.xml.element import Element
from virloom.xml.fields import attribute, content, leaf
from virloom.xml.kinds import STRING


def _domain(inner: str = "", devices: str = "", **limits: int) -> Domain:
    text = (
        f"<domain type='qemu'><name>a</name><memory>65536</memory>{inner}"
        f"<devices>{devices}</devices></domain>"
    )
    return parse_document(Domain, text, limits=Limits(**limits))


BILLION_LAUGHS = """<?xml version="1.0"?>
<!DOCTYPE lolz [<!ENTITY lol "lol"><!ENTITY lol1 "&lol;&lol;&lol;&lol;&lol;&lol;&lol;&lol;">
<!ENTITY lol2 "&lol1;&lol1;&lol1;&lol1;&lol1;&lol1;&lol1;&lol1;">]>
<domain type='qemu'><name>&lol2;</name></domain>"""


@pytest.mark.parametrize(
    "text",
    [
        "",
        "   ",
        "text",
        "<domain",
        "<domain type='qemu'>",
        "<domain type='qemu'></Domain>",
        "<domain type='qemu'/><domain type='qemu'/>",
        "<domain type='qemu' type='kvm'/>",
        "<domain type=qemu/>",
        "<domain type='qemu'>&undefined;</domain>",
        "<domain type='qemu'>&#0;</domain>",
        "<domain type='qemu'>\x00</domain>",
        "<domain type='qemu'>\x01</domain>",
        "<domain type='qemu'>\ud800</domain>",
        b"<domain type='qemu'>\xff\xfe</domain>",
        b"<domain type='qemu'>\xc0\xaf</domain>",
        b"\xff\xfe<\x00d\x00/\x00>\x00",
        b"<domain type='qemu'>\x00</domain>",
    ],
)
def test_what_is_not_well_formed_is_refused(text: str | bytes) -> None:
    with pytest.raises(XmlDetail) as caught:
        parse_document(Domain, text)
    assert "domain document" in str(caught.value)


@pytest.mark.parametrize(
    "text",
    [
        BILLION_LAUGHS,
        "<!DOCTYPE domain SYSTEM 'http://127.0.0.1/x.dtd'><domain type='qemu'/>",
        "<!DOCTYPE d [<!ENTITY % x SYSTEM 'file:///etc/passwd'> %x;]><domain type='qemu'/>",
        "<!DOCTYPE d [<!ATTLIST domain type CDATA 'qemu'>]><domain/>",
        "<!DOCTYPE domain><domain type='qemu'/>",
    ],
)
def test_a_document_type_declaration_is_refused_before_anything_in_it(text: str) -> None:
    with pytest.raises(XmlError, match="DOCTYPE"):
        parse_document(Domain, text)


def test_another_root_is_refused_by_name() -> None:
    with pytest.raises(XmlError, match="expecting root element of 'domain', not 'network'"):
        parse_document(Domain, "<network/>")


def test_size_is_bounded_in_bytes() -> None:
    text = f"<domain type='qemu'><name>{'é' * 100}</name></domain>"
    size = len(text.encode())
    parse_document(Domain, text, limits=Limits(size=size))
    with pytest.raises(XmlError, match=f"{size} bytes, at most {size - 1} are read"):
        parse_document(Domain, text, limits=Limits(size=size - 1))


@pytest.mark.parametrize("where", ["metadata", "unknown", "title"])
def test_depth_is_bounded_wherever_it_is(where: str) -> None:
    deep = "<a xmlns='urn:a'>" * 200 + "</a>" * 200
    with pytest.raises(XmlError, match="more than 128 nested elements"):
        _domain(f"<{where}>{deep}</{where}>")


def test_a_very_deep_document_costs_no_stack() -> None:
    with pytest.raises(XmlError, match="nested"):
        parse_document(Domain, "<domain type='qemu'>" + "<x>" * 500_000)


def test_the_number_of_elements_is_bounded() -> None:
    _domain("<x/>" * 50, elements=60)
    with pytest.raises(XmlError, match="more than 60 elements"):
        _domain("<x/>" * 60, elements=60)


@pytest.mark.parametrize("piece", ["<!-- c -->", "<?p i?>", "<![CDATA[x]]>"])
@pytest.mark.parametrize("where", ["metadata", "title", "unknown"])
def test_other_markup_counts_too(piece: str, where: str) -> None:
    with pytest.raises(XmlError, match="more than 60 elements"):
        _domain(f"<{where}>{piece * 60}</{where}>", elements=60)


def test_the_number_of_attributes_is_bounded() -> None:
    many = " ".join(f"a{n}=''" for n in range(257))
    with pytest.raises(XmlError, match="257 attributes, at most 256 are read"):
        _domain(f"<vcpu {many}>1</vcpu>")


@pytest.mark.parametrize(
    "inner",
    [
        "<title>xxxxxxxxxxx</title>",
        "<vcpu cpuset='xxxxxxxxxxx'>1</vcpu>",
        "<metadata><a xmlns='urn:a'>xxxxxxxxxxx</a></metadata>",
        "<metadata><a xmlns='urn:a'><![CDATA[xxxxxxxxxxx]]></a></metadata>",
    ],
)
def test_the_length_of_a_text_is_bounded(inner: str) -> None:
    with pytest.raises(XmlError, match="longer than 10 characters"):
        _domain(inner, text=10)


@pytest.mark.parametrize(
    ("inner", "devices", "where"),
    [
        ("<vcpu>x</vcpu>", "", "domain/vcpu: 'x' is not a non-negative integer (line 1)"),
        ("<vcpu\ncurrent='-1'>1</vcpu>", "", "domain/vcpu/@current: '-1' is not"),
        (
            "",
            "<disk/><disk><target\n\ndev='vda' bus='x'/></disk>",
            "domain/devices/disk[2]/target/@bus: 'x' is not one of ide, fdc, scsi",
        ),
        (
            "<os><boot dev='hd'/><boot dev='usb'/></os>",
            "",
            "domain/os/boot[2]/@dev: 'usb' is not one of fd, cdrom, hd, network (line 1)",
        ),
        (
            "",
            "<disk><address type='pci' slot='0x20'/></disk>",
            "domain/devices/disk[1]/address/@slot: '0x20' is not a number from 0 to 0x1f",
        ),
        (
            "<features><smm><tseg unit='MiB'>1.5</tseg></smm></features>",
            "",
            "domain/features/smm/tseg: '1.5' is not a non-negative integer",
        ),
    ],
)
def test_a_value_that_does_not_convert_names_its_place(
    inner: str, devices: str, where: str
) -> None:
    with pytest.raises(XmlError) as caught:
        _domain(inner, devices)
    assert where in str(caught.value)


def test_the_line_is_that_of_the_value() -> None:
    with pytest.raises(XmlError, match=r"\(line 4\)"):
        _domain("\n\n\n<vcpu>x</vcpu>")


def test_a_long_value_is_cut_in_the_message() -> None:
    with pytest.raises(XmlError) as caught:
        _domain(f"<vcpu current='{'9x' * 5000}'>1</vcpu>")
    assert len(str(caught.value)) < 300


@pytest.mark.parametrize(
    "text",
    [
        f"<vcpu>{'1' * 900_000}</vcpu>",
        f"<vcpu {'a' * 900_000}='1'>1</vcpu>",
        f"<{'a' * 900_000}/>",
        f"<currentMemory unit='{'a' * 900_000}'>1</currentMemory>",
        f"<uuid>{'a' * 900_000}</uuid>",
        "<devices><disk><address type='pci' slot='0x" + "f" * 900_000 + "'/></disk></devices>",
        "<metadata>" + "<a xmlns='urn:a'>" * 110 + "<b>" + "x" * 2_000_000,
    ],
    ids=["number", "attribute", "element", "unit", "uuid", "hexadecimal", "text"],
)
def test_a_message_stays_short_whatever_the_document_says(text: str) -> None:
    with pytest.raises(VirloomError) as caught:
        parse_document(Domain, f"<domain type='qemu'><name>a</name>{text}</domain>", validate=True)
    assert len(str(caught.value)) < 1000


# The codes are those of libvirt 9.0.0 for the same change of a document that it takes.
@pytest.mark.parametrize(
    ("inner", "devices", "error"),
    [
        ("<uuid>zz</uuid>", "", InternalError),
        ("<cpu mode='x'/>", "", ConfigUnsupported),
        ("<cpu match='x'/>", "", XmlError),
        ("<on_crash>x</on_crash>", "", ConfigUnsupported),
        ("<clock offset='x'/>", "", ConfigUnsupported),
        ("<currentMemory unit='foo'>1</currentMemory>", "", InvalidArg),
        ("<currentMemory unit='EiB'>65536</currentMemory>", "", NumericOverflow),
        ("<currentMemory>99999999999999999999</currentMemory>", "", XmlError),
        ("<currentMemory>5 </currentMemory>", "", XmlError),
        ("", "<disk type='none'/>", XmlError),
        ("", "<disk><driver type='luks'/></disk>", ConfigUnsupported),
        ("", "<disk><backingStore><format type='luks'/></backingStore></disk>", XmlError),
        ("", "<disk><address type='none'/></disk>", ConfigUnsupported),
        ("", "<disk><address type='drive' unit='0x1'/></disk>", XmlError),
        ("", "<interface><mac address='52:54:00:12:34'/></interface>", XmlError),
        ("", "<interface><link state='x'/></interface>", ConfigUnsupported),
        ("", "<graphics type='vnc' port='x'/>", InternalError),
        ("", "<graphics type='x'/>", XmlError),
        ("", "<video><model type='x'/></video>", ConfigUnsupported),
        ("", "<serial type='x'/>", ConfigUnsupported),
        ("", "<input type='x'/>", ConfigUnsupported),
    ],
)
def test_the_code_of_a_bad_value_is_libvirts(
    inner: str, devices: str, error: type[VirloomError]
) -> None:
    with pytest.raises(VirloomError) as caught:
        _domain(inner, devices)
    assert type(caught.value) is error


def test_a_domain_needs_name_and_type() -> None:
    with pytest.raises(NoName):
        parse_document(Domain, "<domain type='qemu'><name></name></domain>")
    with pytest.raises(InternalError, match="missing domain type"):
        parse_document(Domain, "<domain><name>a</name></domain>")


def test_of_what_may_be_there_once_the_first_counts() -> None:
    dom = _domain(
        "<title>first</title><title>second</title><vcpu>2</vcpu><vcpu>x</vcpu>"
        "<os><type>hvm</type></os><os><type>xen</type><boot dev='hd'/></os>"
    )
    assert (dom.title, dom.vcpu.value, dom.os.type.value, dom.os.boots) == ("first", 2, "hvm", [])


def test_what_libvirt_has_once_only_is_refused_with_its_path() -> None:
    twice = "<serial type='pty'><log file='/a'/><log file='/b'/></serial>"
    with pytest.raises(XmlError, match=r"domain/devices/serial\[1\]: .*second <log>") as caught:
        _domain("", twice)
    assert caught.value.domain == ErrorDomain.DOMAIN
    with pytest.raises(InternalError, match="second <memballoon>"):
        _domain("", "<memballoon model='virtio'/><memballoon model='virtio'/>")


def test_blanks_count_in_texts_and_not_between_elements() -> None:
    dom = _domain("\n <title>  a  b </title>\t<description>\n</description> <vcpu> 3</vcpu>\n")
    assert (dom.title, dom.description, dom.vcpu.value) == ("  a  b ", "\n", 3)


def test_empty_text_is_no_text() -> None:
    dom = _domain("<title></title><description/><vcpu></vcpu>")
    assert (dom.title, dom.description, dom.vcpu.value) == (None, None, None)


def test_comments_and_cdata_do_not_split_a_text() -> None:
    dom = _domain("<title>a<!-- x -->b<![CDATA[<c>]]>d</title>")
    assert dom.title == "ab<c>d"


def test_numbers_are_read_as_strtoul_reads_them() -> None:
    assert _domain("<vcpu> +7</vcpu>").vcpu.value == 7
    for text in ("7 ", "0x7", "7_0", "\u0667", "4294967296", "1e3"):
        with pytest.raises(XmlError):
            _domain(f"<vcpu>{text}</vcpu>")


class _Disk(DomainElement):
    """A disk of which nothing but its type is modelled."""

    tag = "disk"
    schema_path = "domain/devices/disk"

    type: str | None = attribute(STRING)


def test_what_only_the_schema_knows_is_kept() -> None:
    text = "<disk type='network' sgio='filtered'>\n  <vendor>ACME</vendor>\n</disk>\n"
    disk = parse_document(_Disk, text)
    assert disk.extra.attributes == {"sgio": "filtered"}
    assert [node.tag for node in disk.extra.children] == ["vendor"]
    assert format_document(disk) == text


def test_what_nobody_knows_is_dropped_with_one_warning(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING):
        dom = _domain("<foo a='1'><bar/></foo><vcpu baz='1'>1</vcpu>", "<disk><qux/></disk>")
    assert len(caplog.records) == 1
    for path in ("domain/foo", "domain/vcpu/@baz", "domain/devices/disk[1]/qux"):
        assert path in caplog.text
    assert "foo" not in format_document(dom)


@pytest.mark.parametrize(
    ("text", "path"),
    [
        ("<foo/>", "domain/foo"),
        ("<vcpu baz='1'>1</vcpu>", "domain/vcpu/@baz"),
        ("<title><b/></title>", "domain/title/b"),
        ("<features><acpi x='1'/></features>", "domain/features/acpi/@x"),
        ("<memory unit='KiB' x='1'>1</memory>", "domain/memory/@x"),
    ],
)
def test_with_validation_an_unknown_name_is_an_error(text: str, path: str) -> None:
    document = f"<domain type='qemu'><name>a</name>{text}</domain>"
    with pytest.raises(XmlInvalidSchema) as caught:
        parse_document(Domain, document, validate=True)
    assert path in str(caught.value)


def test_a_device_is_a_document_too() -> None:
    disk = parse_document(
        Disk, "<disk type='file'><target dev='vdb' bus='virtio'/></disk>", validate=True
    )
    assert disk.target.dev == "vdb"
    with pytest.raises(XmlError, match=r"domain/devices/disk/target/@bus|disk/target/@bus"):
        parse_document(Disk, "<disk><target bus='x'/></disk>")


def test_a_node_is_read_word_for_word() -> None:
    node = parse_node("<a x='1'> <b>t</b><!-- c --></a>")
    assert node.dump() == '<a x="1">\n  <b>t</b>\n  <!-- c -->\n</a>'
    with pytest.raises(XmlDetail):
        parse_node("<a/><b/>")
    with pytest.raises(XmlError, match="DOCTYPE"):
        parse_node(BILLION_LAUGHS)


def test_the_reader_leaves_no_cycle_behind() -> None:
    import gc

    gc.collect()
    gc.disable()
    try:
        _domain("<vcpu>1</vcpu>")
        with pytest.raises(XmlError):
            _domain("<vcpu>x</vcpu>")
        from virloom.xml.parse import _Reader

        alive = [found for found in gc.get_objects() if isinstance(found, _Reader)]
        # The exception of the failed parse is gone with its frames; a cycle would keep a reader.
        assert alive == []
    finally:
        gc.enable()


def test_the_text_of_a_child_is_not_its_parents() -> None:
    class Mixed(Element):
        tag = "mixed"
        text: str | None = content(STRING)
        name: str | None = leaf(STRING)

    found = parse_document(Mixed, "<mixed><name>n</name></mixed>")
    assert (found.name, found.text) == ("n", None)
