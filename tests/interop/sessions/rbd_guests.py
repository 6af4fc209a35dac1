# SPDX-License-Identifier: Apache-2.0
"""Guests on images of a real Ceph, which QEMU asks for itself: see ``rbd_steps.py``.

The images ``one/boot``, ``one/odd name`` and ``one/second`` boot; so does ``one/boot`` at its
snapshot ``then``.
"""

from __future__ import annotations

import base64
import re
import subprocess
import time
from functools import partial
from pathlib import Path
from typing import Any

import libvirt
from device_steps import DEVICE, HOME, URI, step
from rbd_steps import HOST, KEY, MIB, document, rbd

SECRET = "dddddddd-2222-3333-4444-555555555555"
AUTH = "<auth username='{}'><secret type='ceph' {}/></auth>"
#: Seconds for an emulated guest.
PATIENCE = 120


def disk(
    name: str, more: str = HOST, auth: str = "", *, inner: str = "", target: str = "vda"
) -> str:
    """A disk that is an image."""
    return (
        f"<disk type='network' device='disk'><driver name='qemu' type='raw'/>{auth}"
        f"<source protocol='rbd' name='{name}'>{more}{inner}</source>"
        f"<target dev='{target}' bus='virtio'/></disk>"
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


def boot(conn: libvirt.virConnect, name: str, disk: str, *, work: bool = False) -> None:
    """The life of a guest on a disk."""
    domain = step(f"{name}: define", lambda: conn.defineXML(guest(name, disk)))
    if domain is None:
        return
    domain = step(f"{name}: start", lambda: domain.create() or domain)
    if domain is not None:
        step(f"{name}: booted", lambda: booted(name))
        for flags in (0, 1, 2):
            step(f"{name}: disks {flags}", partial(disks, domain, flags))
        step(f"{name}: size", lambda: domain.blockInfo("vda"))
        if work:
            worked(domain, name, disk)
        step(f"{name}: destroy", domain.destroy)
    conn.lookupByName(name).undefine()


def worked(domain: libvirt.virDomain, name: str, disk: str) -> None:
    """A second disk comes and goes, the first one grows and is read and written."""
    second = disk.replace("vda", "vdb").replace("/boot'", "/second'")
    step(f"{name}: attach", lambda: domain.attachDevice(second))
    step(f"{name}: attached", partial(disks, domain))
    step(f"{name}: peek", lambda: domain.blockPeek("vdb", 0, 512)[:2])
    step(f"{name}: resize", lambda: domain.blockResize("vdb", 24 * MIB, 1))
    step(f"{name}: size", lambda: domain.blockInfo("vdb"))
    step(f"{name}: detach", lambda: domain.detachDevice(second))
    deadline = time.monotonic() + 20
    while "vdb" in domain.XMLDesc() and time.monotonic() < deadline:
        time.sleep(0.1)
    step(f"{name}: detached", partial(disks, domain))


def users(conn: libvirt.virConnect) -> None:
    """Who has a key, and who has not."""

    def login(user: str = "admin", secret: str = "usage='cluster'") -> str:
        return AUTH.format(user, secret)

    boot(conn, "no-secret", disk("one/boot", auth=login()))
    usage = "<usage type='ceph'><name>cluster</name></usage>"
    secret = conn.secretDefineXML(f"<secret><uuid>{SECRET}</uuid>{usage}</secret>")
    boot(conn, "no-value", disk("one/boot", auth=login()))
    secret.setValue(base64.b64decode(KEY)[:-1])
    boot(conn, "wrong", disk("one/boot", auth=login()))
    secret.setValue(base64.b64decode(KEY))
    boot(conn, "admin", disk("one/boot", auth=login()), work=True)
    boot(conn, "by-uuid", disk("one/boot", inner=login(secret=f"uuid='{SECRET}'")))
    boot(conn, "unknown", disk("one/boot", auth=login("none")))
    boot(conn, "other-user", disk("one/boot", auth=login("reader")))
    words = ["ceph-authtool", "-p", "-n", "client.reader", DEVICE.replace("ceph.conf", "keyring")]
    secret.setValue(base64.b64decode(subprocess.check_output(words)))
    boot(conn, "reader", disk("one/boot", auth=login("reader")))
    only = disk("one/boot", auth=login("reader")).replace("</disk>", "<readonly/></disk>")
    boot(conn, "reads-only", only)
    secret.undefine()


def main() -> None:
    libvirt.registerErrorHandler(lambda *_: None, None)
    conn: Any = libvirt.open(URI)
    boot(conn, "nobody", disk("one/boot"), work=True)
    boot(conn, "odd-name", disk("one/odd name"))
    then = disk("one/boot", inner="<snapshot name='then'/>")
    boot(conn, "snapshot", then.replace("</disk>", "<readonly/></disk>"))
    boot(conn, "snapshot-to-write", then)
    boot(conn, "no-snapshot", disk("one/boot", inner="<snapshot name='none'/>"))
    boot(conn, "absent", disk("one/none"))
    boot(conn, "no-pool", disk("none/boot"))
    boot(conn, "no-port", disk("one/boot", "<host name='127.0.0.1'/>"))
    boot(conn, "configured", disk("one/boot", "", inner=f"<config file='{DEVICE}'/>"))
    boot(conn, "nothing-said", disk("one/boot", ""))
    boot(conn, "no-config", disk("one/boot", inner="<config file='/none.conf'/>"))
    pool = conn.storagePoolCreateXML(document())
    of_pool = (
        "<disk type='volume' device='disk'><driver name='qemu' type='raw'/>"
        "<source pool='pool' volume='boot'/><target dev='vda' bus='virtio'/></disk>"
    )
    boot(conn, "of-pool", of_pool)
    pool.destroy()
    users(conn)
    deadline = time.monotonic() + 60  # one that has ended without a word is forgotten by then
    while "watcher=" in rbd("status", "one/boot") and time.monotonic() < deadline:
        time.sleep(0.5)


main()
