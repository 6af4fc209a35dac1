# SPDX-License-Identifier: Apache-2.0
"""Images of pools of kind rbd on a real Ceph: see ``rbd_steps.py``."""

from __future__ import annotations

import subprocess
import time
from collections.abc import Iterator
from functools import partial
from typing import Any

import libvirt
from device_steps import DEVICE, HOME, URI, step
from rbd_steps import HOST, MIB, PART, SECOND, clear, document, image, images, rbd, shown, vary


def volumes() -> Iterator[tuple[str, str]]:
    """Documents of images, odd ones among them."""
    for name in ("plain", "with blank", " blank", "blank ", ".hidden", "-dash", "--pool", "a&amp;b",
                 "ünder", "a@b", "a/b", "@", "a:b", "a,b", "a=b", "a\\b", "a'b", "a%b", "..", ".",
                 "*", "x" * 96, "x" * 200, "", " "):  # fmt: skip
        yield f"name {name}", image(name)
    for value in ("0", "1", "511", "513", "4194305", "-1", "x", "", "1.5", "18446744073709551615",
                  "18446744073709551616", "1125899906842624"):  # fmt: skip
        yield f"capacity {value}", image(sizes=f"<capacity>{value}</capacity>")
    yield "no capacity", image(sizes="")
    for value in ("0", "4096", "1048576", str(99 * MIB), "-1", "x"):
        sizes = f"<capacity>{8 * MIB}</capacity><allocation>{value}</allocation>"
        yield f"allocation {value}", image(sizes=sizes)
    for kind in ("raw", "qcow2", "luks", "odd", "none", "", "auto", "unknown", "ext4"):
        yield f"format {kind}", image(more=f"<target><format type='{kind}'/></target>")
    for below in ("<backingStore/>", "<backingStore><path>one/plain</path></backingStore>",
                  "<backingStore><path>x</path><format type='raw'/></backingStore>"):  # fmt: skip
        yield f"below {below}", image(more=below)
    modes = "<permissions><mode>0640</mode><owner>1</owner><group>2</group></permissions>"
    yield "modes", image(more=f"<target>{modes}</target>")
    yield "path", image(more="<target><path>/odd/place</path></target>")
    yield "key", image(more="<key>odd</key>")
    yield "encryption", image(more="<target><encryption format='luks'/></target>")
    yield "compat", image(more="<target><compat>1.1</compat></target>")
    yield "features", image(more="<target><features><lazy_refcounts/></features></target>")
    for kind in ("file", "block", "dir", "network", "netdir", "ploop", "odd"):
        yield f"type {kind}", image().replace("<volume>", f"<volume type='{kind}'>")
    for text in ("", "x", "<volume/>", "<pool/>", "<volume>", "<volume><name>v</name></volume>"):
        yield text, text


def made(conn: libvirt.virConnect) -> None:
    """Images of documents; what the cluster has of them."""
    pool = conn.storagePoolCreateXML(document(), 0)
    for name, text in volumes():
        volume = step(f"make {name}", lambda text=text: pool.createXML(text, 0))
        if volume is not None:
            step(f"{name}: told", lambda v=volume: [v.name(), v.key(), v.path(), shown(v)])
            if name.startswith(("name", "capacity")):
                step(f"{name}: images", images)
                pool.refresh()
                volume = pool.storageVolLookupByName(volume.name())
                step(f"{name}: resize", lambda v=volume: v.resize(16 * MIB))
            step(f"{name}: delete", volume.delete)
    step("images", images)
    for flags in (1, 2, 3, 8):
        step(f"make, {flags}", lambda flags=flags: pool.createXML(image(f"f{flags}"), flags))
    step("names", lambda: sorted(pool.listVolumes()))
    step("images", images)
    pool.destroy()


def content(name: str, pool: str = "one") -> Any:
    """Which MiB of an image are there, and how they begin."""
    words = ["rbd", "-c", DEVICE, "export", "--no-progress", f"{pool}/{name}", "-"]
    data = subprocess.run(words, capture_output=True, check=False).stdout
    return [[place // MIB, data[place : place + 4].decode("latin1")]
            for place in range(0, len(data), MIB) if any(data[place : place + MIB])]  # fmt: skip


def fill(name: str, pool: str = "one") -> None:
    words = ["rbd", "-c", DEVICE, "bench", "--io-type", "write", "--io-size", "1M", "--io-total",
             "4M", f"{pool}/{name}"]  # fmt: skip
    subprocess.run(words, capture_output=True, check=True)


def changed(conn: libvirt.virConnect) -> None:
    """Images are resized, wiped, copied and deleted."""
    pool = conn.storagePoolCreateXML(document(), 0)
    other = conn.storagePoolCreateXML(document("other", SECOND, source=f"{HOST}<name>two</name>"))
    files = f"<pool type='dir'><name>files</name><target><path>{HOME}</path></target></pool>"
    files = conn.storagePoolCreateXML(files)
    volume = step("make", lambda: pool.createXML(image()))
    step("make again", lambda: pool.createXML(image()))
    for way in (
        lambda: pool.storageVolLookupByName("v"),
        lambda: pool.storageVolLookupByName("w"),
        lambda: conn.storageVolLookupByKey("one/v"),
        lambda: conn.storageVolLookupByKey("v"),
        lambda: conn.storageVolLookupByPath("one/v"),
        lambda: conn.storageVolLookupByPath("v"),
        lambda: conn.storageVolLookupByPath("/one/v"),
        volume.storagePoolLookupByVolume,
    ):
        step("look up", way)
    vary("info", volume.infoFlags, (0, 1, 2))
    vary("xml", partial(shown, volume), (0, 1))
    # Without a manager the cluster has no room, of which libvirt takes what is made away.
    for size in (16 * MIB, 16 * MIB + 1, 8 * MIB, 0, 1 << 62, 1):
        for flags in (0, 2, 4, 6, 8):
            step(f"resize {size} {flags}", lambda s=size, f=flags: volume.resize(s, f))
        step("info", volume.info)
        step("images", images)
    step("resize", lambda: volume.resize(8 * MIB, 4))
    step("resize", lambda: volume.resize(8 * MIB))
    fill("v")
    step("content", partial(content, "v"))
    vary("wipe", volume.wipe, (1, 2))
    for algorithm in range(12):
        step(f"wipe {algorithm}", lambda a=algorithm: volume.wipePattern(a, 0))
        if algorithm in (0, 8, 9):
            step("content", partial(content, "v"))
            fill("v")
    step("upload", lambda: volume.upload(conn.newStream(), 0, 0))
    step("download", lambda: volume.download(conn.newStream(), 0, 0))
    step("upload, sparse", lambda: volume.upload(conn.newStream(), 0, 0, 1))
    copied(conn, pool, other, files, volume)
    deleted(pool)
    for each in (pool, other, files):
        each.destroy()
    clear()


def copied(
    conn: libvirt.virConnect, pool: libvirt.virStoragePool, other: libvirt.virStoragePool,
    files: libvirt.virStoragePool, volume: libvirt.virStorageVol,
) -> None:  # fmt: skip
    for flags in (1, 2, 8, 3):
        step(f"copy, {flags}", lambda flags=flags: pool.createXMLFrom(image("c"), volume, flags))
    for name, sizes in (
        ("same", f"<capacity>{8 * MIB}</capacity>"), ("less", f"<capacity>{MIB}</capacity>"),
        ("more", f"<capacity>{24 * MIB}</capacity>"), ("none", ""),
        ("zero", "<capacity>0</capacity>"),
        ("rest", f"<capacity>{8 * MIB}</capacity><allocation>0</allocation>"),
    ):  # fmt: skip
        copy = step(
            f"copy {name}", lambda n=name, s=sizes: pool.createXMLFrom(image(n, s), volume, 0)
        )
        if copy is not None:
            step("told", lambda c=copy: [c.key(), c.path(), c.info(), shown(c)])
            step("content", partial(content, name))
            step("images", images)
    step("copy again", lambda: pool.createXMLFrom(image("same"), volume, 0))
    fill("same")
    step(
        "copy of a copy",
        lambda: pool.createXMLFrom(image("third"), pool.storageVolLookupByName("same")),
    )
    step("images", images)
    qcow2 = image("q", more="<target><format type='qcow2'/></target>")
    step("copy as qcow2", lambda: pool.createXMLFrom(qcow2, volume, 0))
    step("copy of itself", lambda: pool.createXMLFrom(image("v"), volume, 0))
    for odd in ("a/b", "a@b", "-dash", "with blank", ""):
        step(f"copy {odd}", lambda odd=odd: pool.createXMLFrom(image(odd), volume, 0))
    step("images", images)
    step("to another", lambda: other.createXMLFrom(image("o"), volume, 0))
    step("images", partial(images, "two"))
    file = files.createXML(image("file"))
    step("from a file", lambda: pool.createXMLFrom(image("f"), file, 0))
    step("to a file", lambda: files.createXMLFrom(image("f"), volume, 0))
    step("files", lambda: sorted(files.listVolumes()))
    step("names", lambda: sorted(pool.listVolumes()))
    step("names", lambda: sorted(other.listVolumes()))
    step("images", images)
    file.delete()


def deleted(pool: libvirt.virStoragePool) -> None:
    """Images with copies, with snapshots, in use."""
    rbd("create", "--size", "4M", "one/snapped")
    rbd("snap", "create", "one/snapped@first")
    rbd("snap", "create", "one/snapped@second")
    rbd("snap", "protect", "one/snapped@second")
    pool.refresh()
    step("images", images)
    for name in ("snapped", "v"):
        for flags in (4, 8, 0, 1, 2, 3, 2):
            volume = step("look", lambda name=name: pool.storageVolLookupByName(name))
            if volume is not None:
                step(f"delete {name} {flags}", lambda v=volume, f=flags: v.delete(f))
                step("images", images)
    for name in sorted(pool.listVolumes()):
        volume = pool.storageVolLookupByName(name)
        step(f"delete {name}", volume.delete)
        step(f"delete {name} with snapshots", lambda v=volume: v.delete(2))
    step("images", images)
    clear()
    rbd("create", "--size", "400M", "one/used")
    pool.refresh()
    volume = pool.storageVolLookupByName("used")
    words = ["rbd", "-c", DEVICE, "bench", "--io-type", "write", "--io-total", "1T", "one/used"]
    with subprocess.Popen(words, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as user:
        while "watcher=" not in rbd("status", "one/used"):
            time.sleep(0.1)
        step("resize, used", lambda: volume.resize(401 * MIB))
        step("delete, used", volume.delete)
        step("names", lambda: sorted(pool.listVolumes()))
        user.kill()
    deadline = time.monotonic() + 60
    while "failed" in rbd("rm", "one/used") and time.monotonic() < deadline:
        time.sleep(0.5)


def main() -> None:
    libvirt.registerErrorHandler(lambda *_: None, None)
    conn = libvirt.open(URI)
    {"made": made, "changed": changed}[PART](conn)


main()
