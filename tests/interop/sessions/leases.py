# SPDX-License-Identifier: Apache-2.0
"""A session about leases, by libvirt's binding: ``/usr/bin/python3 leases.py URI DIRECTORY``.

The directory is where the daemon has leases; the session leaves them there itself. Each step
prints a line of JSON: its name, and its value or the code and domain of its error.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import libvirt

NAT = """<network><name>lent</name><forward mode='nat'/><bridge name='vbr8'/>
<ip address='10.78.1.1' prefix='24'/><ip family='ipv6' address='fd78::1' prefix='64'/></network>"""
BRIDGE = "<network><name>other</name><forward mode='bridge'/><bridge name='vbr9'/></network>"
PRIVATE = """<network><name>third</name>
<forward mode='private'><interface dev='eth9'/></forward></network>"""

EVER = 9999999999
ONE = {"ip-address": "10.78.1.5", "mac-address": "52:54:00:00:00:01", "expiry-time": EVER}
LEASES = [
    {**ONE, "hostname": "a", "client-id": "01:52"},
    {**ONE, "ip-address": "10.78.1.6", "mac-address": "52:54:00:00:00:02", "expiry-time": 5},
    {**ONE, "ip-address": "10.78.1.7", "mac-address": "52:54:00:00:00:0A", "expiry-time": 0},
    {**ONE, "ip-address": "10.99.1.7", "mac-address": "52:54:00:00:00:03"},
    {**ONE, "ip-address": "fd78::5", "iaid": "7", "client-id": "00:01"},
]
MACS = (
    "52:54:00:00:00:01",
    "52:54:0:0:0:a",
    "52:54:00:00:00:0a",
    "52:54:00:00:00:99",
    "01:00:00:00:00:01",
    "zz",
    "",
)


def without(key: str) -> str:
    """A lease that lacks something."""
    return json.dumps([{name: value for name, value in ONE.items() if name != key}])


FILES = {
    "all": json.dumps(LEASES),
    "empty": "",
    "blank": " \n",
    "none": "[]",
    "object": "{}",
    "broken": "[{",
    "number": "3",
    "items": "[1]",
    "no mac": without("mac-address"),
    "no address": without("ip-address"),
    "no time": without("expiry-time"),
    "bad address": json.dumps([{**ONE, "ip-address": "x"}]),
    "bad mac": json.dumps([{**ONE, "mac-address": "zz"}]),
    "time in words": json.dumps([{**ONE, "expiry-time": str(EVER)}]),
    "time in parts": json.dumps([{**ONE, "expiry-time": 1.5}]),
    "time before": json.dumps([{**ONE, "expiry-time": -1}]),
    "name of a number": json.dumps([{**ONE, "hostname": 7}]),
}


def step(name: str, action: Callable[[], Any]) -> None:
    """Takes a step and tells what came of it."""
    try:
        value = action()
    except libvirt.libvirtError as error:
        value = {"error": [error.get_error_code(), error.get_error_domain()]}
    print(json.dumps([name, value], sort_keys=True))


def main() -> None:
    """The session."""
    conn = libvirt.open(sys.argv[1])
    libvirt.registerErrorHandler(lambda *_: None, None)
    file = Path(sys.argv[2], "vbr8.status")
    file.parent.mkdir(parents=True, exist_ok=True)
    net, *others = made = [conn.networkDefineXML(text) for text in (NAT, BRIDGE, PRIVATE)]
    for each in made:
        step(f"no file {each.name()}", each.DHCPLeases)
    step("unknown flag", lambda: net.DHCPLeases(None, 1))
    for name, text in FILES.items():
        file.write_text(text)
        step(name, net.DHCPLeases)
        for mac in MACS:
            step(f"{name} {mac}", lambda mac=mac: net.DHCPLeases(mac))
    for other in others:
        step(f"not of {other.name()}", other.DHCPLeases)
    file.unlink()
    for each in made:
        each.undefine()
    step("gone", net.DHCPLeases)


main()
