# SPDX-License-Identifier: Apache-2.0
"""A session about volumes, by libvirt's binding: ``/usr/bin/python3 volumes.py URI DIR PART…``.

Each step prints a line of JSON: its name, and its value or the code and domain of its error.
The parts are the functions below; the directory is empty at first.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import struct
import subprocess
import sys
from collections.abc import Callable
from typing import Any

import libvirt

HOME = sys.argv[2]
MIB = 1 << 20
UUID = "11111111-2222-3333-4444-555555555555"
EMPTY = "11111111-2222-3333-4444-666666666666"
#: Formats that are refused by name, where libvirt has ``qemu-img`` make some of them.
READ = ("iso", "vpc", "vdi", "qcow", "qed", "vmdk")


def plain(value: Any) -> Any:
    """What JSON can hold, without what differs from run to run."""
    if isinstance(value, (libvirt.virStoragePool, libvirt.virStorageVol)):
        return [type(value).__name__, value.name()]
    if isinstance(value, str):
        text = value.replace(HOME, "HOME")
        text = re.sub(r"\s*<(permissions|timestamps)>.*?</\1>", "", text, flags=re.DOTALL)
        text = re.sub(r"(<(?:allocation|physical)[^>]*>)[1-9]\d*", r"\1N", text)
        return re.sub(r">\s+</encryption>", "/>", text)
    return value if isinstance(value, (int, list, type(None))) else type(value).__name__


#: What qemu-img says on a busy host now and then; libvirt gives up then, and we try again.
_NO_TIME = "Unable to get accurate CPU usage"


def attempt(action: Callable[[], Any], times: int = 20) -> Any:
    """What *action* gives, where qemu-img had no time to derive a key after some tries."""
    for _ in range(times):
        try:
            return action()
        except libvirt.libvirtError as error:
            if _NO_TIME not in str(error):
                raise
    return action()


def step(name: str, action: Callable[[], Any]) -> Any:
    """Prints what *action* gives: a value, or the error's code and domain."""
    result = None
    try:
        result = attempt(action)
        value = plain(result)
    except libvirt.libvirtError as error:
        value = {"error": [error.get_error_code(), error.get_error_domain()]}
    print(json.dumps([name, value]), flush=True)
    return result


def vol_xml(name: str, kind: str = "raw", *, capacity: int = 4 * MIB, more: str = "",
            target: str = "") -> str:  # fmt: skip
    return (
        f"<volume><name>{name}</name><capacity>{capacity}</capacity><allocation>0</allocation>"
        f"{more}<target><format type='{kind}'/>{target}</target></volume>"
    )


def made(pool: libvirt.virStoragePool, name: str, kind: str = "raw", **parts: Any) -> Any:
    """A new volume, described."""
    document = vol_xml(name, kind, **parts)
    volume = step(f"make {name}", lambda: pool.createXML(document))
    if volume is not None:
        step(f"{name} xml", volume.XMLDesc)
        step(f"{name} info", lambda: volume.info()[:2])
    return volume


def below(kind: str, path: str = f"{HOME}/base") -> str:
    return f"<backingStore><path>{path}</path><format type='{kind}'/></backingStore>"


def formats(pool: libvirt.virStoragePool) -> None:
    """What can be made at all, and of which parts."""
    for kind in ("none", "bochs", "cloop", "dmg", "fat", "vhd", "ploop", "cow", "auto", "luks"):
        made(pool, f"f-{kind}", kind)
    for name, kind, target in (
        ("nocow", "raw", "<nocow/>"), ("nocow-q", "qcow2", "<nocow/>"),
        ("lazy", "qcow2", "<features><lazy_refcounts/></features>"),
        ("ext", "qcow2", "<features><extended_l2/></features>"),
        ("ext-old", "qcow2", "<compat>0.10</compat><features><extended_l2/></features>"),
        ("lazy-old", "qcow2", "<compat>0.10</compat><features><lazy_refcounts/></features>"),
        ("bare", "qcow2", "<features/>"),
        ("raw-lazy", "raw", "<features><lazy_refcounts/></features>"),
        ("odd-cluster", "qcow2", "<clusterSize unit='B'>1000</clusterSize>"),
        ("raw-cluster", "raw", "<clusterSize unit='B'>65536</clusterSize>"),
        ("raw-compat", "raw", "<compat>1.1</compat>"),
    ):  # fmt: skip
        made(pool, name, kind, target=target)
    made(pool, "base")
    for kind in ("raw", "none", "dir", "iso", "vpc", "qcow2", "qed", "vmdk", "auto"):
        made(pool, f"over-{kind}", "qcow2", more=below(kind))
    made(pool, "over-json", "qcow2", more=below("raw", "json:{}"))
    made(pool, "over-nbd", "qcow2", more=below("raw", "nbd://192.0.2.1/x"))
    made(pool, "over-small", "qcow2", capacity=MIB, more=below("raw"))
    over = vol_xml("meta-over", "qcow2", more=below("raw"))
    step("metadata", lambda: pool.createXML(vol_xml("meta", "qcow2"), 1))
    step("metadata over", lambda: pool.createXML(over, 1))
    step("metadata raw", lambda: pool.createXML(vol_xml("meta-raw"), 1))
    copies(pool)


def copies(pool: libvirt.virStoragePool) -> None:
    """What is made of what, directories included."""
    base = pool.storageVolLookupByName("base")
    for name, kind, flags in (
        ("shared", "raw", 2),
        ("shared-q", "qcow2", 2),
        ("meta-q", "qcow2", 1),
    ):
        document = vol_xml(name, kind)
        step(f"copy {name}", lambda d=document, f=flags: pool.createXMLFrom(d, base, f))
    laid(pool)
    folder = made(pool, "folder", "dir")
    step("folder mode", lambda: oct(os.stat(f"{HOME}/folder").st_mode))
    step("folder resize", lambda: folder.resize(MIB))
    step("folder wipe", folder.wipe)
    step("folder copy", lambda: pool.createXMLFrom(vol_xml("folder-2", "dir"), folder))
    raw = step("folder as raw", lambda: pool.createXMLFrom(vol_xml("folder-3"), folder))
    step("folder as raw xml", raw.XMLDesc)
    step("folder as qcow2", lambda: pool.createXMLFrom(vol_xml("folder-4", "qcow2"), folder))
    with open(f"{HOME}/folder/file", "w") as file:
        file.write("x")
    step("delete full folder", folder.delete)
    os.unlink(f"{HOME}/folder/file")
    step("delete folder", folder.delete)
    step("refresh", pool.refresh)
    for name in sorted(pool.listVolumes()):
        if name != "folder-2":  # libvirt makes a file of it
            step(f"found {name}", lambda name=name: pool.storageVolLookupByName(name).XMLDesc())


def laid(pool: libvirt.virStoragePool) -> None:
    """Copies that are to be laid over something, and what a guest would see of them.

    Libvirt says that they are, until it looks again: they are not.
    """
    made(pool, "other")
    for name, pattern in (("base", "7 0 1M"), ("other", "9 0 3M")):
        path = f"{HOME}/{name}"
        subprocess.run(["qemu-io", "-f", "raw", "-c", f"write -q -P {pattern}", path], check=True)
    made(pool, "upper", "qcow2", more=below("raw"))
    words = ["qemu-io", "-f", "qcow2", "-c", "write -q -P 3 64k 64k", f"{HOME}/upper"]
    subprocess.run(words, check=True)
    for origin in ("base", "upper"):
        volume = pool.storageVolLookupByName(origin)
        for number, (kind, target, more) in enumerate((
            ("qcow2", "", below("raw")),
            ("qcow2", "", below("raw", f"{HOME}/other")),
            ("qcow2", "<compat>1.1</compat>", below("raw")),
            ("qcow2", "<compat>1.1</compat>", below("raw", f"{HOME}/other")),
            ("qcow2", "", below("raw", "/none")), ("raw", "", below("raw")),
        )):  # fmt: skip
            name = f"laid-{origin}-{number}"
            text = vol_xml(name, kind, target=target, more=more)
            laid = step(f"lay {name}", lambda t=text, v=volume: pool.createXMLFrom(t, v))
            if laid is None:
                continue
            step(f"{name} seen", lambda name=name: seen(pool.storageVolLookupByName(name)))
    step("shared, laid", lambda: pool.createXMLFrom(vol_xml("x"), volume, 3))


def seen(volume: libvirt.virStorageVol) -> str:
    """A digest of what a guest sees of a volume."""
    flat = f"{HOME}/../flat"
    subprocess.run(["qemu-img", "convert", "-O", "raw", volume.path(), flat], check=True)
    with open(flat, "rb") as file:
        return hashlib.sha256(file.read()).hexdigest()


def found(pool: libvirt.virStoragePool) -> None:
    """Files that others put there, sound and hostile ones; what is made of them."""
    for name in READ:
        image = name if name != "iso" else "raw"
        words = ["qemu-img", "create", "-q", "-f", {"vpc": "vpc"}.get(image, image)]
        subprocess.run([*words, f"{HOME}/{name}", "4M"], check=True)
    for name, head in heads().items():
        with open(f"{HOME}/{name}", "wb") as file:
            file.write(head.ljust(70000, b"\0"))
    over = ["qemu-img", "create", "-q", "-u", "-F", "raw", "-b"]
    for kind in ("qcow2", "qed"):
        subprocess.run([*over, "/etc/shadow", "-f", kind, f"{HOME}/thief-{kind}", "1M"], check=True)
    words = ["qemu-img", "create", "-q", "-f", "qcow2", "-o", f"data_file={HOME}/data"]
    subprocess.run([*words, f"{HOME}/outside", "1M"], check=True)
    with open(f"{HOME}/disc", "wb") as file:
        file.write((bytes(32769) + b"CD001").ljust(140 * 512, b"\0"))
    step("refresh", pool.refresh)
    disc = pool.storageVolLookupByName("disc")
    step("copy a CD", lambda: pool.createXMLFrom(vol_xml("disc-2", "iso", capacity=1), disc))
    step("all", lambda: sorted(pool.listVolumes()))
    for name in sorted(pool.listVolumes()):
        step(f"found {name}", lambda name=name: pool.storageVolLookupByName(name).XMLDesc())


def heads() -> dict[str, bytes]:
    """Beginnings of files, by the name of each."""
    vdi = bytearray(512)
    vdi[64:72], vdi[368:376] = struct.pack("<II", 0xBEDA107F, 0x10001), struct.pack("<Q", 3 * MIB)
    vmdk = struct.pack("<4sIIQ", b"KDMV", 1, 3, 4096)
    ploop = b"WithouFreSpacExt" + struct.pack("<IIIIIQ", 2, 0, 0, 0, 0, 2048)
    vpc = struct.pack(">8sIIQ", b"conectix", 2, 0x10000, 0)
    return {
        "h-vdi": bytes(vdi), "h-vdi-9": bytes(vdi[:68]) + b"\x09" + bytes(vdi[69:]),
        "h-vmdk": vmdk, "h-vmdk-9": vmdk.replace(b"\x01", b"\x09", 1),
        "h-ploop": ploop,
        "h-vpc": vpc.ljust(40, b"\0") + struct.pack(">Q", MIB),
        "h-qcow": struct.pack(">4sIQIIQ", b"QFI\xfb", 1, 0, 0, 0, 5 * MIB),
        "h-qed": b"QED\0".ljust(48, b"\0") + struct.pack("<Q", 5 * MIB),
        "h-aes": struct.pack(">4sIQIIQI", b"QFI\xfb", 2, 0, 0, 16, 5 * MIB, 1),
        "h-luks1": b"LUKS\xba\xbe\0\1".ljust(104, b"\0") + struct.pack(">I", 8),
        "h-luks2": b"LUKS\xba\xbe\0\2",
        "h-luks9": b"LUKS\xba\xbe\0\x09",
        "h-qcow2-9": struct.pack(">4sI", b"QFI\xfb", 9),
    }  # fmt: skip


def encrypted(pool: libvirt.virStoragePool) -> None:
    """What is made of ``<encryption>``; each image costs its seconds of key derivation."""
    secrets(pool.connect())
    key = f"<secret type='passphrase' uuid='{UUID}'/>"

    def luks(inner: str, kind: str = "luks") -> str:
        return f"<encryption format='{kind}'>{inner}</encryption>"

    for name, kind, inner in (
        ("no-secret", "raw", luks("")), ("no-secret-q", "qcow2", luks("")),
        ("two", "raw", luks(key * 2)), ("old", "qcow2", luks(key, "qcow")),
        ("default", "qcow2", luks(key, "default")), ("luks2", "raw", luks(key, "luks2")),
        ("bad", "raw", luks(key, "nosuch")), ("not-raw", "vmdk", luks(key)),
        ("no-value", "raw", luks(key.replace("555555555555", "666666666666"))),
        ("nobody", "raw", luks(key.replace("555555555555", "777777777777"))),
        ("part", "raw", luks(f"{key}<cipher name='aes'/>")),
        ("vector", "raw", luks(f"{key}<ivgen name='plain64'/>")),
        ("type", "raw", luks(key.replace("passphrase", "volume"))),
        ("nameless", "raw", luks("<secret type='passphrase'/>")),
        ("cipher", "raw", luks(f"{key}<cipher name='rot' size='13'/>")),
    ):  # fmt: skip
        made(pool, name, kind, target=inner)
    chain = f"{key}<cipher name='aes' size='128' mode='cbc' hash='sha256'/>"
    chain += "<ivgen name='essiv' hash='sha256'/>"
    by_usage = luks("<secret type='passphrase' usage='/v'/>")
    made(pool, "base")
    for volume in (
        made(pool, "raw", target=luks(chain)),
        made(pool, "q", "qcow2", more=below("raw"), target=by_usage),
    ):  # fmt: skip
        for given in ((8 * MIB, 0), (9 * MIB, 1), (6 * MIB, 4)):
            step(f"resize {volume.name()} {given}", lambda g=given, v=volume: v.resize(*g))
        step(f"{volume.name()} info", lambda v=volume: v.info()[:2])
    step(
        "plain copy",
        lambda: pool.createXMLFrom(vol_xml("plain"), pool.storageVolLookupByName("raw")),
    )
    step("refresh", pool.refresh)
    for name in sorted(pool.listVolumes()):
        step(f"found {name}", lambda name=name: pool.storageVolLookupByName(name).XMLDesc())
    raw = pool.storageVolLookupByName("raw")
    step("copy without", lambda: pool.createXMLFrom(vol_xml("copy"), raw))
    step("wipe", raw.wipe)
    step("wiped", lambda: raw.info()[:2])


def secrets(conn: libvirt.virConnect) -> None:
    """One with a value, one without."""
    for uuid, usage in ((UUID, "/v"), (EMPTY, "/e")):
        document = f"<secret ephemeral='yes' private='yes'><uuid>{uuid}</uuid>"
        document += f"<usage type='volume'><volume>{usage}</volume></usage></secret>"
        secret = conn.secretDefineXML(document)
        if uuid == UUID:
            secret.setValue(b"open sesame")


def main() -> None:
    """The session."""
    conn = libvirt.open(sys.argv[1])
    libvirt.registerErrorHandler(lambda *_: None, None)
    for part in sys.argv[3:]:
        document = (
            f"<pool type='dir'><name>{part}</name><target><path>{HOME}</path></target></pool>"
        )
        pool = conn.storagePoolCreateXML(document)
        globals()[part](pool)
        pool.destroy()


main()
