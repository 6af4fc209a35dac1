# SPDX-License-Identifier: Apache-2.0
"""virtnodedevd beside libvirtd 9, on the devices of this host."""

from __future__ import annotations

import shutil
import signal
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.interop.conftest import Virtnodedevd
from tests.interop.reference import Libvirtd, needs_libvirtd

SESSION = Path(__file__).parent / "sessions" / "nodedevs.py"

pytestmark = needs_libvirtd


@pytest.fixture(scope="module")
def virtnodedevd() -> Iterator[Virtnodedevd]:
    root = Path(tempfile.mkdtemp(prefix="vd"))
    daemon = Virtnodedevd(root)
    daemon.start()
    try:
        yield daemon
    finally:
        assert daemon.signal(signal.SIGTERM) == 0
        shutil.rmtree(root)


def output(*command: str) -> list[str]:
    """What a client prints."""
    done = subprocess.run(
        command, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.splitlines()


def test_the_same_session(libvirtd: Libvirtd, virtnodedevd: Virtnodedevd) -> None:
    readonly = virtnodedevd.uri(readonly=True)
    ours = output("/usr/bin/python3", str(SESSION), virtnodedevd.uri(), readonly)
    theirs = output("/usr/bin/python3", str(SESSION), libvirtd.uri, libvirtd.readonly_uri)
    assert ours == theirs
    assert any("pci_0000" in line for line in ours)


def test_the_same_tree(libvirtd: Libvirtd, virtnodedevd: Virtnodedevd) -> None:
    command = ("nodedev-list", "--tree")
    ours = output("virsh", "-c", virtnodedevd.uri(), *command)
    assert ours == output("virsh", "-c", libvirtd.uri, *command)
