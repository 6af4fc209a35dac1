# SPDX-License-Identifier: Apache-2.0
"""What networks and filters refuse, beside libvirtd 9: the same codes, or more on purpose.

``tests/golden/networks/refused.jsonl`` is what libvirtd made of the session;
``VIRLOOM_UPDATE_GOLDEN=1`` with ``make long`` records it anew.
"""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import tempfile
from pathlib import Path
from typing import Any

import pytest

from tests.interop.conftest import Virtnetworkd, Virtnwfilterd
from tests.interop.namespace import NetworkNamespace
from tests.interop.programs import needs
from tests.interop.reference import Libvirtd, needs_libvirtd

SESSION = Path(__file__).parent / "sessions/refused_networks.py"
GOLDEN = Path(__file__).parent.parent / "golden/networks/refused.jsonl"

HOST = """
echo 0 > /proc/sys/net/ipv6/conf/default/accept_dad
ip link add vbrB type bridge; ip link set vbrB up
ip address add 198.51.100.1/24 dev vbrB; ip -6 address add fd98::1/64 dev vbrB nodad
ip route add 198.18.5.0/24 via 198.51.100.77
"""

#: What libvirt takes and we do not, and what we say: it would not work, or do something else.
_XML, _NAME = [27, 19], [8, 19]
STRICTER: dict[str, Any] = {
    "define: netmask with holes": [67, 19],
    "define: host with a name of two fields": _XML,
    "define: host with a name of two lines": _XML,
    "define: host of another family": _XML,
    "define: two hosts of one MAC": _XML,
    "define: two hosts of one address": _XML,
    "define: two hosts of one name": _XML,
    "define: host outside": _XML,
    "define: host outside of IPv6": _XML,
    "define: device like an option": _XML,
    "define: device like a path": _XML,
    "define: dns host of two fields": _XML,
    "define: srv of two fields": _XML,
    "name: .": _NAME,
    "name: ..": _NAME,
    f"name: {'n' * 20}": _NAME,
    "bridge: -x": _XML,
    "start: subnet of a bridge, of IPv6": [1, 0],
    "update live: host of a hostile name": _XML,
    "update both: host of a hostile name": _XML,
    "update: all is as before": True,
    "filter name with a path": [27, 33],
}


def answers(networks: str, filters: str) -> dict[str, Any]:
    """What libvirt's binding makes of the session, by step."""
    done = subprocess.run(
        ["/usr/bin/python3", str(SESSION), networks, filters],
        stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=150, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return dict(json.loads(line) for line in done.stdout.splitlines())


@needs("dnsmasq", root=True)[0]
def test_ours_refuse_what_libvirt_refuses_and_more() -> None:
    root = Path(tempfile.mkdtemp(prefix="vn"))
    root.chmod(0o755)
    with NetworkNamespace(HOST) as space:
        daemons = [kind(root, space.prefix) for kind in (Virtnetworkd, Virtnwfilterd)]
        for daemon in daemons:
            daemon.start()
        try:
            ours = answers(*(daemon.uri() for daemon in daemons))
            assert space.run("sh", "-c", "ls /sys/class/net").split() == ["lo", "vbrB"]
        finally:
            for daemon in daemons:
                assert daemon.signal(signal.SIGTERM) == 0
            shutil.rmtree(root)
    recorded = dict(json.loads(line) for line in GOLDEN.read_text().splitlines())
    assert ours == recorded | STRICTER


@pytest.mark.long
def test_recorded_answers_are_libvirts() -> None:
    with NetworkNamespace(HOST) as space, tempfile.TemporaryDirectory(prefix="lv-") as name:
        daemon = Libvirtd(Path(name), prefix=space.prefix)
        try:
            daemon.await_socket()
            told = answers(daemon.uri, daemon.uri)
        finally:
            daemon.end()
    if "VIRLOOM_UPDATE_GOLDEN" in os.environ:
        GOLDEN.write_text("".join(f"{json.dumps([name, told[name]])}\n" for name in told))
    assert told == dict(json.loads(line) for line in GOLDEN.read_text().splitlines())


test_recorded_answers_are_libvirts.pytestmark = [  # type: ignore[attr-defined]
    *test_recorded_answers_are_libvirts.pytestmark,  # type: ignore[attr-defined]
    *needs_libvirtd,
]
