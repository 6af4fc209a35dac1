# SPDX-License-Identifier: Apache-2.0
"""Each call about a pool of a kind, in each state: see ``device_steps.py``.

DEVICE is a disk, an export of 127.0.0.1 or the name of its iSCSI target, as the kind, which stands
behind it, wants it.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import libvirt
from device_steps import DEVICE, HOME, URI, empty, step

KIND = sys.argv[4]
FIRST, SECOND = (f"{number * 8}-2222-3333-4444-555555555555" for number in "67")
PLACE = f"{HOME}/place"
#: What the source of a pool of each kind says, and where it is seen.
KINDS = {
    "dir": ("", PLACE),
    "fs": (f"<device path='{DEVICE}'/><format type='ext4'/>", PLACE),
    "disk": (f"<device path='{DEVICE}'/><format type='gpt'/>", "/dev"),
    "logical": (f"<device path='{DEVICE}'/><name>states</name>", "/dev/states"),
    "netfs": (f"<host name='127.0.0.1'/><dir path='{DEVICE}'/><format type='nfs'/>", PLACE),
    "iscsi": (f"<host name='127.0.0.1'/><device path='{DEVICE}'/>", "/dev/disk/by-path"),
}
SOURCE, TARGET = KINDS[KIND]
GONE = SOURCE.replace(DEVICE, "/dev/none" if KIND != "iscsi" else "iqn.2026-11.org:none")
#: What builds the pool: a file system and a table are made where there was nothing.
ALL_BUILDS = (0, 4, 8, 12, 1, 2, 16, 1 << 31)
EVENTS: list[tuple[str, int, int]] = []


def document(
    name: str = "pool", uuid: str | None = FIRST, *, source: str = SOURCE, target: str = TARGET,
    kind: str = KIND, more: str = "",
) -> str:  # fmt: skip
    """A pool of the kind."""
    known = "" if uuid is None else f"<uuid>{uuid}</uuid>"
    return (
        f"<pool type='{kind}'><name>{name}</name>{known}{more}<source>{source}</source>"
        f"<target><path>{target}</path></target></pool>"
    )


def clean() -> None:
    """Nothing is there."""
    shutil.rmtree(PLACE, ignore_errors=True)
    if KIND in ("fs", "disk", "logical"):
        empty(DEVICE)


def vary(name: str, call: Callable[[int], object], flags: tuple[int, ...]) -> None:
    for flag in flags:
        step(f"{name} {flag}", lambda flag=flag: call(flag))


def shown(pool: libvirt.virStoragePool, flags: int = 0) -> str:
    """Its document, without the sizes of a file system that others use as well."""
    return re.sub(r">\d{6,}<", ">N<", pool.XMLDesc(flags))


def told(conn: libvirt.virConnect, pool: libvirt.virStoragePool) -> None:
    """All that is asked of a pool without changing it."""
    step("active", pool.isActive)
    step("persistent", pool.isPersistent)
    step("autostart", pool.autostart)
    step("info", lambda: pool.info()[:1])
    vary("xml", lambda flags: shown(pool, flags), (0, 1, 2, 3))
    step("volumes", pool.numOfVolumes)
    step("names", lambda: sorted(pool.listVolumes()))
    step("all", lambda: sorted(each.name() for each in pool.listAllVolumes()))
    vary("all", lambda flags: len(pool.listAllVolumes(flags)), (1,))
    step("lookup", lambda: pool.storageVolLookupByName("none"))
    step("number", conn.numOfStoragePools)
    step("defined", conn.numOfDefinedStoragePools)
    step("listed", lambda: sorted(conn.listStoragePools()))
    step("listed", lambda: sorted(conn.listDefinedStoragePools()))
    for bit in (*range(20), 31):
        step(
            f"filter {bit}",
            lambda bit=bit: sorted(each.name() for each in conn.listAllStoragePools(1 << bit)),
        )
    for both in (3, 12, 48, 2 | 4, 1 | 16, 0x40 | 0x80):
        step(f"filters {both}", lambda both=both: len(conn.listAllStoragePools(both)))
    for path in (TARGET, f"{TARGET}/", f"{TARGET}//", f"{TARGET}/.", f"/.{TARGET}", "", "x", "/"):
        step(f"by target {path}", lambda path=path: conn.storagePoolLookupByTargetPath(path))
    for uuid in (FIRST, SECOND, "x"):
        step("by uuid", lambda uuid=uuid: conn.storagePoolLookupByUUIDString(uuid))
    for name in ("pool", "POOL", "", "none"):
        step("by name", lambda name=name: conn.storagePoolLookupByName(name))


def inactive(conn: libvirt.virConnect, pool: libvirt.virStoragePool) -> None:
    """What is refused of a pool that is not active."""
    told(conn, pool)
    vary("refresh", pool.refresh, (0, 1))
    step("destroy", pool.destroy)
    text = "<volume><name>v</name><capacity>4194304</capacity></volume>"
    step("make", lambda: pool.createXML(text, 0))
    step("make", lambda: pool.createXML("<volume/>", 0))
    vary("start", lambda flags: pool.create(flags), (8, 1 << 31))


def active(conn: libvirt.virConnect, pool: libvirt.virStoragePool) -> None:
    """What is refused of a pool that is."""
    told(conn, pool)
    vary("start", pool.create, (0, 1, 2, 4, 6, 8))
    vary("build", pool.build, ALL_BUILDS)
    vary("delete", pool.delete, (0, 1, 2))
    vary("refresh", pool.refresh, (0, 1, 2))
    step("undefine", pool.undefine)
    step("create again", lambda: conn.storagePoolCreateXML(document(), 0))
    step("create other", lambda: conn.storagePoolCreateXML(document("other", SECOND), 0))
    for text in ("", "x", "<volume/>", "<volume><name>v</name></volume>"):
        step(f"make {text}", lambda text=text: pool.createXML(text, 0))


def named(conn: libvirt.virConnect) -> None:
    """Documents that are another pool's, or none."""
    for name, text in documents():
        step(f"define {name}", lambda text=text: conn.storagePoolDefineXML(text, 0))
        step(f"create {name}", lambda text=text: conn.storagePoolCreateXML(text, 16))
    for flags in (1, 2):
        step(f"define {flags}", lambda flags=flags: conn.storagePoolDefineXML(document(), flags))
    step("more", lambda: conn.storagePoolLookupByName("more").undefine())
    step("back", lambda: conn.storagePoolDefineXML(document(), 0))
    step("one of them", lambda: sorted(each.name() for each in conn.listAllStoragePools()))


def documents() -> Iterator[tuple[str, str]]:
    yield "same name", document(uuid=SECOND)
    yield "same uuid", document("other")
    yield "same source", document("other", SECOND)
    yield "no uuid", document(uuid=None)
    other = "netfs" if KIND == "dir" else "dir"
    yield "other kind", document(kind=other)
    yield "no source", document("more", SECOND, source="")
    yield "no target", document("more", SECOND, target="")
    yield "relative", document("more", SECOND, target="a/b")
    yield "bad name", document("a/b", SECOND)
    yield "dots", document("..", SECOND)
    yield "blank", document(" ", SECOND)
    yield "newline", document("a\nb", SECOND)
    yield "long", document("x" * 300, SECOND)
    yield "bad uuid", document("more", "x")
    yield "bad kind", document("more", SECOND, kind="none")
    yield "no kind", document("more", SECOND).replace(f" type='{KIND}'", "")
    yield "bad format", document("more", SECOND, source=f"{SOURCE}<format type='none'/>")
    for text in (
        "",
        "x",
        "<pool/>",
        "<pool type='dir'/>",
        "<domain/>",
        "<pool type='dir'><name/></pool>",
    ):
        yield text, text


def gone(conn: libvirt.virConnect, pool: libvirt.virStoragePool) -> None:
    """What is behind the pool goes away."""
    if KIND == "dir":
        os.rename(PLACE, f"{PLACE}-away")
        step("refresh, gone", lambda: pool.refresh(0))
        step("active", pool.isActive)
        step("start, gone", lambda: pool.create(0))
        Path(PLACE).touch()
        step("start, a file", lambda: pool.create(0))
        step("delete, a file", lambda: pool.delete(0))
        Path(PLACE).unlink(missing_ok=True)
        os.symlink(f"{PLACE}-away", PLACE)
        step("start, a link", lambda: pool.create(0))
        step("xml", lambda: shown(pool, 1))
        step("stop", pool.destroy)
        step("delete, a link", lambda: pool.delete(0))
        Path(PLACE).unlink(missing_ok=True)
        os.rename(f"{PLACE}-away", PLACE)
    elif KIND == "fs":
        subprocess.run(["umount", PLACE], check=False)
        step("refresh, gone", lambda: pool.refresh(0))
        step("names", lambda: sorted(pool.listVolumes()))
        step("stop, gone", pool.destroy)
        step("active", pool.isActive)
    elif KIND == "disk":
        empty(DEVICE)
        step("refresh, gone", lambda: pool.refresh(0))
        step("active", pool.isActive)
        step("start, gone", lambda: pool.create(0))
    elif KIND == "logical":
        subprocess.run(["vgchange", "-qan", "states"], check=False, stdout=subprocess.DEVNULL)
        subprocess.run(["vgrename", "-q", "states", "away"], check=False, stdout=subprocess.DEVNULL)
        step("refresh, gone", lambda: pool.refresh(0))
        step("active", pool.isActive)
        step("stop, gone", lambda: pool.isActive() and pool.destroy())
        step("start, gone", lambda: pool.create(0))
        step("build, gone", lambda: pool.build(0))
        step("delete, gone", lambda: pool.delete(0))
        subprocess.run(["vgrename", "-q", "away", "states"], check=False, stdout=subprocess.DEVNULL)
    elif KIND == "iscsi":
        words = ["iscsiadm", "--mode", "node", "--targetname", DEVICE, "--logout"]
        subprocess.run(words, check=False, stdout=subprocess.DEVNULL)
        step("refresh, gone", lambda: pool.refresh(0))
        step("active", pool.isActive)
        step("stop, gone", lambda: pool.isActive() and pool.destroy())
    else:
        subprocess.run(["umount", PLACE], check=False)
        step("refresh, gone", lambda: pool.refresh(0))
        step("stop, gone", lambda: pool.isActive() and pool.destroy())
        step("active", pool.isActive)


def transient(conn: libvirt.virConnect) -> None:
    pool = step("create", lambda: conn.storagePoolCreateXML(document(), 0))
    if pool is None:
        return
    told(conn, pool)
    vary("autostart", pool.setAutostart, (0, 1))
    step("undefine", pool.undefine)
    step("create again", lambda: conn.storagePoolCreateXML(document(), 0))
    step("define", lambda: conn.storagePoolDefineXML(document(), 0))
    step("persistent", pool.isPersistent)
    step("autostart", lambda: pool.setAutostart(1))
    step("undefine", pool.undefine)
    step("stop", pool.destroy)
    step("autostart", pool.autostart)
    step("undefine", pool.undefine)
    for name, call in (
        ("xml", lambda: shown(pool)), ("start", lambda: pool.create(0)), ("stop", pool.destroy),
        ("info", pool.info), ("undefine", pool.undefine), ("active", pool.isActive),
        ("persistent", pool.isPersistent), ("build", lambda: pool.build(0)),
        ("delete", lambda: pool.delete(0)), ("refresh", lambda: pool.refresh(0)),
        ("autostart", pool.autostart), ("volumes", pool.listVolumes),
    ):  # fmt: skip
        step(f"of nothing: {name}", call)


def redefined(conn: libvirt.virConnect, pool: libvirt.virStoragePool) -> None:
    """An active pool gets another document for its next start."""
    step("redefine", lambda: conn.storagePoolDefineXML(document(target=f"{HOME}/new"), 0))
    step("live", lambda: shown(pool))
    step("next", lambda: shown(pool, 1))
    step("stop", pool.destroy)
    step("next", lambda: shown(pool))
    step("back", lambda: conn.storagePoolDefineXML(document(), 0))


def absent(conn: libvirt.virConnect) -> None:
    """A pool of something that is not there."""
    pool = step(
        "define",
        lambda: conn.storagePoolDefineXML(
            document("no", SECOND, source=GONE, target=f"{HOME}/none"), 0
        ),
    )
    if pool is None:
        return
    vary("start", pool.create, (0, 2, 4, 1))
    vary("build", pool.build, (0, 4, 8))
    vary("delete", pool.delete, (0, 1))
    step("xml", lambda: shown(pool))
    step("active", lambda: pool.isActive() and pool.destroy())
    step("undefine", pool.undefine)


def searched(conn: libvirt.virConnect) -> None:
    """Sources are looked for, with odd input."""
    specs = (
        None, "", "x", "<source/>", "<sources/>", "<pool/>", "<source><host/></source>",
        "<source><host name=''/></source>", f"<source>{SOURCE}</source>",
        "<source><host name='127.0.0.1'/><host name='127.0.0.1'/></source>",
        "<source><name>states</name></source>", "<source><device path='/dev/none'/></source>",
    )  # fmt: skip
    for spec in specs:
        step(f"sources {spec}", lambda spec=spec: conn.findStoragePoolSources(KIND, spec, 0))
    step("sources 1", lambda: conn.findStoragePoolSources(KIND, None, 1))
    for kind in ("", "none", "DIR"):
        step(f"sources of {kind}", lambda kind=kind: conn.findStoragePoolSources(kind, None, 0))


def forget(conn: libvirt.virConnect) -> None:
    """Stops and undefines all pools: sessions before this one may have left theirs."""
    for pool in conn.listAllStoragePools():
        lasting = pool.isPersistent()
        if pool.isActive():
            pool.destroy()
        if lasting:
            pool.undefine()


def main() -> None:
    libvirt.registerErrorHandler(lambda *_: None, None)  # its words would be among ours
    conn = libvirt.open(URI)
    forget(conn)
    clean()
    absent(conn)
    pool = step("define", lambda: conn.storagePoolDefineXML(document(), 0))
    inactive(conn, pool)
    named(conn)
    vary("autostart", pool.setAutostart, (0, 1, 2, 1))
    step("autostart", pool.autostart)
    step("start, not built", lambda: pool.create(0))
    vary("build", pool.build, ALL_BUILDS)
    step("start", lambda: pool.create(0))
    active(conn, pool)
    named(conn)
    redefined(conn, pool)
    step("start", lambda: pool.create(0))
    searched(conn)
    gone(conn, pool)
    step("stop", lambda: pool.isActive() and pool.destroy())
    vary("delete", pool.delete, (1, 2, 4))
    step("autostart", pool.autostart)
    step("undefine", pool.undefine)
    forget(conn)
    step("build new", lambda: conn.storagePoolDefineXML(document(), 0).build(4))
    step("undefine", lambda: conn.storagePoolLookupByName("pool").undefine())
    transient(conn)
    pool = step("define", lambda: conn.storagePoolDefineXML(document(), 0))
    vary("delete", pool.delete, (0, 0))
    step("undefine", pool.undefine)


main()
