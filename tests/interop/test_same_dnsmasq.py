# SPDX-License-Identifier: Apache-2.0
"""What is recorded in ``tests/golden/dnsmasq`` is what libvirtd 9 writes.

Some of the documents are looked at again; ``VIRLOOM_UPDATE_GOLDEN=1`` has it record all of them.
"""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

import virloom
from tests.golden.test_dnsmasq import CASES, PLACE, recorded, without_comments
from tests.interop.reference import Libvirtd, needs_libvirtd

pytestmark = [
    *needs_libvirtd,
    pytest.mark.skipif(shutil.which("dnsmasq") is None, reason="dnsmasq is not installed"),
]
UPDATES = "VIRLOOM_UPDATE_GOLDEN" in os.environ
SOME = ("everything", "isolated", "dhcp-empty", "ipv6-host-id", "ipv6-hosts-only")
KINDS = ("conf", "hostsfile", "addnhosts")


@pytest.fixture
def libvirtd() -> Iterator[Libvirtd]:
    """One that may start networks: in a network namespace of its own."""
    with tempfile.TemporaryDirectory(prefix="lv-") as name:
        daemon = Libvirtd(Path(name), networks=True)
        try:
            daemon.await_socket()
            yield daemon
        finally:
            daemon.end()


def test_recorded_files_are_libvirts(libvirtd: Libvirtd) -> None:
    place = libvirtd.root / "var/lib/libvirt/dnsmasq"
    with virloom.open_sync(libvirtd.uri) as conn:
        for name in CASES if UPDATES else SOME:
            network = conn.networks.create_xml((PLACE / f"{name}.xml").read_text())
            texts = [without_comments((place / f"{name}.{kind}").read_text()) for kind in KINDS]
            network.destroy()
            if UPDATES:
                record(name, texts)
            assert texts == [recorded(name, kind) for kind in KINDS], name


def record(name: str, texts: list[str]) -> None:
    for kind, text in zip(KINDS, texts, strict=True):
        path = PLACE / f"{name}.{kind}"
        path.write_text(text) if text else path.unlink(missing_ok=True)
