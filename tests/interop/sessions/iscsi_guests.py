# SPDX-License-Identifier: Apache-2.0
"""Guests on units of iSCSI targets that QEMU asks for itself: see ``device_steps.py``.

DEVICE is the name of a target of 127.0.0.1 whose units boot; with ``-locked`` behind it that of one
that user joe logs in to. Behind that stands the name by which the target knows us.
"""

from __future__ import annotations

import re
import sys
import time
from pathlib import Path

import libvirt
from device_steps import DEVICE, HOME, URI, step

INITIATOR = sys.argv[4]
KEY = "dddddddd-2222-3333-4444-555555555555"
SECRET = f"<secret><uuid>{KEY}</uuid><usage type='iscsi'><target>joe</target></usage></secret>"
AUTH = "<auth {}username='joe'><secret {}usage='joe'/></auth>"
IQN = f"<initiator><iqn name='{INITIATOR}'/></initiator>"
#: Seconds for an emulated guest.
PATIENCE = 120


def pool(kind: str, name: str, more: str = "", target: str = DEVICE) -> str:
    place = "<target><path>/dev/disk/by-path</path></target>" if kind == "iscsi" else ""
    return (
        f"<pool type='{kind}'><name>{name}</name><source><host name='127.0.0.1'/>"
        f"<device path='{target}'/>{more}{IQN}</source>{place}</pool>"
    )


def of_pool(name: str, unit: int, more: str = "") -> str:
    """A disk that is a unit of a pool."""
    return (
        "<disk type='volume' device='disk'><driver name='qemu' type='raw'/>"
        f"<source pool='{name}' volume='unit:0:0:{unit}'{more}/>"
        "<target dev='vda' bus='virtio'/></disk>"
    )


def of_network(name: str, more: str = "", auth: str = "") -> str:
    """A disk that tells of a unit itself."""
    return (
        f"<disk type='network' device='disk'><driver name='qemu' type='raw'/>{auth}"
        f"<source protocol='iscsi' name='{name}'><host name='127.0.0.1' port='3260'/>{more}"
        "</source><target dev='vda' bus='virtio'/></disk>"
    )


def guest(name: str, disk: str) -> str:
    return f"""<domain type='qemu'><name>{name}</name><memory unit='MiB'>32</memory>
<os><type arch='x86_64' machine='pc'>hvm</type></os><features><acpi/></features>
<devices>{disk}
<memballoon model='none'/><serial type='file'><source path='{HOME}/{name}.log'/></serial>
</devices></domain>"""


def disks(domain: libvirt.virDomain, flags: int = 0) -> str:
    """What is said of its disks, without addresses."""
    found = re.findall(r"<disk .*?</disk>", domain.XMLDesc(flags), re.S)
    return "\n".join(re.sub(r" *<address.*?/>\n", "", each) for each in found)


def booted(name: str) -> bool:
    log, deadline = Path(f"{HOME}/{name}.log"), time.monotonic() + PATIENCE
    while not (log.exists() and "BOOTED" in log.read_text()):
        if time.monotonic() > deadline:
            return False
        time.sleep(0.2)
    return True


def boot(conn: libvirt.virConnect, name: str, disk: str) -> None:
    """The life of a guest on a disk."""
    domain = step(f"{name}: define", lambda: conn.defineXML(guest(name, disk)))
    if domain is None:
        return
    domain = step(f"{name}: start", lambda: domain.create() or domain)
    if domain is not None:
        step(f"{name}: booted", lambda: booted(name))
        for flags in (0, 1, 2):
            step(f"{name}: disks {flags}", lambda f=flags: disks(domain, f))
        step(f"{name}: size", lambda: domain.blockInfo("vda"))
        second = disk.replace("vda", "vdb").replace(":1'", ":2'").replace("/1'", "/2'")
        if second.count("2'"):
            step(f"{name}: attach", lambda: domain.attachDevice(second))
            step(f"{name}: attached", lambda: disks(domain))
        step(f"{name}: destroy", domain.destroy)
    conn.lookupByName(name).undefine()


def main() -> None:
    conn = libvirt.open(URI)
    step("direct", lambda: conn.storagePoolCreateXML(pool("iscsi-direct", "direct"), 0))
    boot(conn, "of-pool", of_pool("direct", 1))
    boot(conn, "with-mode", of_pool("direct", 1, " mode='direct'"))
    boot(conn, "no-unit", of_pool("direct", 9))
    boot(conn, "of-network", of_network(f"{DEVICE}/1", IQN))
    boot(conn, "absent", of_network(f"{DEVICE}-none/1", IQN))
    locked = f"{DEVICE}-locked"
    login = AUTH.format("type='chap' ", "")
    step("no secret", lambda: conn.storagePoolCreateXML(pool("iscsi-direct", "l", login, locked)))
    secret = conn.secretDefineXML(SECRET)
    secret.setValue(b"secret123456")
    step("locked", lambda: conn.storagePoolCreateXML(pool("iscsi-direct", "l", login, locked)))
    boot(conn, "locked", of_pool("l", 1))
    boot(conn, "nobody", of_network(f"{locked}/1", IQN))
    boot(conn, "joe", of_network(f"{locked}/1", IQN, AUTH.format("", "type='iscsi' ")))
    secret.setValue(b"wrong-secret")
    boot(conn, "wrong", of_pool("l", 1))
    secret.undefine()
    boot(conn, "gone", of_pool("l", 1))


main()
