# SPDX-License-Identifier: Apache-2.0
"""Volumes that LVM's own programs made, of each kind and with odd names: see ``device_steps.py``.

DEVICE and a second disk, which stands behind it, are the group's; behind them the part: ``seen``
leaves the group as it is for the next, ``changed`` removes it. What LVM makes up is not shown.
"""

from __future__ import annotations

import re
import subprocess
import sys

import libvirt
from device_steps import DEVICE, URI, empty, step

SECOND, PART = sys.argv[4:6]
GROUP = "kinds-a_b+c.d"
TARGET = f"/dev/{GROUP}"
POOL = (
    f"<pool type='logical'><name>lg</name><source>{{}}<name>{GROUP}</name></source>"
    f"<target><path>{TARGET}</path></target></pool>"
)
#: What is made, by the words of lvcreate(8) and lvconvert(8); ``G`` is the group.
MADE = (
    "lvcreate -an -Zn -L 8M -n asleep G",
    "lvcreate -L 8M -n plain G",
    "lvcreate -L 8M -i 2 -I 64k -n striped G",
    "lvcreate -L 8M --type raid1 -m 1 --nosync -n raid1 G",
    "lvcreate -L 8M --type mirror -m 1 --mirrorlog core --nosync -n mirror G",
    "lvcreate -L 8M --type mirror -m 1 --mirrorlog core --nosync -n mirror_of_mine G",
    "lvcreate -L 8M --type raid0 -i 2 -n raid0 G",
    "lvcreate -L 8M -n origin G",
    "lvcreate -L 4M -s -n snap G/origin",
    "lvcreate -L 4M -s -n second G/origin",
    "lvcreate -L 12M --type thin-pool -Zn -n thin-pool G",
    "lvcreate -V 40M --thinpool thin-pool -n thin G",
    "lvcreate -V 40M --thinpool thin-pool -n thin-2 G",
    "lvcreate -s -n thin-snapshot -kn -ay -K G/thin",
    "lvcreate -L 8M -n data G",
    "lvcreate -L 4M -s -n external G/data",
    "lvcreate -L 4M -n a-b_c+d.e G",
    "lvcreate -L 4M -n +plus G",
    "lvcreate -L 4M -n _low G",
    "lvcreate -L 4M -n .dot G",
    "lvcreate -L 4M -n 0 G",
    "lvcreate -L 4M -n a--b G",
    f"lvcreate -L 4M -n {'x' * 60} G",
    "lvcreate -L 4M -p r -Zn -n readonly G",
    "lvcreate -L 4M -ky -n skipped G",
    "lvcreate -L 4M -n two G",
    "lvextend -L 12M G/two {second}",
)


def lvm(words: str) -> None:
    """A program of LVM's, which must succeed."""
    argv = words.replace("{second}", SECOND).replace("G/", f"{GROUP}/").split()
    argv = [GROUP if word == "G" else word for word in argv]
    done = subprocess.run([argv[0], "-qq", "-y", *argv[1:]], capture_output=True, text=True)
    assert done.returncode == 0, (words, done.stderr)


def described(volume: libvirt.virStorageVol) -> str:
    """Its document, without what LVM has made up."""
    text = re.sub(r"<key>[^<]+<", "<key>K<", volume.XMLDesc(0))
    return text.replace(SECOND, "SECOND")


def known(pool: libvirt.virStoragePool) -> list[str]:
    """The volumes that both list: libvirt 9 leaves thin ones out."""
    return sorted(name for name in pool.listVolumes() if not name.startswith("thin"))


def look(pool: libvirt.virStoragePool) -> None:
    step("xml", lambda: pool.XMLDesc(0).replace(SECOND, "SECOND"))
    step("info", pool.info)
    for name in known(pool):
        volume = pool.storageVolLookupByName(name)
        step("volume", lambda volume=volume: described(volume))
        step("sizes", volume.info)


def looked_up(conn: libvirt.virConnect, pool: libvirt.virStoragePool) -> None:
    """By each way that there is."""
    for name in ("plain", "a-b_c+d.e", ".dot", "thin-pool", "raid1_rimage_0", "asleep"):
        step(f"name {name}", lambda name=name: pool.storageVolLookupByName(name))
        for path in (f"{TARGET}/{name}", f"{TARGET}//{name}"):
            step(f"path {path}", lambda path=path: conn.storageVolLookupByPath(path).name())
    step("mapped", lambda: conn.storageVolLookupByPath(f"/dev/mapper/{mapped('plain')}").name())
    key = pool.storageVolLookupByName("plain").key()
    step("key", lambda: conn.storageVolLookupByKey(key).name())
    step("no key", lambda: conn.storageVolLookupByKey("x"))


def mapped(name: str) -> str:
    """How device-mapper names it."""
    return f"{GROUP.replace('-', '--')}-{name.replace('-', '--')}"


def changed(pool: libvirt.virStoragePool) -> None:
    """Calls that change each kind."""
    names = known(pool)
    for name in names:
        volume = pool.storageVolLookupByName(name)
        step(f"resize {name}", lambda volume=volume: volume.resize(30 << 20))
        step(f"wipe {name}", lambda volume=volume: volume.wipe())
    for name in names:
        text = f"<volume><name>{name}</name><capacity>4194304</capacity></volume>"
        step(f"again {name}", lambda text=text: pool.createXML(text, 0))
    for name in ("thin-pool", "asleep", "raid1_rimage_0", "new_rimage_0", "snapshot1", "pvmove0"):
        text = f"<volume><name>{name}</name><capacity>4194304</capacity></volume>"
        step(f"make {name}", lambda text=text: pool.createXML(text, 0))
    laid = (
        "<volume><name>on</name><capacity>4194304</capacity><allocation>4194304</allocation>"
        f"<backingStore><path>{TARGET}/{{}}</path></backingStore></volume>"
    )
    for base in ("plain", "snap", "raid1", "mirror", "none"):
        step(f"on {base}", lambda base=base: pool.createXML(laid.format(base), 0))
        step(f"on {base} gone", lambda: "on" in pool.listVolumes() and drop(pool, "on"))


def drop(pool: libvirt.virStoragePool, name: str) -> object:
    return pool.storageVolLookupByName(name).delete(0)


def deleted(pool: libvirt.virStoragePool) -> None:
    names = ("snap", "origin", "raid1", "mirror", "striped", "readonly", "data",
             "a-b_c+d.e", "+plus", ".dot", "0")  # fmt: skip
    for name in names:
        step(f"delete {name}", lambda name=name: drop(pool, name))
    step("left", lambda: known(pool))


def changed_by_others(conn: libvirt.virConnect, pool: libvirt.virStoragePool) -> None:
    """LVM's own programs change what the pool has."""
    lvm("lvcreate -L 4M -n late G")
    step("not seen", lambda: pool.storageVolLookupByName("late"))
    step("make late", lambda: pool.createXML(
        "<volume><name>late</name><capacity>4194304</capacity></volume>", 0))  # fmt: skip
    step("late", lambda: pool.refresh(0) or "late" in pool.listVolumes())
    lvm("lvremove -f G/late")
    late = step("still", lambda: pool.storageVolLookupByName("late"))
    if late is not None:
        for name, call in (
            ("xml", lambda: bool(late.XMLDesc(0))), ("info", late.info), ("path", late.path),
            ("wipe", late.wipe), ("resize", lambda: late.resize(8 << 20)),
            ("delete", lambda: late.delete(0)), ("delete again", lambda: late.delete(0)),
        ):  # fmt: skip
            step(f"removed: {name}", call)
    lvm("lvchange -an G/plain")
    step("asleep: path", lambda: conn.storageVolLookupByPath(f"{TARGET}/plain").name())
    step("asleep: info", lambda: pool.storageVolLookupByName("plain").info())
    step("asleep: wipe", lambda: pool.storageVolLookupByName("plain").wipe())
    step("asleep: refresh", lambda: pool.refresh(0) or known(pool))
    lvm("lvrename G plain renamed")
    step("renamed", lambda: pool.refresh(0) or known(pool))


def parts(conn: libvirt.virConnect) -> None:
    """Documents that name some of the devices, or others."""
    for name, devices in (
        ("none", ""), ("first", f"<device path='{DEVICE}'/>"),
        ("second", f"<device path='{SECOND}'/>"),
        ("both", f"<device path='{SECOND}'/><device path='{DEVICE}'/>"),
        ("one of two", f"<device path='/dev/none'/><device path='{DEVICE}'/>"),
        ("other", "<device path='/dev/none'/>"),
    ):  # fmt: skip
        text = POOL.format(devices)
        pool = step(f"parts {name}", lambda text=text: conn.storagePoolCreateXML(text, 0))
        if pool is not None:
            step("xml", lambda pool=pool: pool.XMLDesc(0).replace(SECOND, "SECOND"))
            step("stop", pool.destroy)


def broken(conn: libvirt.virConnect) -> None:
    """A disk of the group is lost."""
    pool = step("define", lambda: conn.storagePoolDefineXML(POOL.format(""), 0))
    step("start", lambda: pool.create(0))
    lvm("vgchange -an G")
    step("stop, asleep", pool.destroy)
    empty(SECOND)
    subprocess.run(["udevadm", "settle"], check=False)
    step("start, in part", lambda: pool.create(0))
    step("names", lambda: known(pool))
    step("info", pool.info)
    step("refresh", lambda: pool.refresh(0))
    step("make", lambda: pool.createXML(
        "<volume><name>new</name><capacity>4194304</capacity></volume>", 0))  # fmt: skip
    step("delete volume", lambda: drop(pool, "renamed"))
    step("stop", lambda: pool.isActive() and pool.destroy())
    step("delete", lambda: pool.delete(0))
    subprocess.run(["vgchange", "-qq", "-an", GROUP], capture_output=True, check=False)
    empty(DEVICE)
    subprocess.run(["udevadm", "settle"], check=False)
    step("start, nothing", lambda: pool.create(0))
    step("delete, nothing", lambda: pool.delete(0))
    step("undefine", pool.undefine)


def removed(conn: libvirt.virConnect) -> None:
    """Somebody removes the group of an active pool."""
    both = f"<device path='{DEVICE}'/><device path='{SECOND}'/>"
    pool = step("again", lambda: conn.storagePoolCreateXML(POOL.format(both), 1))
    volume = step("volume", lambda: pool.createXML(
        "<volume><name>one</name><capacity>4194304</capacity></volume>", 0))  # fmt: skip
    lvm("vgremove -f G")
    for name, call in (
        ("info", pool.info), ("names", pool.listVolumes),
        ("make", lambda: pool.createXML(
            "<volume><name>new</name><capacity>4194304</capacity></volume>", 0)),
        ("delete volume", lambda: volume.delete(0)),
        ("names", pool.listVolumes), ("volume", volume.info), ("wipe", volume.wipe),
        ("refresh", lambda: pool.refresh(0)), ("active", pool.isActive),
        ("stop", pool.destroy), ("active", pool.isActive),
    ):  # fmt: skip
        step(f"removed: {name}", call)
    for device in (DEVICE, SECOND):
        subprocess.run(["pvremove", "-qqy", device], capture_output=True, check=False)


def make() -> None:
    """The group, unless it is there from a session that has only looked at it."""
    there = subprocess.run(["vgs", GROUP], capture_output=True, check=False)
    if there.returncode == 0:
        return
    for device in (DEVICE, SECOND):
        empty(device)
        subprocess.run(["pvcreate", "-qq", "-y", device], check=True)
    subprocess.run(["vgcreate", "-qq", GROUP, DEVICE, SECOND], check=True)
    for words in MADE:
        lvm(words)


def main() -> None:
    conn = libvirt.open(URI)
    make()
    pool = step("create", lambda: conn.storagePoolCreateXML(POOL.format(""), 0))
    if PART == "seen":
        text = conn.findStoragePoolSources("logical", None, 0)
        step("sources", lambda: text.replace(SECOND, "SECOND"))
        look(pool)
        looked_up(conn, pool)
        thin = sorted({*pool.listVolumes()} - {*known(pool)})
        step("stop", pool.destroy)
        step("thin", lambda: thin)
        return
    changed(pool)
    changed_by_others(conn, pool)
    deleted(pool)
    step("stop", pool.destroy)
    parts(conn)
    broken(conn)
    removed(conn)


main()
