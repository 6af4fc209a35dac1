# SPDX-License-Identifier: Apache-2.0
"""Saved guests go from our driver to libvirt 9.0.0 and back: the same boot of the guest goes on."""

from __future__ import annotations

import re
import shutil
import time
from pathlib import Path

import pytest

import virloom
from tests.interop.conftest import Virtqemud
from tests.interop.reference import Libvirtd, needs_libvirtd
from virloom.enums.domain import DomainState
from virloom.testing.documents import tiny_guest_xml
from virloom.testing.guest import READY_PATTERN

pytestmark = [*needs_libvirtd, pytest.mark.timeout(120)]


def readable_guest(place: Path, console: Path) -> str:
    """A guest whose files QEMU's own user may read."""
    text = tiny_guest_xml("moved", machine="q35", console=f"file:{console}")
    for path in re.findall("<(?:kernel|initrd)>([^<]*)<", text):
        copy = place / Path(path).name
        shutil.copy(path, copy)
        copy.chmod(0o644)
        text = text.replace(path, str(copy))
    return text


def await_boot(log: Path) -> None:
    """Returns when the guest is up."""
    deadline = time.monotonic() + 60
    while not READY_PATTERN.search(log.read_bytes() if log.exists() else b""):
        assert time.monotonic() < deadline, "the guest does not boot"
        time.sleep(0.1)


@pytest.mark.parametrize("first", ["ours", "theirs"])
def test_a_saved_guest_goes_there_and_back(
    first: str, virtqemud: Virtqemud, libvirtd: Libvirtd
) -> None:
    place = virtqemud.root
    log = place / "console"
    document = readable_guest(place, log)
    file = str(place / "moved.save")
    with virloom.open_sync(virtqemud.uri()) as ours, virloom.open_sync(libvirtd.uri) as theirs:
        here, there = (ours, theirs) if first == "ours" else (theirs, ours)
        domain = here.create_xml(document)
        await_boot(log)
        domain.saving.save(file)
        there.restore(file)
        domain = there.lookup_by_name("moved")
        assert domain.state().state == DomainState.RUNNING
        text = there.save_image_xml_desc(file)
        assert text == here.save_image_xml_desc(file) or "<name>moved</name>" in text
        domain.saving.save(file)
        here.restore(file)
        domain = here.lookup_by_name("moved")
        domain.shutdown()
        deadline = time.monotonic() + 30
        while here.list_all_domains(1):
            assert time.monotonic() < deadline, "the guest does not answer its power button"
            time.sleep(0.05)
    assert len(READY_PATTERN.findall(log.read_bytes())) <= 1, "it has booted again"
