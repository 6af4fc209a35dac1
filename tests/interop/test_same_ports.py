# SPDX-License-Identifier: Apache-2.0
"""Ports of networks beside libvirtd 9, by libvirt's own binding."""

from __future__ import annotations

import shutil
import signal
import subprocess
import tempfile
from collections.abc import Iterator
from itertools import zip_longest
from pathlib import Path

import pytest

from tests.interop.conftest import Virtnetworkd
from tests.interop.programs import needs
from tests.interop.reference import Libvirtd, needs_libvirtd

pytestmark = [*needs_libvirtd, *needs("dnsmasq", root=True), pytest.mark.timeout(180)]

SESSION = Path(__file__).parent / "sessions/ports.py"


@pytest.fixture
def uris() -> Iterator[tuple[str, str]]:
    """Ours and theirs."""
    place = Path(tempfile.mkdtemp(prefix="sp"))
    place.chmod(0o755)
    for name in ("ours", "theirs"):
        (place / name).mkdir()
    program = place / "tc"  # this kernel has no sfq, without which libvirt limits nothing
    program.write_text("#!/bin/sh\nexit 0\n")
    program.chmod(0o755)
    path = f"PATH={place}:/usr/sbin:/usr/bin:/sbin:/bin"
    libvirtd = Libvirtd(place / "theirs", prefix=["env", path], networks=True)
    daemon = Virtnetworkd(place / "ours")
    daemon.start()
    try:
        libvirtd.await_socket()
        yield daemon.uri(), libvirtd.uri
    finally:
        libvirtd.end()
        assert daemon.signal(signal.SIGTERM) == 0, daemon.log()
        shutil.rmtree(place)


def session(uri: str) -> list[str]:
    """What each step came to."""
    done = subprocess.run(
        ["/usr/bin/python3", str(SESSION), uri],
        stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=120, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout.splitlines()


@pytest.mark.long
def test_the_same_session(uris: tuple[str, str]) -> None:
    ours, theirs = map(session, uris)
    different = [(our, their) for our, their in zip_longest(ours, theirs) if our != their]
    assert different == []
    assert len(ours) > 40
