# SPDX-License-Identifier: Apache-2.0
"""A session about pools and volumes, by libvirt's binding: ``/usr/bin/python3 storage.py URI DIR``.

Each step prints a line of JSON: its name, and its value or the code and domain of its error.
The directory is empty at first; where it is, and times, are not shown.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import subprocess
import sys
import threading
from collections.abc import Callable
from typing import Any

import libvirt

FIRST = "11111111-2222-3333-4444-555555555555"
SECOND = "99999999-2222-3333-4444-555555555555"
HOME = sys.argv[2]
EVENTS: list[list[Any]] = []

MIB = 1 << 20


def plain(value: Any) -> Any:
    """What JSON can hold, without what differs from run to run."""
    if isinstance(value, (libvirt.virStoragePool, libvirt.virStorageVol)):
        return [type(value).__name__, value.name()]
    if isinstance(value, list):
        return [plain(each) for each in value]
    if isinstance(value, str):
        text = value.replace(HOME, "HOME")
        text = re.sub(r"<([acmb]time)>[\d.]+<", r"<\1>T<", text)
        text = re.sub(r"<uuid>(?!1111|9999)[^<]+<", "<uuid>U<", text)
        return re.sub(r"(<pool.*?)(<capacity.*?</available>)", sizes, text, flags=re.DOTALL)
    return value if isinstance(value, (int, type(None))) else type(value).__name__


def sizes(found: re.Match[str]) -> str:
    """The sizes of a file system that others use as well: whether there are any."""
    return found[1] + re.sub(r">[1-9]\d*<", ">N<", found[2])


def step(name: str, action: Callable[[], Any]) -> Any:
    """Prints what *action* gives: a value, or the error's code and domain."""
    result = None
    try:
        result = action()
        value = plain(result)
    except libvirt.libvirtError as error:
        value = {"error": [error.get_error_code(), error.get_error_domain()]}
    print(json.dumps([name, value]), flush=True)
    return result


def pool_xml(name: str | None, path: str | None, *, uuid: str | None = None, kind: str = "dir",
             more: str = "") -> str:  # fmt: skip
    named = "" if name is None else f"<name>{name}</name>"
    known = "" if uuid is None else f"<uuid>{uuid}</uuid>"
    place = "" if path is None else f"<target><path>{path}</path>{more}</target>"
    return f"<pool type='{kind}'>{named}{known}{place}</pool>"


def vol_xml(name: str, capacity: object = MIB, allocation: object = 0, kind: str | None = None,
            more: str = "", target: str = "") -> str:  # fmt: skip
    shape = "" if kind is None else f"<format type='{kind}'/>"
    size = "" if allocation is None else f"<allocation>{allocation}</allocation>"
    return (
        f"<volume><name>{name}</name><capacity>{capacity}</capacity>{size}{more}"
        f"<target>{shape}{target}</target></volume>"
    )


def kinds(conn: libvirt.virConnect) -> None:
    """Which kinds of pools there are; what of them can be started is up to who answers."""
    text = conn.getStoragePoolCapabilities()
    step("kinds", lambda: re.sub(r"supported='\w+'", "", text))
    step("kinds, flags", lambda: conn.getStoragePoolCapabilities(1))
    for kind in ("dir", "fs", "scsi", "odd"):
        step(f"sources {kind}", lambda kind=kind: conn.findStoragePoolSources(kind, None, 0))


def definitions(conn: libvirt.virConnect) -> None:
    """What documents are taken, and what is made of them."""
    define = conn.storagePoolDefineXML
    path = f"{HOME}/first"
    step("define", lambda: define(pool_xml("first", path, uuid=FIRST)))
    step("again", lambda: define(pool_xml("first", path, uuid=FIRST)))
    step("other name", lambda: define(pool_xml("other", path, uuid=FIRST)))
    step("other uuid", lambda: define(pool_xml("first", path, uuid=SECOND)))
    step("same path", lambda: define(pool_xml("second", path)))
    step("same path otherwise", lambda: define(pool_xml("second", f"{HOME}//first/")))
    step("no name", lambda: define(pool_xml(None, path)))
    step("no path", lambda: define(pool_xml("second", None)))
    step("kind", lambda: define(pool_xml("second", path, kind="floppy")))
    step("slash", lambda: define(pool_xml("a/b", f"{HOME}/ab")))
    mode = pool_xml("second", f"{HOME}/m", more="<permissions><mode>9</mode></permissions>")
    step("mode", lambda: define(mode))
    step("flag", lambda: define(pool_xml("first", path, uuid=FIRST), 16))
    step("no xml", lambda: define("pool"))
    step("another root", lambda: define("<domain/>"))


def lives(conn: libvirt.virConnect) -> None:
    """The life of one pool."""
    pool = conn.storagePoolLookupByName("first")
    states(conn, pool, "defined")
    for name in ("delete", "destroy", "refresh"):
        step(f"{name} undone", getattr(pool, name))
    step("start without", pool.create)
    step("build flag", lambda: pool.build(2))
    step("build", pool.build)
    step("mode of it", lambda: oct(os.stat(f"{HOME}/first").st_mode))
    step("start flag", lambda: pool.create(64))
    step("start", pool.create)
    states(conn, pool, "active")
    for name in ("create", "build", "delete", "undefine", "refresh"):
        step(f"{name} active", getattr(pool, name))
    step("autostart on", lambda: pool.setAutostart(1))
    step("autostart", pool.autostart)
    step("autostart off", lambda: pool.setAutostart(0))
    step("target path", lambda: conn.storagePoolLookupByTargetPath(f"{HOME}/first"))
    step("target path, slashes", lambda: conn.storagePoolLookupByTargetPath(f"/{HOME}//first/"))
    step("target path, more", lambda: conn.storagePoolLookupByTargetPath(f"//{HOME}//first"))
    step("no target path", lambda: conn.storagePoolLookupByTargetPath(f"{HOME}/none"))
    transient(conn)


def states(conn: libvirt.virConnect, pool: libvirt.virStoragePool, when: str) -> None:
    """All that a pool says of itself."""
    for action in (pool.isActive, pool.isPersistent, pool.autostart, pool.XMLDesc,
                   pool.numOfVolumes, pool.listVolumes, pool.listAllVolumes):  # fmt: skip
        step(f"{when} {action.__name__}", action)
    step(f"{when} inactive", lambda: pool.XMLDesc(1))
    step(f"{when} xml flag", lambda: pool.XMLDesc(2))
    step(f"{when} state", lambda: pool.info()[0])
    step(f"{when} sizes", lambda: [bool(size) for size in pool.info()[1:]])
    step(f"{when} numbers", lambda: [conn.numOfStoragePools(), conn.numOfDefinedStoragePools()])
    step(f"{when} names", lambda: [conn.listStoragePools(), conn.listDefinedStoragePools()])
    for bit in (0, *(1 << n for n in range(21))):
        step(f"{when} all {bit}", lambda bit=bit: conn.listAllStoragePools(bit))


def transient(conn: libvirt.virConnect) -> None:
    """A pool that is gone when it is stopped."""
    document = pool_xml("passing", f"{HOME}/passing", uuid=SECOND)
    step("create without", lambda: conn.storagePoolCreateXML(document))
    step("create both", lambda: conn.storagePoolCreateXML(document, 6))
    pool = step("create built", lambda: conn.storagePoolCreateXML(document, 1))
    step("create again", lambda: conn.storagePoolCreateXML(document))
    step("transient persistent", pool.isPersistent)
    step("transient autostart", lambda: pool.setAutostart(1))
    os.rmdir(f"{HOME}/passing")
    step("refresh without", pool.refresh)
    step("it is gone", pool.isActive)


def volumes(conn: libvirt.virConnect) -> None:
    """Volumes of the pool."""
    pool = conn.storagePoolLookupByName("first")
    base = f"{HOME}/first/thin"
    backing = f"<backingStore><path>{base}</path><format type='raw'/></backingStore>"
    million = vol_xml("units", 1, None, kind="qcow2").replace("capacity>1", "capacity unit='M'>1")
    made = {
        "raw": vol_xml("raw"),
        "thin": vol_xml("thin", 3 * MIB, kind="raw"),
        "full": vol_xml("full", MIB, None),
        "part": vol_xml("part", 4 * MIB, MIB),
        "units": million,
        "q": vol_xml("q", 10 * MIB, kind="qcow2"),
        "old": vol_xml("old", 10 * MIB, kind="qcow2", target="<compat>0.10</compat>"),
        "new": vol_xml("new", 10 * MIB, kind="qcow2",
                       target="<compat>1.1</compat><features><lazy_refcounts/></features>"),
        "cluster": vol_xml("cluster", 10 * MIB, kind="qcow2",
                           target="<clusterSize unit='KiB'>128</clusterSize>"),
        "over": vol_xml("over", 3 * MIB, kind="qcow2", more=backing),
        "mode": vol_xml("mode", target="<permissions><mode>0640</mode><owner>0</owner>"
                        "<group>6</group></permissions>"),
        "odd mode": vol_xml("odd-mode", target="<permissions><mode> 00007</mode><owner> 5</owner>"
                            "<group>4294967294</group></permissions><clusterSize>0</clusterSize>"),
        "sized by another": vol_xml("by-another", 0, kind="qcow2", more=backing),
        "of no size": "<volume><name>of-no-size</name><target><format type='qcow2'/></target>"
                      f"{backing}</volume>",
        "odd size": vol_xml("odd-size", 1025, kind="qcow2"),
        "space": vol_xml("two words, and a comma", kind="qcow2"),
    }  # fmt: skip
    for name, document in made.items():
        volume = step(f"make {name}", lambda document=document: pool.createXML(document))
        if volume is not None:
            describe(volume, name)
    refusals(pool, made["raw"])
    lookups(conn, pool)


def describe(volume: libvirt.virStorageVol, name: str) -> None:
    """All that a volume says of itself."""
    kind = volume.name() in ("raw", "thin", "full", "part", "mode")
    step(f"{name} xml", lambda: shown(volume.XMLDesc(), exact=kind))
    step(f"{name} path", volume.path)
    step(f"{name} key", volume.key)
    step(f"{name} info", lambda: volume.info()[: 3 if kind else 2])
    step(f"{name} physical", lambda: volume.infoFlags(1))
    step(f"{name} flag", lambda: volume.infoFlags(4))


def shown(text: str, *, exact: bool) -> str:
    """How many blocks the tables of an image occupy is a matter of moments."""
    return text if exact else re.sub(r"(<allocation[^>]*>)\d+", r"\1N", text)


def refusals(pool: libvirt.virStoragePool, raw: str) -> None:
    """Volumes that are not made."""
    below = f"<backingStore><path>{HOME}/first/thin</path></backingStore>"
    refused = {
        "again": raw,
        "slash": vol_xml("../escaped"),
        "dots": vol_xml(".."),
        "no capacity": "<volume><name>x</name></volume>",
        "negative": vol_xml("x", -5),
        "no number": vol_xml("x", "many"),
        "beyond": vol_xml("x", 1 << 62, None),
        "unknown": vol_xml("x", kind="floppy"),
        "bad mode": vol_xml("x", target="<permissions><mode>99</mode></permissions>"),
        "compat": vol_xml("x", kind="qcow2", target="<compat>7</compat>"),
        "no backing": vol_xml("x", kind="qcow2",
                              more="<backingStore><path>/nowhere/x</path></backingStore>"),
        "raw over": vol_xml("x", more=below),
        "too large": vol_xml("x", 1 << 63),
        "raw compat": vol_xml("x", target="<compat>2</compat>"),
        "encryption": vol_xml("x", kind="qcow2", target="<encryption/>"),
        "owner": vol_xml("x", target="<permissions><owner>root</owner></permissions>"),
        "group": vol_xml("x", target="<permissions><group>-2</group></permissions>"),
    }  # fmt: skip
    refused["long"] = vol_xml("x" * 256)
    for name, document in refused.items():
        step(f"refuse {name}", lambda document=document: pool.createXML(document))
    step("refuse flag", lambda: pool.createXML(vol_xml("x"), 64))
    step("refuse metadata", lambda: pool.createXML(vol_xml("x"), 1))
    step("left", lambda: sorted(os.listdir(f"{HOME}/first")))


def lookups(conn: libvirt.virConnect, pool: libvirt.virStoragePool) -> None:
    """Each way to a volume, files that others put there, and the end of them."""
    path = f"{HOME}/first/q"
    step("by path", lambda: conn.storageVolLookupByPath(path))
    for odd in ("/first//q", "//first/q", "/first/q/", "/first/./q", "/first/../first/q", "/first"):
        step(f"by path {odd}", lambda odd=odd: conn.storageVolLookupByPath(f"{HOME}{odd}"))
    step("by key", lambda: conn.storageVolLookupByKey(path))
    step("by name", lambda: pool.storageVolLookupByName("q"))
    for name in ("storageVolLookupByPath", "storageVolLookupByKey"):
        step(f"{name} none", lambda name=name: getattr(conn, name)("/nowhere"))
    step("by name none", lambda: pool.storageVolLookupByName("none"))
    step("pool of it", lambda: conn.storageVolLookupByPath(path).storagePoolLookupByVolume())
    foreign(pool)
    sizes_of(pool)
    volume = pool.storageVolLookupByName("q")
    step("delete flag", lambda: volume.delete(16))
    step("delete zeroed", lambda: volume.delete(1))
    step("delete", volume.delete)
    step("delete again", volume.delete)
    step("gone", volume.info)
    step("there", lambda: sorted(pool.listVolumes()))


def foreign(pool: libvirt.virStoragePool) -> None:
    """Files that somebody else put there."""
    place = f"{HOME}/first"
    os.mkdir(f"{place}/sub")
    os.mkfifo(f"{place}/fifo")
    os.symlink("/nowhere", f"{place}/dangling")
    os.symlink("thin", f"{place}/link")
    disc = bytes(32769) + b"CD001" + bytes(2000)
    for name, content in (("empty", b""), (".hidden", b"h"), ("iso", disc),
                          ("short", b"QFI\xfb"), ("junk", b"QFI\xfb" + b"\xff" * 200)):  # fmt: skip
        with open(f"{place}/{name}", "wb") as file:
            file.write(content)
    image = ["qemu-img", "create", "-q", "-f", "qcow2", "-u", "-F", "raw", "-b"]
    subprocess.run([*image, "/etc/shadow", f"{place}/thief", "1M"], check=True)
    subprocess.run([*image, "thin", f"{place}/beside", "1M"], check=True)
    subprocess.run([*image, "loop", f"{place}/loop", "1M"], check=True)
    step("refresh flag", lambda: pool.refresh(1))
    step("refresh", pool.refresh)
    step("all", lambda: sorted(pool.listVolumes()))
    for name in ("sub", "link", "empty", ".hidden", "iso", "beside", "loop", "thief"):
        volume = step(f"look {name}", lambda name=name: pool.storageVolLookupByName(name))
        if volume is not None:
            describe(volume, f"foreign {name}")


def sizes_of(pool: libvirt.virStoragePool) -> None:
    """Larger and smaller, of both formats."""
    for name in ("raw", "q", "over", "two words, and a comma"):
        volume = pool.storageVolLookupByName(name)
        larger = ((20 * MIB, 0), (MIB, 0), (MIB, 2), (1 << 60, 0), (16 * MIB, 1), (1, 64))
        odd = ((1000, 2), (1001, 6), (0, 5), ((1 << 63) - 1, 2), (1 << 62, 7))
        for capacity, flags in (*larger, (15 * MIB, 4), (MIB, 6), *odd, (0, 4)):
            given = (capacity, flags)
            step(f"resize {name} {given}", lambda given=given, vol=volume: vol.resize(*given))
            step(f"resized {name} {given}", lambda vol=volume: vol.info()[:2])
    gone = pool.createXML(vol_xml("gone"))
    os.unlink(gone.path())
    for action in (gone.info, gone.XMLDesc, gone.wipe, gone.delete):
        step(f"gone {action.__name__}", action)
    step("resize a directory", lambda: pool.storageVolLookupByName("sub").resize(MIB))
    clones(pool)


def clones(pool: libvirt.virStoragePool) -> None:
    """Volumes made from others; what is in them, by its first bytes and its length."""
    with open(f"{HOME}/first/raw", "r+b") as file:
        file.write(b"content" * 1000)
    for name in ("raw", "q", "over"):
        for kind in ("raw", "qcow2"):
            origin, new = pool.storageVolLookupByName(name), f"{name}-as-{kind}"
            made = step(
                f"clone {new}",
                lambda origin=origin, new=new, kind=kind: pool.createXMLFrom(
                    vol_xml(new, 1, 0, kind), origin
                ),
            )
            if made is not None:
                step(f"capacity {new}", lambda made=made: made.info()[:2])
                words = ["qemu-img", "convert", "-O", "raw", made.path(), f"{HOME}/content"]
                subprocess.run(words, check=True)
                with open(f"{HOME}/content", "rb") as content:
                    step(f"content {new}", lambda content=content: hash_of(content.read()))
                os.unlink(f"{HOME}/content")
    raw = pool.storageVolLookupByName("raw")
    larger = step("clone larger", lambda: pool.createXMLFrom(vol_xml("larger", 32 * MIB), raw))
    step("larger", lambda: larger.info()[:2])
    step("clone over itself", lambda: pool.createXMLFrom(vol_xml("raw"), raw))
    step("clone flags", lambda: pool.createXMLFrom(vol_xml("flags"), raw, 64))
    step("clone metadata", lambda: pool.createXMLFrom(vol_xml("flags"), raw, 1))
    step("clone floppy", lambda: pool.createXMLFrom(vol_xml("x", kind="floppy"), raw))
    step("clone escaped", lambda: pool.createXMLFrom(vol_xml("../x"), raw))
    wipes(pool)


def hash_of(data: bytes) -> list[object]:
    return [len(data), hashlib.sha256(data).hexdigest()]


def wipes(pool: libvirt.virStoragePool) -> None:
    """What is overwritten."""
    for name in ("raw", "raw-as-qcow2"):
        volume = pool.storageVolLookupByName(name)
        step(f"wipe {name}", volume.wipe)
        with open(volume.path(), "rb") as file:
            data = file.read()
        step(f"wiped {name}", lambda data=data: [len(data) > MIB, data.count(0) == len(data)])
        step(f"wiped {name} is", lambda volume=volume: volume.XMLDesc().count("type='raw'"))
        step(f"wipe {name} flags", lambda volume=volume: volume.wipe(1))
    step("wipe by nothing", lambda: volume.wipePattern(99))
    step("wipe by trim", lambda: volume.wipePattern(9))
    step("wipe a directory", lambda: pool.storageVolLookupByName("sub").wipe())


def end(conn: libvirt.virConnect) -> None:
    """Pools go; what is in them stays."""
    pool = conn.storagePoolLookupByName("first")
    step("stop", pool.destroy)
    step("delete full", pool.delete)
    for name in os.listdir(f"{HOME}/first"):
        path = f"{HOME}/first/{name}"
        (os.rmdir if os.path.isdir(path) and not os.path.islink(path) else os.unlink)(path)
    step("delete it", pool.delete)
    step("undefine", pool.undefine)
    for action in (pool.undefine, pool.isActive, pool.XMLDesc, pool.create, pool.destroy):
        step(f"gone {action.__name__}", action)


def listen(conn: libvirt.virConnect) -> threading.Event:
    """Notes what happens to pools; set once the first pool was forgotten."""
    over = threading.Event()

    def lived(_conn: Any, pool: Any, event: int, detail: int, _: Any) -> None:
        EVENTS.append([pool.name(), event, detail])
        if pool.name() == "first" and event == libvirt.VIR_STORAGE_POOL_EVENT_UNDEFINED:
            over.set()

    def refreshed(_conn: Any, pool: Any, _: Any) -> None:
        EVENTS.append([pool.name(), "refreshed"])

    conn.storagePoolEventRegisterAny(None, 0, lived, None)
    conn.storagePoolEventRegisterAny(None, 1, refreshed, None)
    return over


def turn() -> None:
    while True:
        libvirt.virEventRunDefaultImpl()


def main() -> None:
    """The session."""
    libvirt.virEventRegisterDefaultImpl()
    threading.Thread(target=turn, daemon=True).start()
    conn = libvirt.open(sys.argv[1])
    libvirt.registerErrorHandler(lambda *_: None, None)
    over = listen(conn)
    kinds(conn)
    definitions(conn)
    lives(conn)
    volumes(conn)
    end(conn)
    over.wait(10)
    print(json.dumps(["events", EVENTS]))


main()
