# SPDX-License-Identifier: Apache-2.0
"""Changes of network cards on libvirtd 9 and on ours: answers and both documents."""

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

from tests.interop.conftest import Virtnetworkd, Virtnwfilterd, Virtqemud
from tests.interop.namespace import NetworkNamespace
from tests.interop.programs import needs
from tests.interop.reference import Libvirtd, needs_libvirtd

pytestmark = [*needs_libvirtd, *needs("dnsmasq", root=True), pytest.mark.timeout(600)]

SESSION = Path(__file__).parent / "sessions/card_updates.py"
_BRIDGES = "".join(
    f"ip link add {name} type bridge; ip link set {name} up; " for name in ("br8", "br9")
)
#: Its own network's links are in sysfs, where libvirt sets what a port of a bridge does.
_SYSFS = """
mkdir /run/groups; mount --rbind /sys/fs/cgroup /run/groups
mount -t sysfs sysfs /sys; mount --rbind /run/groups /sys/fs/cgroup
"""
_USER = "1 <interface type='user'><mac address='52:54:00:00:01:01'/>"
_OWN = "1 <interface type='ethernet'><mac address='52:54:00:00:01:04'/><target dev='tapx'/>"
_MODEL = "<model type='virtio'/>"
#: Steps that libvirt refuses since a card has no device or no bridge, though nothing is to be done.
_DIFFERENT = {
    f"{_USER}{_MODEL}<bandwidth><outbound average='0'/></bandwidth></interface>",
    f"{_USER}{_MODEL}<port isolated='no'/></interface>",
    f"{_OWN}{_MODEL}<port isolated='no'/></interface>",
}


@pytest.fixture
def uris() -> Iterator[tuple[str, str]]:
    """Theirs and ours."""
    with ExitStack() as stack:
        place = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="cu")))
        place.chmod(0o755)
        for name in ("theirs", "ours"):
            (place / name).mkdir(mode=0o755)
        program = place / "tc"  # this kernel has no sfq, without which libvirt limits nothing
        program.write_text("#!/bin/sh\nexit 0\n")
        program.chmod(0o755)
        path = f"PATH={place}:/usr/sbin:/usr/bin:/sbin:/bin"
        libvirtd = Libvirtd(place / "theirs", prefix=["env", path], networks=True, before=_SYSFS)
        stack.callback(libvirtd.end)
        libvirtd.await_socket()
        there = ["nsenter", "--target", str(libvirtd.process.pid), "--net"]
        subprocess.run([*there, "sh", "-ec", _BRIDGES], check=True)
        space = stack.enter_context(NetworkNamespace(_BRIDGES))
        for kind in (Virtnetworkd, Virtnwfilterd, Virtqemud):
            daemon = kind(place / "ours", space.prefix)
            daemon.start()
            stack.callback(daemon.signal, signal.SIGTERM)
        yield libvirtd.uri, daemon.uri()


def session(uri: str) -> list[Any]:
    """What each step came to."""
    done = subprocess.run(
        ["/usr/bin/python3", str(SESSION), uri],
        stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=280, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr
    return [json.loads(line) for line in done.stdout.splitlines()]


@pytest.mark.long
def test_the_same_changes(uris: tuple[str, str]) -> None:
    theirs, ours = map(session, uris)
    assert [step[0] for step in ours] == [step[0] for step in theirs]
    assert len(ours) > 2000
    different = [(a, b) for a, b in zip(theirs, ours, strict=True) if a != b]
    found = {a[0] for a, _ in different}
    assert found == _DIFFERENT, "\n\n".join(
        f"libvirt {a}\nours    {b}" for a, b in different if a[0] not in _DIFFERENT
    )
