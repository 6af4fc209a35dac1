# SPDX-License-Identifier: Apache-2.0
"""Builds, starts, deletions and searches, with all flags, of pools that mostly have nothing there.

See ``device_steps.py``; no device is used.
"""

from __future__ import annotations

import libvirt
from device_steps import HOME, URI, step

#: Kinds without anything behind them, as documents; ``{}`` is the directory.
NOTHING = {
    "disk": "<source><device path='/dev/none'/></source><target><path>/dev</path></target>",
    "fs": "<source><device path='/dev/none'/></source><target><path>{}/none</path></target>",
    "scsi": "<source><adapter name='host9'/></source><target><path>/dev</path></target>",
    "mpath": "<target><path>/dev/mapper</path></target>",
    "rbd": "<source><host name='127.0.0.1'/><name>p</name></source>",
    "iscsi-direct": "<source><host name='127.0.0.1' port='1'/><device path='iqn.a:b'/><initiator>"
    "<iqn name='iqn.a:c'/></initiator></source>",
}
#: Those whose start would wait for a server that is not there.
SLOW = ("rbd",)


def directory(name: str, more: str = "", place: str = "") -> str:
    """A pool of files."""
    target = f"<target><path>{place or f'{HOME}/{name}'}</path></target>"
    return f"<pool type='dir'><name>{name}</name>{more}{target}</pool>"


def directories(conn: libvirt.virConnect) -> None:
    """Of a directory there is nothing to be overwritten."""
    define = conn.storagePoolDefineXML
    for state in ("yes", "no"):
        cow = f"<features><cow state='{state}'/></features>"
        copied = define(directory(f"cow-{state}", cow))
        step(f"cow {state}", lambda copied=copied: copied.build(0))
        step("start", lambda copied=copied: copied.create(0))
        step("stop", lambda copied=copied: copied.destroy())
        copied.undefine()
    deep = define(directory("deep", place=f"{HOME}/a/b/c"))
    step("deep", lambda: deep.build(0))
    step("delete", lambda: deep.delete(0))
    deep.undefine()
    plain = define(directory("plain"))
    for flags in (1, 2, 4, 8, 16):
        step(f"build {flags}", lambda flags=flags: plain.build(flags))
        step(f"create {flags}", lambda flags=flags: plain.create(flags))
        step("stop", lambda: plain.destroy())
        name = f"passing{flags}"
        step(f"create xml {flags}", lambda name=name, flags=flags: conn.storagePoolCreateXML(
            directory(name), flags))  # fmt: skip
    for flags in (1, 2):
        step(f"delete {flags}", lambda flags=flags: plain.delete(flags))
    passing = conn.storagePoolLookupByName("passing1")
    step("autostart", lambda: passing.setAutostart(1))
    step("undefine", lambda: passing.undefine())
    step("stop", lambda: passing.destroy())
    step("autostart on", lambda: plain.setAutostart(1))
    step("autostart", lambda: plain.autostart())
    step("autostart again", lambda: plain.setAutostart(1))
    step("undefine", lambda: plain.undefine())


def nothing(conn: libvirt.virConnect, kind: str, document: str) -> None:
    """A pool that has nothing behind it."""
    text = f"<pool type='{kind}'><name>{kind}</name>{document.format(HOME)}</pool>"
    pool = step(f"define {kind}", lambda: conn.storagePoolDefineXML(text))
    for flags in (0, 1, 2, 4, 8):
        step(f"build {flags}", lambda flags=flags: pool.build(flags))
    for flags in (0, 1, 2):
        step(f"delete {flags}", lambda flags=flags: pool.delete(flags))
    if kind not in SLOW:
        step("start", lambda: pool.create(0))
        step("stop", lambda: pool.destroy())
    step("refresh", lambda: pool.refresh(0))
    step("undefine", lambda: pool.undefine())


def main() -> None:
    conn = libvirt.open(URI)
    libvirt.registerErrorHandler(lambda *_: None, None)
    directories(conn)
    for kind, document in NOTHING.items():
        nothing(conn, kind, document)
    for kind in (
        "dir",
        "fs",
        "disk",
        "iscsi-direct",
        "scsi",
        "mpath",
        "rbd",
        "sheepdog",
        "zfs",
        "odd",
    ):
        for spec in (None, "<odd", "<pool/>", "<source/>"):
            step(f"find {kind} {spec}", lambda kind=kind, spec=spec: conn.findStoragePoolSources(
                kind, spec, 0))  # fmt: skip
        step(f"find {kind}, flags", lambda kind=kind: conn.findStoragePoolSources(kind, None, 1))


main()
