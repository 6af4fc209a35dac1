# SPDX-License-Identifier: Apache-2.0
"""``macTableManager='libvirt'``: a bridge that is told its addresses, where the kernel can."""

from __future__ import annotations

import json
import os
import sys

import pytest

from tests.system.hostguest import HostGuest

pytestmark = [
    pytest.mark.skipif(os.geteuid() != 0, reason="the guest has this machine's files: needs root"),
    pytest.mark.long,
    pytest.mark.timeout(500),
]

#: The network's bridge and taps as a start makes them; who gets a frame that the host sends.
_PROGRAM = """
import asyncio, contextlib, json, os, select, socket, struct, subprocess, time
from virloom.drivers.network.completion import parse_network
from virloom.drivers.network.host import NetworkHost
from virloom.drivers.network.links.bridge import make_bridge
from virloom.drivers.qemu.nics.names import TapNames
from virloom.drivers.qemu.nics.taps import announce, join, leave, open_taps
from virloom.model.domain import Interface
from virloom.xml import parse_document

MACS = ["52:54:00:00:00:01", "52:54:00:00:00:02", "52:54:00:00:00:09"]

def card(number):
    return parse_document(Interface, f"<interface type='bridge'><source bridge='told'/>"
        f"<mac address='{MACS[number]}'/><model type='e1000'/>"
        f"<alias name='net{number}'/></interface>")

def frame(to, source):
    bare = (to + source).replace(":", "")
    return bytes.fromhex(bare) + struct.pack("!H", 0x88b5) + bytes(50)

def sent(to):
    wire = socket.socket(socket.AF_PACKET, socket.SOCK_RAW)
    wire.bind(("told", 0))
    wire.send(frame(to, "52:54:00:00:00:ff"))

def received(fd):
    count = 0
    while select.select([fd], [], [], 1)[0]:
        count += os.read(fd, 2048)[12:14] == b"\\x88\\xb5"
    return count

def table(name):
    told = subprocess.run(["bridge", "-j", "fdb", "show", "brport", name], capture_output=True)
    found = json.loads(told.stdout)  # one for each VLAN
    return sorted({one["mac"] for one in found if one.get("state") != "permanent"})

def options(name):
    told = subprocess.run(["bridge", "-j", "-d", "link", "show", "dev", name], capture_output=True)
    (link,) = json.loads(told.stdout)
    return [link["learning"], link["flood"]]

model = parse_network("<network><name>n</name><bridge name='told' stp='off' "
    "macTableManager='libvirt'/><ip address='10.9.9.1' prefix='24'/></network>")
asyncio.run(make_bridge(NetworkHost(), model))
told = {"filtering": open("/sys/class/net/told/bridge/vlan_filtering").read().strip()}
with contextlib.ExitStack() as opened:
    cards = [card(0), card(1)]
    files = open_taps(TapNames(), cards, opened, MACS)
    fds = [files["net0.tap0"], files["net1.tap0"]]
    time.sleep(1)
    names = [one.target.dev for one in cards]
    told["options"], told["tables"] = list(map(options, names)), list(map(table, names))
    for what, to in zip(("first", "second", "nobody", "all"), (*MACS, "ff:ff:ff:ff:ff:ff")):
        sent(to)
        told[what] = list(map(received, fds))
    os.write(fds[0], frame("ff:ff:ff:ff:ff:ff", MACS[2]))
    received(fds[1])
    sent(MACS[2])
    told["not learnt"] = list(map(received, fds))
    leave(cards[0]); join(cards[0], "told"); announce(cards[0])
    sent(MACS[0])
    told["again"] = list(map(received, fds))
print(json.dumps(told))
"""


def test_a_bridge_that_is_told() -> None:
    with HostGuest(("tun", "bridge")) as guest:
        ran = guest.run(
            "sysctl -qw net.ipv6.conf.default.disable_ipv6=1; "
            f"cat >/run/program <<'END'\n{_PROGRAM}\nEND\n{sys.executable} /run/program",
            300,
        )
    told = json.loads(ran.splitlines()[-1])
    assert told == {
        "filtering": "1",
        "options": [[False, False], [False, False]],
        "tables": [["52:54:00:00:00:01"], ["52:54:00:00:00:02"]],
        "first": [1, 0],
        "second": [0, 1],
        "nobody": [0, 0],
        "all": [1, 1],
        "not learnt": [0, 0],
        "again": [1, 0],
    }
