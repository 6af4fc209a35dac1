# SPDX-License-Identifier: Apache-2.0
"""Filters as they are after parsing: normalized, and refused where they cannot be."""

from __future__ import annotations

from pathlib import Path

import pytest

from virloom.drivers.nwfilter.completion import kind_of, parse_filter
from virloom.drivers.nwfilter.references import loop_of
from virloom.drivers.nwfilter.stock import stock_filters
from virloom.errors import InternalError, InvalidArg
from virloom.model.nwfilter import Filter
from virloom.xml import format_document

#: Where Debian's libvirt has its own.
LIBVIRTS = Path("/etc/libvirt/nwfilter")


def shown(text: str) -> str:
    model = parse_filter(text)
    model.uuid = None
    return format_document(model)


def rule(match: str) -> str:
    """What becomes of a match."""
    text = shown(f"<filter name='f'><rule action='drop' direction='in'>{match}</rule></filter>")
    return text.splitlines()[2].strip()


@pytest.mark.parametrize(
    ("match", "normal"),
    [
        ("<ip srcipmask='255.255.0.0'/>", "<ip srcipmask='16'/>"),
        ("<ip srcipaddr='10.1'/>", "<ip srcipaddr='10.0.0.1'/>"),
        ("<ipv6 srcipaddr='::FFFF:0a01:0203'/>", "<ipv6 srcipaddr='::ffff:10.1.2.3'/>"),
        ("<mac protocolid='2054'/>", "<mac protocolid='arp'/>"),
        ("<ip srcipaddr='$IP[ 01 ]'/>", "<ip srcipaddr='$IP[1]'/>"),
        ("<ip srcipaddr='$IP[@0]'/>", "<ip srcipaddr='$IP'/>"),
        (
            "<udp ipset='a' ipsetflags='dst,src'/>",
            "<udp ipset='a' ipsetflags='dst,src'/>",
        ),
        ("<tcp-ipv6 flags='syn/ALL'/>", "<tcp-ipv6 flags='SYN/ALL'/>"),
        ("<tcp option='0x5' flags='SYN/ALL'/>", "<tcp option='0x5' flags='SYN/ALL'/>"),
    ],
)
def test_values_are_normalized(match: str, normal: str) -> None:
    assert rule(match) == normal


@pytest.mark.parametrize(
    "match",
    [
        "<ip srcipaddr='$'/>",
        "<ip srcipaddr='10.0.0.1 x'/>",
        "<ip srcipmask='0.0.0.255'/>",
        "<ipv6 srcipaddr='fe80::1%eth0'/>",
        "<tcp/><udp/>",
        "<ip srcportstart='1'/>",
        "<vlan vlanid='0x1000'/>",
    ],
)
def test_what_cannot_be_is_refused(match: str) -> None:
    with pytest.raises(InternalError):
        rule(match)


@pytest.mark.parametrize("chain", ["rootx", "ip", "mac/..", "mac-234567890"])
def test_what_is_no_chain_is_refused(chain: str) -> None:
    with pytest.raises(InvalidArg):
        parse_filter(f"<filter name='f' chain='{chain}'/>")


def test_the_kind_of_a_chain() -> None:
    assert [kind_of(name) for name in ("root", "arp-ip", "rarp", "x")] == [
        "root", "arp", "rarp", None,
    ]  # fmt: skip


def filters(**references: str) -> dict[str, Filter]:
    """Filters by name, each with the names of those that it takes in."""
    return {
        name: parse_filter(
            f"<filter name='{name}'>"
            + "".join(f"<filterref filter='{other}'/>" for other in others.split())
            + "</filter>"
        )
        for name, others in references.items()
    }


def test_loops_are_found() -> None:
    known = filters(a="b c", b="d", c="d", d="missing", e="d a", f="f")
    assert all(loop_of(known[name], known.get) is None for name in "abcde")
    assert loop_of(known["f"], known.get) == ["f", "f"]
    assert loop_of(filters(d="a")["d"], known.get) in (["d", "a", "b", "d"], ["d", "a", "c", "d"])


def test_many_ways_to_a_filter_are_gone_once() -> None:
    known = filters(**{f"f{n}": f"f{n + 1} f{n + 1}" for n in range(200)})
    assert loop_of(known["f0"], known.get) is None


def test_the_stock_filters_name_each_other() -> None:
    known = {name: parse_filter(text) for name, text in stock_filters()}
    assert len(known) == 24
    for name, model in known.items():
        assert model.name == name
        assert all(reference.filter in known for reference in model.references)
        assert loop_of(model, known.get) is None


@pytest.mark.skipif(not LIBVIRTS.is_dir(), reason="libvirt's own filters are not installed")
def test_the_stock_filters_do_what_libvirts_do() -> None:
    ours = {name: shown(text) for name, text in stock_filters()}
    assert ours == {path.stem: shown(path.read_text()) for path in LIBVIRTS.glob("*.xml")}
