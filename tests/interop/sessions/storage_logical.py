# SPDX-License-Identifier: Apache-2.0
"""A session about pools of LVM's groups: see ``device_steps.py``; secrets are kept there too."""

from __future__ import annotations

import re
import threading

import libvirt
from device_steps import DEVICE, URI, empty, step

BUILD, BUILD_OVER, BUILD_KEEP = 1, 2, 4
OVERWRITE, KEEP = 8, 4
KEY = "aaaaaaaa-2222-3333-4444-555555555555"
EVENTS: list[tuple[str, int]] = []

SECRET = f"<secret><uuid>{KEY}</uuid><usage type='volume'><volume>x</volume></usage></secret>"
ENCRYPTED = (
    "<target><encryption format='{}'><secret type='passphrase' uuid='" + KEY + "'/></encryption>"
    "</target>"
)


def document(*devices: str, group: str = "vrl") -> str:
    """A pool of one group."""
    parts = "".join(f"<device path='{device}'/>" for device in devices)
    return (
        f"<pool type='logical'><name>lg</name><source>{parts}<name>{group}</name></source>"
        "<target><path>/somewhere</path></target></pool>"
    )


def volume(name: str, size: int, *, occupied: int | None = None, more: str = "") -> str:
    """A volume of *size* MiB."""
    shown = "" if occupied is None else f"<allocation unit='MiB'>{occupied}</allocation>"
    return (
        f"<volume><name>{name}</name><capacity unit='MiB'>{size}</capacity>{shown}{more}</volume>"
    )


def described(thing: libvirt.virStorageVol) -> str:
    """Its document, without what LVM has made up."""
    return re.sub(r"<key>[^<]+<", "<key>K<", thing.XMLDesc(0))


def make(pool: libvirt.virStoragePool, text: str) -> libvirt.virStorageVol | None:
    made: libvirt.virStorageVol | None = step("make", lambda: pool.createXML(text, 0))
    if made is not None:
        step("made", lambda: described(made))
    return made


def look(pool: libvirt.virStoragePool) -> None:
    """All that there is to see."""
    step("xml", lambda: pool.XMLDesc(0))
    step("info", pool.info)
    for name in sorted(pool.listVolumes()):
        step("volume", lambda name=name: described(pool.storageVolLookupByName(name)))
        step("sizes", lambda name=name: pool.storageVolLookupByName(name).info())


def volumes(conn: libvirt.virConnect, pool: libvirt.virStoragePool) -> None:
    """Made, looked at, changed, deleted."""
    owner = "<target><permissions><mode>0640</mode><owner>5</owner><group>6</group></permissions>"
    plain = make(pool, volume("plain", 10, more=f"{owner}</target>"))
    step("again", lambda: pool.createXML(volume("plain", 10), 0))
    make(pool, volume("sparse", 30, occupied=4))
    laid = "<backingStore><path>/dev/vrl/plain</path></backingStore>"
    snapshot = make(pool, volume("snapshot", 10, more=laid))
    for name in ("../x", "a b", "-x", "."):
        step(f"name {name}", lambda name=name: pool.createXML(volume(name, 4), 0))
    step("too large", lambda: pool.createXML(volume("large", 1 << 20), 0))
    encrypted(conn, pool)
    step("refresh", lambda: pool.refresh(0))
    look(pool)
    step("by path", lambda: conn.storageVolLookupByPath("/dev/vrl/plain"))
    step("resize", lambda: plain and plain.resize(20 << 20))
    step("wipe", lambda: plain and plain.wipe())
    step("snapshot goes", lambda: snapshot and snapshot.delete(0))
    copy = volume("copy", 10)
    step("clone", lambda: pool.createXMLFrom(copy, plain, 0))
    step("clone", lambda: described(pool.storageVolLookupByName("copy")))
    step("delete, flags", lambda: plain and plain.delete(1))
    step("delete", lambda: plain and plain.delete(0))
    step("deleted", lambda: sorted(pool.listVolumes()))


def encrypted(conn: libvirt.virConnect, pool: libvirt.virStoragePool) -> None:
    step("no secret", lambda: pool.createXML(volume("e", 4, more=ENCRYPTED.format("luks")), 0))
    secret = conn.secretDefineXML(SECRET)
    step("no value", lambda: pool.createXML(volume("e", 4, more=ENCRYPTED.format("luks")), 0))
    secret.setValue(b"secret")
    step("qcow", lambda: pool.createXML(volume("q", 4, more=ENCRYPTED.format("qcow")), 0))
    make(pool, volume("e", 4, more=ENCRYPTED.format("luks")))
    secret.undefine()


def main() -> None:
    libvirt.virEventRegisterDefaultImpl()
    threading.Thread(target=serve, daemon=True).start()
    conn = libvirt.open(URI)
    conn.storagePoolEventRegisterAny(None, 0, lambda c, p, e, d, o: EVENTS.append((p.name(), e)), 0)
    empty(DEVICE)
    pool = step("define", lambda: conn.storagePoolDefineXML(document(DEVICE)))
    step("defined", lambda: pool.XMLDesc(0))
    step("start, none", lambda: pool.create(0))
    step("build, both", lambda: pool.build(OVERWRITE | KEEP))
    step("build, other", lambda: pool.build(2))
    step("build", lambda: pool.build(0))
    step("build again", lambda: pool.build(0))
    step("keep", lambda: pool.build(KEEP))
    step("start", lambda: pool.create(0))
    step("build, started", lambda: pool.build(0))
    step("sources", lambda: conn.findStoragePoolSources("logical", None, 0))
    look(pool)
    volumes(conn, pool)
    step("delete, started", lambda: pool.delete(0))
    step("stop", pool.destroy)
    step("start again", lambda: pool.create(0))
    step("kept", lambda: sorted(pool.listVolumes()))
    step("stop again", pool.destroy)
    known = f"</name><uuid>{pool.UUIDString()}</uuid>"
    step("new uuid", lambda: conn.storagePoolDefineXML(document("/dev/null")))
    other = document("/dev/null").replace("</name>", known, 1)
    step("other device", lambda: conn.storagePoolDefineXML(other))
    step("other device", lambda: pool.create(0))
    back = document(DEVICE).replace("</name>", known, 1)
    step("define back", lambda: conn.storagePoolDefineXML(back))
    step("delete, flags", lambda: pool.delete(1))
    step("delete", lambda: pool.delete(0))
    step("delete again", lambda: pool.delete(0))
    step("overwrite", lambda: pool.build(OVERWRITE))
    step("deleted", lambda: pool.delete(0))
    step("undefine", pool.undefine)
    pool = step("create", lambda: conn.storagePoolCreateXML(document(DEVICE), BUILD | BUILD_OVER))
    step("created", pool.destroy)
    pool = conn.storagePoolDefineXML(document(DEVICE))
    step("delete", lambda: pool.delete(0))
    step("nonsense", lambda: conn.storagePoolCreateXML(document(DEVICE, group="a b"), BUILD))
    pool.undefine()
    step("absent", lambda: conn.storagePoolCreateXML(document("/dev/none"), BUILD))
    step("events", lambda: [list(each) for each in EVENTS])


def serve() -> None:
    while True:
        libvirt.virEventRunDefaultImpl()


main()
