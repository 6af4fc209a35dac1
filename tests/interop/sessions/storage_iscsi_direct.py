# SPDX-License-Identifier: Apache-2.0
"""A session about pools that reach an iSCSI target without the kernel: see ``device_steps.py``.

DEVICE is the name of a target of 127.0.0.1; with ``-locked`` behind it that of one that user joe
logs in to. No sources are looked for: libvirtd 9 ends by a signal when they are there.
"""

from __future__ import annotations

import re

import libvirt
from device_steps import DEVICE, URI, step

KEY = "cccccccc-2222-3333-4444-555555555555"
SECRET = f"<secret><uuid>{KEY}</uuid><usage type='iscsi'><target>direct</target></usage></secret>"
ME = "iqn.2026-11.org.virloom:me"
AUTH = "<auth type='{}' username='{}'><secret {}/></auth>"


def document(target: str = DEVICE, auth: str = "", *, name: str = "id", host: str = "127.0.0.1",
             initiator: str = f"<initiator><iqn name='{ME}'/></initiator>") -> str:  # fmt: skip
    """A pool of a target."""
    return (
        f"<pool type='iscsi-direct'><name>{name}</name><source><host name='{host}'/>"
        f"<device path='{target}'/>{auth}{initiator}</source></pool>"
    )


def life(conn: libvirt.virConnect) -> None:
    pool = step("define", lambda: conn.storagePoolDefineXML(document(), 0))
    step("defined", lambda: pool.XMLDesc(0))
    step("build", lambda: pool.build(0))
    step("build, flags", lambda: pool.build(8))
    step("start", lambda: pool.create(0))
    step("state", pool.isActive)
    text = "<volume><name>x</name><capacity>4096</capacity></volume>"
    step("make", lambda: pool.createXML(text, 0))
    unit = step("unit", lambda: pool.storageVolLookupByName("unit:0:0:1"))
    step("resize", lambda: unit.resize(30 << 30))
    step("delete volume", lambda: unit.delete(0))
    step("wipe", lambda: unit.wipe(0))
    step("wipe, flags", lambda: unit.wipe(1))
    for algorithm in range(11):
        step(f"wipe {algorithm}", lambda algorithm=algorithm: unit.wipePattern(algorithm, 0))
    step("download", lambda: unit.download(conn.newStream(), 0, 0))
    step("conflict", lambda: conn.storagePoolDefineXML(document(name="other")))
    step("refresh", lambda: pool.refresh(0))
    step("delete, started", lambda: pool.delete(0))
    step("stop", pool.destroy)
    step("delete", lambda: pool.delete(0))
    step("undefine", pool.undefine)


def locked(conn: libvirt.virConnect) -> None:
    """A target that wants a password."""
    target = f"{DEVICE}-locked"

    def start(name: str, auth: str) -> libvirt.virStoragePool | None:
        pool: libvirt.virStoragePool | None = step(
            name, lambda: conn.storagePoolCreateXML(document(target, auth), 0)
        )
        return pool

    def chap(user: str = "joe") -> str:
        return AUTH.format("chap", user, "usage='direct'")

    start("nobody", "")
    start("no secret", chap())
    secret = conn.secretDefineXML(SECRET)
    start("no value", chap())
    secret.setValue(b"wrong-secret")
    start("wrong", chap())
    secret.setValue(b"secret123456")
    start("wrong user", chap("jim"))
    start("ceph", AUTH.format("ceph", "joe", "usage='direct'"))
    start("no type", chap().replace("type='chap' ", ""))
    start("other type", AUTH.format("pap", "joe", "usage='direct'"))
    for auth in (chap(), AUTH.format("chap", "joe", f"uuid='{KEY}'")):
        pool = start("right", auth)
        if pool is not None:
            step("xml", lambda pool=pool: re.sub(r">\d{6,}<", ">N<", pool.XMLDesc(0)))
            step("units", lambda pool=pool: "unit:0:0:1" in pool.listVolumes())
            step("stop", pool.destroy)
    pool = conn.storagePoolDefineXML(document(target, chap()), 0)
    secret.undefine()
    step("secret gone", lambda: pool.create(0))
    step("state", pool.isActive)
    pool.undefine()


def main() -> None:
    conn = libvirt.open(URI)
    life(conn)
    locked(conn)
    step("none", lambda: conn.storagePoolCreateXML(document(f"{DEVICE}-none"), 0))
    step("no server", lambda: conn.storagePoolCreateXML(document(host="127.0.0.2"), 0))
    step("no initiator", lambda: conn.storagePoolCreateXML(document(initiator=""), 0))


main()
