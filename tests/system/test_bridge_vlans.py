# SPDX-License-Identifier: Apache-2.0
"""VLANs of taps on a bridge of the kernel that filters them, in a guest whose kernel has that."""

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

_LINKS = """
ip link add filters type bridge vlan_filtering 1; ip link set filters up
ip link add plain type bridge; ip link set plain up
ip link add near type veth peer name far; ip link set near master filters
ip link set near up; ip link set far up
for tag in 42 43; do bridge vlan add dev near vid $tag; done
sysctl -qw net.ipv6.conf.all.disable_ipv6=1
"""

#: Taps as a start makes them; frames that come by the wire, and what arrives at each tap.
_PROGRAM = """
import contextlib, json, os, select, socket, struct, time
from virloom.drivers.qemu.nics.names import TapNames
from virloom.drivers.qemu.nics.taps import open_taps
from virloom.drivers.qemu.nics.vlans import give_vlans
from virloom.errors import ConfigUnsupported
from virloom.model.domain import Interface
from virloom.xml import parse_document

def card(number, vlan, bridge="filters"):
    return parse_document(Interface, f"<interface type='bridge'><source bridge='{bridge}'/>"
        f"<mac address='52:54:00:00:00:0{number}'/><vlan{vlan}</vlan><model type='e1000'/>"
        f"<alias name='net{number}'/></interface>")

def sent(tag):
    wire = socket.socket(socket.AF_PACKET, socket.SOCK_RAW)
    wire.bind(("far", 0))
    header = bytes.fromhex("ffffffffffff 5254000000ff")
    wire.send(header + struct.pack("!HHH", 0x8100, tag, 0x88b5) + bytes(50))

def received(fd):
    found = []
    while select.select([fd], [], [], 1)[0]:
        frame = os.read(fd, 2048)
        if frame[12:14] == b"\\x88\\xb5":
            found.append("untagged")
        elif frame[12:14] == b"\\x81\\x00":
            found.append(struct.unpack("!H", frame[14:16])[0] & 0xfff)
    return found

told = {}
with contextlib.ExitStack() as opened:
    access = card(1, "><tag id='42'/>")
    trunk = card(2, " trunk='yes'><tag id='42'/><tag id='43' nativeMode='untagged'/>")
    names = TapNames()
    files = open_taps(names, [access, trunk], opened)
    time.sleep(1)
    one, two = files["net1.tap0"], files["net2.tap0"]
    for tag in (42, 43):
        sent(tag)
        told[str(tag)] = [received(one), received(two)]
    other = card(1, "><tag id='43'/>")
    other.target.dev = access.target.dev
    give_vlans(other, "filters", former=access.vlan)
    sent(42); sent(43)
    told["changed"] = received(one)
    received(two)
    none = card(1, ">")
    none.target.dev = access.target.dev
    give_vlans(none, "filters", former=other.vlan)
    sent(43)
    told["none"] = received(one)
    try:
        open_taps(names, [card(3, "><tag id='42'/>", "plain")], opened)
    except ConfigUnsupported as exc:
        told["plain"] = int(exc.domain)
print(json.dumps(told))
"""


def test_what_arrives_at_taps() -> None:
    with HostGuest(("tun", "bridge", "veth")) as guest:
        guest.run(_LINKS)
        ran = guest.run(
            f"cat >/run/program <<'END'\n{_PROGRAM}\nEND\n{sys.executable} /run/program", 300
        )
    told = json.loads(ran.splitlines()[-1])
    assert told == {
        "42": [["untagged"], [42]],
        "43": [[], ["untagged"]],
        "changed": ["untagged"],
        "none": [],
        "plain": 20,
    }
