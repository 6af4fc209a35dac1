# SPDX-License-Identifier: Apache-2.0
"""What several clients hear of networks: alike of libvirtd 9, virtnetworkd and virtqemud."""

from __future__ import annotations

import json
import signal
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from tests.interop.conftest import Virtnetworkd, Virtqemud
from tests.interop.namespace import NetworkNamespace
from tests.interop.programs import needs
from tests.interop.reference import Libvirtd, needs_libvirtd

pytestmark = [*needs_libvirtd, *needs("dnsmasq", root=True), pytest.mark.timeout(180)]

SESSION = Path(__file__).parent / "sessions/network_events.py"

#: For everything, and for what only reads.
Uris = tuple[str, str]


@pytest.fixture
def sides() -> Iterator[dict[str, Uris]]:
    with ExitStack() as stack:
        place = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="ne")))
        place.chmod(0o755)
        for name in ("theirs", "ours"):
            (place / name).mkdir(mode=0o755)
        libvirtd = Libvirtd(place / "theirs", networks=True)
        stack.callback(libvirtd.end)
        space = stack.enter_context(NetworkNamespace("true"))
        found = {"libvirtd": (libvirtd.uri, libvirtd.readonly_uri)}
        for kind in (Virtnetworkd, Virtqemud):
            daemon = kind(place / "ours", space.prefix)
            daemon.start()
            stack.callback(daemon.signal, signal.SIGTERM)
            found[daemon.name] = daemon.uri(), daemon.uri(readonly=True)
        libvirtd.await_socket()
        yield found


def session(uris: Uris) -> list[Any]:
    """What each step came to."""
    done = subprocess.run(
        ["/usr/bin/python3", str(SESSION), *uris],
        stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=100, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    return [json.loads(line) for line in done.stdout.splitlines()]


@pytest.mark.long
def test_what_is_heard(sides: dict[str, Uris]) -> None:
    heard = {name: session(uris) for name, uris in sides.items()}
    theirs = heard.pop("libvirtd")
    assert sum(len(step[2]) for step in theirs) > 30
    for name, ours in heard.items():
        assert ours == theirs, name
