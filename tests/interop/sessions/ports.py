# SPDX-License-Identifier: Apache-2.0
"""A session about ports of networks: ``ports.py URI``; each step's outcome is a line.

Runs with libvirt's own binding, whichever daemon answers.
"""

from __future__ import annotations

import re
import sys
from typing import Any

import libvirt

NETWORKS = {
    "nat": "<forward mode='nat'/><bridge name='virbr71'/><ip address='10.71.0.1' prefix='24'/>"
    "<bandwidth><inbound average='1000' peak='2000'/></bandwidth>"
    "<portgroup name='slow' default='yes'><bandwidth><inbound average='100'/>"
    "<outbound average='90'/></bandwidth></portgroup><portgroup name='plain'/>",
    "pool": "<forward mode='passthrough'><interface dev='lo'/></forward>",
    "idle": "<bridge name='virbr72'/><ip address='10.72.0.1' prefix='24'/>",
}
OWNER = "<owner><name>g</name><uuid>11111111-2222-3333-4444-555555555555</uuid></owner>"
MAC = "<mac address='52:54:00:00:00:0{}'/>"
UUID = "<uuid>21111111-2222-3333-4444-55555555555{}</uuid>"


def port(number: int, more: str = "", mac: str = MAC, uuid: str = UUID) -> str:
    head = uuid.format(number) + OWNER + mac.format(number)
    return f"<networkport>{head}{more}</networkport>"


def shown(value: object) -> str:
    text = re.sub(r"\s*\n\s*", "", str(value))
    return re.sub(r"<virtualport.*?</virtualport>", "<virtualport/>", text)


def step(name: str, action: Any) -> Any:
    try:
        value = action()
    except libvirt.libvirtError as error:
        print(f"{name}: error {error.get_error_code()} of {error.get_error_domain()}")
        return None
    except LookupError:  # the binding asks first which there are
        print(f"{name}: no such parameter")
        return None
    told = "an object" if isinstance(value, (libvirt.virNetworkPort, libvirt.virNetwork)) else value
    print(f"{name}: {shown(told)}")
    return value


def created(network: Any, name: str, text: str, flags: int = 0) -> Any:
    made = step(name, lambda: network.portCreateXML(text, flags))
    if made is not None:
        step(f"{name}, its document", made.XMLDesc)
        step(f"{name}, its id", made.UUIDString)
        step(f"{name}, its network", lambda: made.network().name())
        step(f"{name}, its parameters", lambda: sorted(made.parameters().items()))
    return made


def changes(made: Any, network: Any) -> None:
    for name, wanted in (
        # Of one direction alone libvirt takes the other's limits away; we do not.
        ("faster", {"inbound.average": 300, "inbound.peak": 400, "outbound.average": 200}),
        ("too much", {"inbound.floor": 5000, "outbound.average": 200}),
    ):
        step(f"set {name}", lambda wanted=wanted: made.setParameters(wanted))
    step("after setting", lambda: network.portLookupByUUIDString(made.UUIDString()).XMLDesc())


def odd(network: Any) -> None:
    """Documents with one part that is none, or that says nothing."""
    for name, text in {
        "without an id": port(9, uuid=""),
        "with a bad mac": port(9, mac="<mac address='x'/>"),
        "without a rate": port(9, "<bandwidth><inbound/></bandwidth>"),
        "sure of what goes out": port(9, "<bandwidth><outbound floor='6'/></bandwidth>"),
        "of a bad class": port(9, "<bandwidth classID='x'><inbound average='5'/></bandwidth>"),
        "of no VLAN": port(9, "<vlan/>"),
        "of a virtual port of no type": port(9, "<virtualport/>"),
        "plugged into nothing": port(9, "<plug type='network'/>"),
        "plugged into no device": port(9, "<plug type='hostdev-pci'/>"),
        "of a bad table": port(9, "<plug type='network' bridge='b' macTableManager='x'/>"),
        "of a VLAN": port(9, "<vlan><tag id='5'/></vlan>"),
    }.items():
        made = created(network, name, text)
        if made is not None:
            made.delete()


def main(uri: str) -> None:
    libvirt.registerErrorHandler(lambda *_: None, None)
    conn = libvirt.open(uri)
    made = {
        name: conn.networkDefineXML(f"<network><name>{name}</name>{text}</network>")
        for name, text in NETWORKS.items()
    }
    nat, pool, idle = made["nat"], made["pool"], made["idle"]
    nat.create()
    pool.create()
    first = created(nat, "first", port(1))
    created(nat, "of a group", port(2, "<group>plain</group>"))
    created(nat, "of no group", port(3, "<group>none</group>"))
    created(nat, "with a floor", port(4, "<bandwidth><inbound floor='300'/></bandwidth>"))
    created(nat, "with too much", port(5, "<bandwidth><inbound floor='9000'/></bandwidth>"))
    created(nat, "the same again", port(1))
    created(nat, "a flag", port(6), 64)
    created(nat, "malformed", "<networkport>")
    created(
        nat, "without an owner", "<networkport><mac address='52:54:00:00:00:07'/></networkport>"
    )
    created(nat, "without a mac", f"<networkport>{OWNER}</networkport>")
    created(nat, "isolated", port(8, "<port isolated='yes'/>"))
    odd(nat)
    created(idle, "of one that is stopped", port(1))
    created(pool, "of the pool", port(1))
    created(pool, "of the pool, taken", port(2))
    step("ports", lambda: sorted(one.UUIDString() for one in nat.listAllPorts()))
    step("ports of the idle", idle.listAllPorts)
    step(
        "none of that id", lambda: nat.portLookupByUUIDString(f"3{'1' * 7}{'-1111' * 3}-{'1' * 12}")
    )
    changes(first, nat)
    step("delete", first.delete)
    step("delete again", first.delete)
    step("ports then", lambda: len(nat.listAllPorts()))
    step("stop", nat.destroy)
    step("ports of the stopped", nat.listAllPorts)
    for network in made.values():
        if network.isActive():
            network.destroy()
        network.undefine()


main(sys.argv[1])
