# SPDX-License-Identifier: Apache-2.0
"""A session about the host's interfaces, by libvirt's binding: ``interfaces.py URI [URI-RO]``.

Each step prints a line of JSON: its name, and its value or the code and domain of its error.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from typing import Any

import libvirt

DOCUMENT = "<interface type='bridge' name='brnew'><bridge/></interface>"
NAMES = ("br0", "brstp", "alone", "veth0", "veth1", "va", "d0", "d1", "tap0", "vnet0", "vnet7")
NAMES += ("tun0", "lo", "none", "", ".", "..", "../net/lo", "net!lo", "/sys/class/net/lo", "a" * 99)
MACS = (
    "52:54:00:00:00:01", "52:54:00:AB:00:02", "52:54:00:ab:00:02", "52:54:00:00:00:77",
    "52:54:00:00:00:03", "52:54:00:00:00:06", "52:54:00:00:00:08", "00:00:00:00:00:00",
    "5254.0000.0001", "x", "",
)  # fmt: skip


def step(name: str, action: Callable[[], Any]) -> None:
    """Prints what comes of it."""
    try:
        value = action()
    except libvirt.libvirtError as error:
        value = ["error", error.get_error_code(), error.get_error_domain()]
    print(json.dumps([name, value]))


def lists(conn: libvirt.virConnect) -> None:
    """Every way to list them; libvirt lists in no order."""
    step("numbers", lambda: [conn.numOfInterfaces(), conn.numOfDefinedInterfaces()])
    step("active", lambda: sorted(conn.listInterfaces()))
    step("inactive", lambda: sorted(conn.listDefinedInterfaces()))
    for flags in range(5):
        step(
            f"all {flags}",
            lambda flags=flags: sorted(
                [one.name(), one.MACString()] for one in conn.listAllInterfaces(flags)
            ),
        )


def lookups(conn: libvirt.virConnect) -> None:
    """Each of them by its name and its address, and what there is not."""
    for name in NAMES:
        step(f"name {name}", lambda name=name: conn.interfaceLookupByName(name).MACString())
    for mac in MACS:
        step(f"mac {mac}", lambda mac=mac: named(conn.interfaceLookupByMACString(mac)))


def named(one: libvirt.virInterface) -> list[str]:
    """What a client knows of it."""
    return [one.name(), one.MACString()]


def states(conn: libvirt.virConnect) -> None:
    """What may be asked of each, and what may not be done."""
    for name in NAMES:
        try:
            one = conn.interfaceLookupByName(name)
        except libvirt.libvirtError:
            continue
        step(f"active {name}", one.isActive)
        for flags in (0, 1, 2):
            step(f"xml {name} {flags}", lambda one=one, flags=flags: one.XMLDesc(flags))


def refusals(conn: libvirt.virConnect) -> None:
    """What is for those who may write."""
    one = conn.interfaceLookupByName("br0")
    for action in (one.create, one.destroy):
        for flags in (0, 1):
            step(f"{action.__name__} {flags}", lambda a=action, flags=flags: a(flags))
    step("undefine", one.undefine)
    for flags in (0, 1, 2):
        step(f"define {flags}", lambda flags=flags: conn.interfaceDefineXML(DOCUMENT, flags).name())
        step(f"begin {flags}", lambda flags=flags: conn.changeBegin(flags))
        step(f"commit {flags}", lambda flags=flags: conn.changeCommit(flags))
        step(f"rollback {flags}", lambda flags=flags: conn.changeRollback(flags))


def main() -> None:
    """The session, and the same where only reading is allowed."""
    libvirt.registerErrorHandler(lambda *_: None, None)
    for opener, uri in zip((libvirt.open, libvirt.openReadOnly), sys.argv[1:], strict=False):
        conn = opener(uri)
        for part in (lists, lookups, states):
            part(conn)
    refusals(conn)


main()
