# SPDX-License-Identifier: Apache-2.0
"""A session about pools on file systems: see ``device_steps.py``."""

from __future__ import annotations

import re

import libvirt
from device_steps import DEVICE, HOME, URI, empty, step

BUILD, BUILD_OVER, BUILD_KEEP = 1, 2, 4
OVERWRITE, NO_OVERWRITE = 8, 4


def document(name: str, form: str = "", *, path: str | None = None, device: str = DEVICE) -> str:
    """A pool on the device."""
    shown = f"<format type='{form}'/>" if form else ""
    source = f"<source><device path='{device}'/>{shown}</source>" if device else ""
    target = f"<target><path>{path or f'{HOME}/{name}'}</path></target>"
    return f"<pool type='fs'><name>{name}</name>{source}{target}</pool>"


def volume(name: str, more: str = "") -> str:
    """A small volume."""
    return f"<volume><name>{name}</name><capacity>1048576</capacity>{more}</volume>"


def building(conn: libvirt.virConnect) -> None:
    """What a build makes of the device, and what it leaves alone."""
    pool = step("define ext4", lambda: conn.storagePoolDefineXML(document("one", "ext4")))
    step("start without directory", lambda: pool.create(0))
    step("build", lambda: pool.build(0))
    step("start without file system", lambda: pool.create(0))
    step("build, both", lambda: pool.build(OVERWRITE | NO_OVERWRITE))
    step("build, new", lambda: pool.build(libvirt.VIR_STORAGE_POOL_BUILD_REPAIR))
    step("build, resize", lambda: pool.build(libvirt.VIR_STORAGE_POOL_BUILD_RESIZE))
    step("build, odd", lambda: pool.build(64))
    step("build, keep", lambda: pool.build(NO_OVERWRITE))
    step("build, keep again", lambda: pool.build(NO_OVERWRITE))
    step("build, over", lambda: pool.build(OVERWRITE))
    step("undefine", pool.undefine)
    pool = step("define xfs", lambda: conn.storagePoolDefineXML(document("one", "xfs")))
    step("keep, other format", lambda: pool.build(NO_OVERWRITE))
    step("start, wrong format", lambda: pool.create(0))
    step("undefine xfs", pool.undefine)
    pool = step("define vmfs", lambda: conn.storagePoolDefineXML(document("one", "vmfs")))
    step("build vmfs", lambda: pool.build(OVERWRITE))
    step("undefine vmfs", pool.undefine)
    empty(DEVICE)
    pool = step("define auto", lambda: conn.storagePoolDefineXML(document("one")))
    step("build auto", lambda: pool.build(OVERWRITE))
    step("keep auto", lambda: pool.build(NO_OVERWRITE))
    step("undefine auto", pool.undefine)
    gone = document("gone", "ext4", device="/dev/not-there")
    pool = step("define gone", lambda: conn.storagePoolDefineXML(gone))
    step("start gone", lambda: pool.create(0))
    step("build gone", lambda: pool.build(NO_OVERWRITE))
    step("build gone over", lambda: pool.build(OVERWRITE))
    step("undefine gone", pool.undefine)


def living(conn: libvirt.virConnect) -> None:
    """It is mounted, used, and unmounted."""
    pool = step("define", lambda: conn.storagePoolDefineXML(document("two", "ext4")))
    step("create, over", lambda: pool.create(BUILD_OVER))
    step("again", lambda: pool.create(0))
    step("build active", lambda: pool.build(0))
    step("delete active", lambda: pool.delete(0))
    step("xml", lambda: pool.XMLDesc(0))
    step("inactive xml", lambda: pool.XMLDesc(1))
    step("volumes", lambda: sorted(pool.listVolumes()))
    step("make", lambda: pool.createXML(volume("v"), 0))
    step(
        "make qcow2",
        lambda: pool.createXML(volume("q", "<target><format type='qcow2'/></target>"), 0),
    )
    step("info", lambda: pool.storageVolLookupByName("v").info())
    step("volume xml", lambda: pool.storageVolLookupByName("q").XMLDesc(0))
    step("refresh", lambda: pool.refresh(0))
    step("pool info", pool.info)
    step("remove", lambda: pool.storageVolLookupByName("v").delete(0))
    step("stop", lambda: pool.destroy())
    step("stop again", lambda: pool.destroy())
    step("start again", lambda: pool.create(0))
    step("still there", lambda: sorted(pool.listVolumes()))
    step("stop once more", lambda: pool.destroy())
    step("create, keep", lambda: pool.create(BUILD_KEEP))
    step("create, build", lambda: pool.create(BUILD))
    step("stop at last", lambda: pool.destroy())
    step("delete", lambda: pool.delete(0))
    step("delete again", lambda: pool.delete(0))
    step("delete, zeroed", lambda: pool.delete(1))
    step("undefine", pool.undefine)


def passing(conn: libvirt.virConnect) -> None:
    """A transient pool, and one of a format that is found out."""
    pool = step("transient", lambda: conn.storagePoolCreateXML(document("three", "auto"), BUILD))
    step("autostart", lambda: pool.setAutostart(1))
    step("conflict", lambda: conn.storagePoolDefineXML(document("four", "ext4")))
    step(
        "conflict dir",
        lambda: conn.storagePoolDefineXML(
            document("four", "ext4", path=f"{HOME}/three", device="/dev/other")
        ),
    )
    step("stop", lambda: pool.destroy())
    step("failed transient", lambda: conn.storagePoolCreateXML(document("nope", "xfs"), BUILD))
    step("nothing left", lambda: conn.listAllStoragePools(0))
    step("taken", lambda: conn.storagePoolCreateXML(document("five", "xfs"), BUILD_OVER))
    conn.storagePoolLookupByName("four").undefine()
    five = step("found", lambda: conn.storagePoolLookupByName("five"))
    if five is not None:
        step("xml", lambda: re.sub(r">\d+<", ">N<", five.XMLDesc(0)))
        step("stop xfs", lambda: five.destroy())


def main() -> None:
    conn = libvirt.open(URI)
    libvirt.registerErrorHandler(lambda *_: None, None)
    building(conn)
    living(conn)
    passing(conn)


main()
