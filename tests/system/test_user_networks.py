# SPDX-License-Identifier: Apache-2.0
"""User networks: a real guest behind passt and behind QEMU's own, with ports that lead into it."""

from __future__ import annotations

import asyncio
import json
import shutil
import socket
import subprocess
import time
from contextlib import closing
from pathlib import Path

import pytest

from tests.system.conftest import BootGuest, PausedGuest
from virloom.errors import OperationFailed

pytestmark = [
    pytest.mark.skipif(shutil.which("passt") is None, reason="passt is not installed"),
    pytest.mark.timeout(120),
]
PASST = """
<interface type='user'><mac address='52:54:00:00:00:01'/>
 <portForward proto='tcp' address='127.0.0.1'><range start='{port}' to='8080'/></portForward>
 <ip address='10.66.0.2' family='ipv4' prefix='24'/><model type='virtio'/>
 <backend type='passt' logFile='{log}'/></interface>
"""
SLIRP = """
<interface type='user'><mac address='52:54:00:00:00:02'/>
 <portForward proto='tcp' address='127.0.0.1'><range start='{port}' to='8080'/></portForward>
 <model type='virtio'/></interface>
"""
#: What each connection is told: by whom, and one that has been made.
SERVE = "(while true; do echo from-the-guest | busybox nc -l -p 8080; done) >/dev/null 2>&1 & true"


def gateway() -> str:
    """By what address guests of passt reach us: that of our own way out."""
    told = subprocess.run(
        ["ip", "-j", "-4", "route", "show", "default"], capture_output=True, check=True
    )
    routes = json.loads(told.stdout)
    if not routes or "gateway" not in routes[0]:
        pytest.skip("this host has no way out, which passt shows its guests")
    return str(routes[0]["gateway"])


def free_port() -> int:
    with closing(socket.create_server(("127.0.0.1", 0))) as server:
        return int(server.getsockname()[1])


def said_by(port: int, seconds: float = 20) -> bytes:
    """What somebody says who listens on a port of ours; tried until somebody does.

    We speak first: passt of Debian 12 keeps a guest waiting who would.
    """
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        try:
            with socket.create_connection(("127.0.0.1", port), timeout=5) as connection:
                connection.sendall(b"hello\n")
                said = connection.recv(100)
        except OSError:
            said = b""
        if said:
            return said
        time.sleep(0.2)
    return b""


def processes(port: int) -> list[str]:
    """The processes of passt with that port."""
    found = []
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            words = path.read_bytes().split(b"\0")
        except OSError:
            continue
        if any(b"passt" in word for word in words[:1]) and any(
            f"/{port}:8080".encode() in word for word in words
        ):
            found.append(path.parent.name)
    return found


async def gone(port: int) -> bool:
    for _ in range(50):
        if not processes(port):
            return True
        await asyncio.sleep(0.1)
    return False


@pytest.fixture
def log(tmp_path: Path) -> Path:
    return tmp_path / "passt.log"


async def test_ports_lead_into_the_guest(boot: BootGuest, log: Path) -> None:
    """By passt, and by QEMU's own user network in a card that is plugged in."""
    way_out, port, other = gateway(), free_port(), free_port()
    booted = await boot("online", extra_devices=PASST.format(port=port, log=log))
    assert len(processes(port)) == 1
    assert "router: " in log.read_text()
    await booted.dialogue.ask(
        "busybox ifconfig eth0 10.66.0.2 netmask 255.255.255.0 up;"
        "busybox ip route add default dev eth0"
    )
    await booted.dialogue.ask(SERVE)
    with closing(socket.create_server(("127.0.0.1", 0))) as server:
        server.settimeout(20)
        inside = server.getsockname()[1]
        asked = asyncio.create_task(
            booted.dialogue.ask(f"echo hello | busybox timeout 5 busybox nc {way_out} {inside}", 30)
        )
        connection, _ = await asyncio.to_thread(server.accept)
        connection.sendall(b"from-the-host\n")
        assert await asyncio.to_thread(connection.recv, 100) == b"hello\n"
        connection.close()
        assert "from-the-host" in await asked
    # passt learns the guest's hardware address by its first packet.
    assert await asyncio.to_thread(said_by, port) == b"from-the-guest\n"
    await booted.domain.devices.attach(SLIRP.format(port=other))
    await booted.dialogue.ask(
        "while ! busybox ifconfig eth1 10.0.2.15 up 2>/dev/null; do busybox sleep 0.2; done", 30
    )
    assert await asyncio.to_thread(said_by, other) == b"from-the-guest\n"
    await booted.domain.destroy()
    assert await gone(port)


async def test_a_card_of_passt_comes_and_goes(paused: PausedGuest, log: Path) -> None:
    gateway()
    port = free_port()
    domain = await paused("plain")
    taken = closing(socket.create_server(("127.0.0.1", port)))
    with taken, pytest.raises(OperationFailed, match="passt does not start for net0"):
        await domain.devices.attach(PASST.format(port=port, log=log))
    assert not processes(port)
    await domain.devices.attach(PASST.format(port=port, log=log))
    assert len(processes(port)) == 1
    await domain.destroy()
    assert await gone(port)


async def test_a_start_that_fails_leaves_no_passt(paused: PausedGuest, log: Path) -> None:
    """The second card's port is the first one's."""
    gateway()
    port = free_port()
    one = PASST.format(port=port, log=log)
    other = one.replace("00:00:01", "00:00:03").replace("66.0", "67.0")
    with pytest.raises(OperationFailed, match="passt does not start for net1"):
        await paused("both", extra_devices=one + other)
    assert await gone(port)
