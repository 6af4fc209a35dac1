# SPDX-License-Identifier: Apache-2.0
"""virtnwfilterd beside libvirtd 9, and after a kill: the filters that are defined."""

from __future__ import annotations

import shutil
import signal
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

import virloom
from tests.interop.binding import session
from tests.interop.conftest import Virtnwfilterd
from tests.interop.reference import Libvirtd, needs_libvirtd
from virloom.drivers.nwfilter.stock import stock_filters
from virloom.errors import NoNwfilter

FILTER = "<filter name='{}'><rule action='drop' direction='in'/></filter>"


@pytest.fixture
def virtnwfilterd() -> Iterator[Virtnwfilterd]:
    root = Path(tempfile.mkdtemp(prefix="vf"))
    daemon = Virtnwfilterd(root)
    daemon.start()
    try:
        yield daemon
    finally:
        assert daemon.signal(signal.SIGTERM) == 0
        shutil.rmtree(root)


def test_the_same_session(libvirtd: Libvirtd, virtnwfilterd: Virtnwfilterd) -> None:
    assert session("nwfilters", virtnwfilterd.uri()) == session("nwfilters", libvirtd.uri)


test_the_same_session.pytestmark = needs_libvirtd


def test_filters_outlive_a_kill(virtnwfilterd: Virtnwfilterd) -> None:
    stock = {name for name, _ in stock_filters()}
    with virloom.open_sync(virtnwfilterd.uri()) as conn:
        kept = conn.nwfilters.define_xml(FILTER.format("kept"))
        conn.nwfilters.define_xml(FILTER.format("gone")).undefine()
        conn.nwfilters.lookup_by_name("allow-arp").undefine()
        before = kept.xml_desc()
        known = conn.nwfilters.lookup_by_name("clean-traffic").xml_desc()
    virtnwfilterd.signal(signal.SIGKILL)
    document = virtnwfilterd.root / "etc/libvirt/nwfilter/by-hand.xml"
    document.write_text(FILTER.format("by-hand"))
    virtnwfilterd.start()
    with virloom.open_sync(virtnwfilterd.uri()) as conn:
        assert conn.nwfilters.lookup_by_name("kept").xml_desc() == before
        assert conn.nwfilters.lookup_by_name("clean-traffic").xml_desc() == known
        names = {found.name for found in conn.nwfilters.list()}
        assert names == stock - {"allow-arp"} | {"kept", "by-hand"}
        assert str(conn.nwfilters.lookup_by_name("by-hand").uuid) in document.read_text()
        with pytest.raises(NoNwfilter):
            conn.nwfilters.lookup_by_name("gone")
