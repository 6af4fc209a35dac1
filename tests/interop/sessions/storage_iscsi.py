# SPDX-License-Identifier: Apache-2.0
"""A session about pools of iSCSI targets: see ``device_steps.py``; secrets are kept there too.

DEVICE is the name of a target of 127.0.0.1 with two units; with ``-locked`` behind it that of one
that user joe logs in to.
"""

from __future__ import annotations

import re
import subprocess

import libvirt
from device_steps import DEVICE, URI, step

KEY = "bbbbbbbb-2222-3333-4444-555555555555"
SECRET = f"<secret><uuid>{KEY}</uuid><usage type='iscsi'><target>joe</target></usage></secret>"
AUTH = "<auth type='chap' username='joe'><secret usage='joe'/></auth>"


def document(
    *, target: str = DEVICE, more: str = "", path: str = "/dev/disk/by-path", name: str = "is"
) -> str:
    """A pool of 127.0.0.1."""
    return (
        f"<pool type='iscsi'><name>{name}</name><source><host name='127.0.0.1'/>"
        f"<device path='{target}'/>{more}</source><target><path>{path}</path></target></pool>"
    )


def sessions() -> list[str]:
    """Those with our targets."""
    done = subprocess.run(
        ["iscsiadm", "--mode", "session"], capture_output=True, text=True, check=False
    )
    return sorted(re.sub(r"\[\d+\]", "[N]", line) for line in done.stdout.splitlines())


def look(pool: libvirt.virStoragePool) -> None:
    """All that there is to see."""
    step("xml", lambda: pool.XMLDesc(0))
    step("info", pool.info)
    for name in sorted(pool.listVolumes()):
        step("volume", lambda name=name: pool.storageVolLookupByName(name).XMLDesc(0))


def life(pool: libvirt.virStoragePool) -> None:
    step("defined", lambda: pool.XMLDesc(0))
    step("build", lambda: pool.build(0))
    step("build, flags", lambda: pool.build(8))
    step("start", lambda: pool.create(0))
    step("sessions", sessions)
    look(pool)
    small = pool.storageVolLookupByName("unit:0:0:2")
    text = "<volume><name>x</name><capacity>4096</capacity></volume>"
    step("make", lambda: pool.createXML(text, 0))
    step("resize", lambda: small.resize(30 << 20))
    step("wipe", lambda: small.wipe())
    step("delete volume", lambda: small.delete(0))
    step("refresh", lambda: pool.refresh(0))
    step("stop", pool.destroy)
    step("sessions", sessions)
    step("delete", lambda: pool.delete(0))


def locked(conn: libvirt.virConnect) -> None:
    """A target that wants a password."""
    target = f"{DEVICE}-locked"
    step("nobody", lambda: conn.storagePoolCreateXML(document(target=target), 0))
    text = document(target=target, more=AUTH)
    step("no secret", lambda: conn.storagePoolCreateXML(text, 0))
    secret = conn.secretDefineXML(SECRET)
    step("no value", lambda: conn.storagePoolCreateXML(text, 0))
    secret.setValue(b"wrong-secret")
    step("wrong", lambda: conn.storagePoolCreateXML(text, 0))
    secret.setValue(b"secret123456")
    pool = step("right", lambda: conn.storagePoolCreateXML(text, 0))
    step("sessions", sessions)
    step("volumes", lambda: sorted(pool.listVolumes()))
    step("xml", lambda: pool.XMLDesc(0))
    step("stop", pool.destroy)
    secret.undefine()


def sources(conn: libvirt.virConnect) -> None:
    host = "<source><host name='127.0.0.1'/>{}</source>"
    step("sources", lambda: conn.findStoragePoolSources("iscsi", host.format(""), 0))
    step("no host", lambda: conn.findStoragePoolSources("iscsi", None, 0))
    step("no host", lambda: conn.findStoragePoolSources("iscsi", "<source/>", 0))
    unknown = host.format("<initiator><iqn name='iqn.2026-11.org.virloom:nobody'/></initiator>")
    step("initiator", lambda: conn.findStoragePoolSources("iscsi", unknown, 0))


def main() -> None:
    conn = libvirt.open(URI)
    sources(conn)
    pool = step("define", lambda: conn.storagePoolDefineXML(document()))
    life(pool)
    step("conflict", lambda: conn.storagePoolCreateXML(document(name="other"), 0))
    step("undefine", pool.undefine)
    pool = step("dev", lambda: conn.storagePoolCreateXML(document(path="/dev"), 0))
    step("dev", lambda: sorted(pool.listVolumes()))
    step("stop", pool.destroy)
    locked(conn)
    step("none", lambda: conn.storagePoolCreateXML(document(target=f"{DEVICE}-none"), 0))
    initiator = "<initiator><iqn name='iqn.2026-11.org.virloom:guest'/></initiator>"
    pool = step("initiator", lambda: conn.storagePoolCreateXML(document(more=initiator), 0))
    step("initiator", lambda: pool.XMLDesc(0))
    step("stop", pool.destroy)
    step("sessions", sessions)


main()
