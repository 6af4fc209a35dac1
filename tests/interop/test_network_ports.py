# SPDX-License-Identifier: Apache-2.0
"""Ports of networks that run: what they are sure of, measured, and who is told of them."""

from __future__ import annotations

import json
import shutil
import signal
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from tests.interop.conftest import Virtnetworkd
from tests.interop.namespace import NetworkNamespace
from tests.interop.programs import needs

pytestmark = needs("iperf3", root=True)

NETWORK = """<network><name>slow</name><bridge name='virbr9' stp='off'/>
<bandwidth><inbound average='2000'/><outbound average='1000' burst='64'/></bandwidth>
<ip address='10.69.0.1' prefix='24'/></network>"""
PORT = """<networkport><uuid>{uuid}</uuid>
<owner><name>g</name><uuid>11111111-0000-0000-0000-000000000001</uuid></owner>
<mac address='{mac}'/><bandwidth><inbound floor='{floor}'/></bandwidth></networkport>"""
MACS = ("52:54:00:00:69:01", "52:54:00:00:69:02")
UUIDS = tuple(f"00000000-0000-0000-0000-00000000000{number}" for number in (1, 2))

_HOOK = """#!/bin/sh
echo "$*" >> {root}/told
if [ -e {root}/refuse-$2 ]; then echo "not today" >&2; exit 3; fi
"""


@pytest.fixture(scope="module")
def guests() -> Iterator[tuple[NetworkNamespace, list[NetworkNamespace]]]:
    """A host, and two guests that its bridge is to have."""
    with ExitStack() as stack:
        host, *guests = [stack.enter_context(NetworkNamespace("true")) for _ in range(3)]
        for number, guest in enumerate(guests):
            host.run(
                *("ip", "link", "add", f"to{number}", "type", "veth", "peer", "name", "eth0"),
                *("address", MACS[number], "netns", str(guest.pid)),
            )
            host.run("ip", "link", "set", f"to{number}", "up")
            guest.run("ip", "address", "add", f"10.69.0.{number + 2}/24", "dev", "eth0")
            guest.run("ip", "link", "set", "eth0", "up")
        yield host, guests


@pytest.fixture
def daemon(
    guests: tuple[NetworkNamespace, list[NetworkNamespace]],
) -> Iterator[Virtnetworkd]:
    root = Path(tempfile.mkdtemp(prefix="vn"))
    daemon = Virtnetworkd(root, guests[0].prefix)
    daemon.start()
    try:
        yield daemon
    finally:
        assert daemon.signal(signal.SIGTERM) == 0
        shutil.rmtree(root)


def receive(host: NetworkNamespace, *guests: NetworkNamespace, back: bool = False) -> list[float]:
    """Kilobytes a second that each guest gets of the host, all at once."""
    with ExitStack() as stack:
        clients = []
        for number, guest in enumerate(guests):
            port = str(5201 + number)
            server = stack.enter_context(
                subprocess.Popen(
                    [*host.prefix, "iperf3", "-s", "-1", "-p", port, "--forceflush"],
                    stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                )
            )  # fmt: skip
            assert server.stdout is not None
            while b"listening" not in server.stdout.readline():
                pass
            words = ("iperf3", "-c", "10.69.0.1", "-p", port, "-t", "1.5", "-O", "0.5", "-J")
            clients.append([*guest.prefix, *words, *([] if back else ["-R"])])
        running = [
            subprocess.Popen(words, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE)
            for words in clients
        ]
        told = [json.loads(one.communicate(timeout=30)[0]) for one in running]
    return [float(one["end"]["sum_received"]["bits_per_second"]) / 8000 for one in told]


def classes(host: NetworkNamespace) -> list[str]:
    """The numbers of the bridge's classes."""
    lines = host.run("tc", "class", "show", "dev", "virbr9").splitlines()
    return sorted(line.split()[2] for line in lines)


def create_port(daemon: Virtnetworkd, number: int, floor: int) -> None:
    document = daemon.root / "port.xml"
    document.write_text(PORT.format(uuid=UUIDS[number], mac=MACS[number], floor=floor))
    daemon.virsh("net-port-create", "slow", str(document))


def test_rates_that_ports_are_sure_of(
    guests: tuple[NetworkNamespace, list[NetworkNamespace]], daemon: Virtnetworkd
) -> None:
    host, (one, two) = guests
    document = daemon.root / "network.xml"
    document.write_text(NETWORK)
    daemon.virsh("net-create", str(document))
    for number in range(2):
        host.run("ip", "link", "set", f"to{number}", "master", "virbr9")
    create_port(daemon, 0, 1600)
    assert "<bandwidth classID='3'>" in daemon.virsh("net-port-dumpxml", "slow", UUIDS[0])
    done = daemon.try_virsh("net-port-create", "slow", str(daemon.root / "port.xml"))
    assert "already" in done.stderr
    assert classes(host) == ["1:1", "1:2", "1:3"]
    first, second = receive(host, one, two)
    assert 1100 < first < 2200  # of 2000 for both
    assert second < 900
    assert 400 < receive(host, one, back=True)[0] < 1400

    assert daemon.signal(signal.SIGKILL) == -signal.SIGKILL
    host.run("tc", "class", "add", "dev", "virbr9", "parent", "1:1", "classid", "1:9",
             "htb", "rate", "5kbit")  # fmt: skip # as one that was killed in between leaves it
    daemon.start()
    assert classes(host) == ["1:1", "1:2", "1:3"]
    create_port(daemon, 1, 400)
    assert classes(host) == ["1:1", "1:2", "1:3", "1:4"]
    daemon.virsh("net-port-delete", "slow", UUIDS[0])
    assert classes(host) == ["1:1", "1:2", "1:4"]
    daemon.virsh("net-destroy", "slow")
    assert "ifb" not in host.run("ip", "link")


def test_scripts_are_told_and_may_refuse(daemon: Virtnetworkd) -> None:
    told = daemon.root / "told"
    hook = daemon.root / "etc/libvirt/hooks/network"
    hook.parent.mkdir(parents=True)
    hook.write_text(_HOOK.format(root=daemon.root))
    hook.chmod(0o755)
    document = daemon.root / "network.xml"
    document.write_text(NETWORK)

    def refused(operation: str, *words: str) -> str:
        refusal = daemon.root / f"refuse-{operation}"
        refusal.touch()
        done = daemon.try_virsh(*words)
        refusal.unlink()
        assert done.returncode == 1
        assert "not today" in done.stderr
        assert operation in told.read_text().splitlines()[-1]
        told.unlink()
        return done.stderr

    refused("start", "net-create", str(document))
    refused("started", "net-create", str(document))
    assert daemon.virsh("net-list", "--all", "--name") == ""
    daemon.virsh("net-create", str(document))
    port = daemon.root / "port.xml"
    port.write_text(PORT.format(uuid=UUIDS[0], mac=MACS[0], floor=1000))
    refused("port-created", "net-port-create", "slow", str(port))
    assert UUIDS[0] not in daemon.virsh("net-port-list", "slow")
    create_port(daemon, 0, 1000)
    daemon.virsh("net-port-delete", "slow", UUIDS[0])
    host = "<host mac='52:54:00:00:00:01' ip='10.69.0.9'/>"
    daemon.virsh("net-update", "slow", "add", "ip-dhcp-host", host)
    daemon.virsh("net-destroy", "slow")
    assert told.read_text().splitlines() == [
        "slow port-created begin -",
        "slow port-deleted begin -",
        "slow updated begin -",
        "slow stopped end -",
    ]
