# SPDX-License-Identifier: Apache-2.0
"""A session about pools on disks: see ``device_steps.py``."""

from __future__ import annotations

import subprocess
import sys

import libvirt
from device_steps import DEVICE, URI, empty, step

BUILD, BUILD_OVER = 1, 2
OVERWRITE, NO_OVERWRITE = 8, 4
KEY = "eeeeeeee-2222-3333-4444-555555555555"
SECRET = f"<secret><uuid>{KEY}</uuid><usage type='volume'><volume>y</volume></usage></secret>"
ENCRYPTED = (
    "<target><encryption format='{form}'>{more}<secret type='passphrase' uuid='" + KEY + "'/>"
    "</encryption></target>"
)


def document(name: str, form: str = "", *, device: str = DEVICE, more: str = "") -> str:
    """A pool on the device."""
    shown = f"<format type='{form}'/>" if form else ""
    source = f"<source><device path='{device}'{more}/>{shown}</source>"
    return f"<pool type='disk'><name>{name}</name>{source}<target><path>/dev</path></target></pool>"


def volume(name: str, size: int, form: str = "", more: str = "") -> str:
    """A partition of *size* MiB."""
    shown = f"<target><format type='{form}'/></target>" if form else ""
    return (
        f"<volume><name>{name}</name><capacity unit='MiB'>{size}</capacity>{shown}{more}</volume>"
    )


def part(number: int) -> str:
    """The name of a partition."""
    name = DEVICE.rpartition("/")[2]
    return f"{name}{'p' if name[-1].isdigit() else ''}{number}"


def drop(pool: libvirt.virStoragePool, number: int) -> None:
    """Deletes a partition; libvirt cannot where a ``p`` stands before the number."""
    try:
        pool.storageVolLookupByName(part(number)).delete(0)
    except libvirt.libvirtError:
        subprocess.run(
            ["parted", "-s", DEVICE, "rm", str(number)], check=False, capture_output=True
        )
        pool.refresh(0)


def look(pool: libvirt.virStoragePool) -> None:
    """All that there is to see."""
    step("xml", lambda: pool.XMLDesc(0))
    step("info", pool.info)
    for name in sorted(pool.listVolumes()):
        step("volume", lambda name=name: pool.storageVolLookupByName(name).XMLDesc(0))


def labelled(conn: libvirt.virConnect, form: str) -> None:
    """A table of one format, over that of another."""
    pool = step(f"define {form}", lambda: conn.storagePoolDefineXML(document("one", form)))
    step("keep", lambda: pool.build(NO_OVERWRITE))
    step("start, other label", lambda: pool.create(0))
    step("over", lambda: pool.build(OVERWRITE))
    step("keep again", lambda: pool.build(NO_OVERWRITE))
    step("start", lambda: pool.create(0))
    step("xml", lambda: pool.XMLDesc(0))
    step("stop", lambda: pool.destroy())
    step("delete zeroed", lambda: pool.delete(1))
    step("delete odd", lambda: pool.delete(4))
    step("delete", lambda: pool.delete(0))
    step("undefine", pool.undefine)


def building(conn: libvirt.virConnect) -> None:
    """What a build makes of the device, and what it leaves alone."""
    pool = step("define", lambda: conn.storagePoolDefineXML(document("one", "gpt")))
    step("start without label", lambda: pool.create(0))
    step("build, both", lambda: pool.build(OVERWRITE | NO_OVERWRITE))
    step("build, repair", lambda: pool.build(1))
    step("build, odd", lambda: pool.build(64))
    step("build", lambda: pool.build(0))
    step("build again", lambda: pool.build(0))
    step("build, keep", lambda: pool.build(NO_OVERWRITE))
    step("build, over", lambda: pool.build(OVERWRITE))
    step("undefine", pool.undefine)
    for form in ("dos", "bsd", "dvh", "mac", "pc98", "sun", "lvm2", ""):
        labelled(conn, form)
    gone = document("gone", "gpt", device="/dev/not-there")
    pool = step("define gone", lambda: conn.storagePoolDefineXML(gone))
    step("start gone", lambda: pool.create(0))
    step("build gone", lambda: pool.build(NO_OVERWRITE))
    step("build gone over", lambda: pool.build(OVERWRITE))
    step("undefine gone", pool.undefine)


def covered(conn: libvirt.virConnect) -> None:
    """A file system covers the device."""
    empty(DEVICE)
    subprocess.run(["mkfs.ext4", "-q", "-F", DEVICE], check=True)
    pool = step("define", lambda: conn.storagePoolDefineXML(document("one", "gpt")))
    step("keep", lambda: pool.build(NO_OVERWRITE))
    step("start", lambda: pool.create(0))
    step("over", lambda: pool.build(OVERWRITE))
    step("undefine", pool.undefine)


def partitions(conn: libvirt.virConnect, form: str) -> None:
    """Partitions come and go."""
    pool = step(f"define {form}", lambda: conn.storagePoolDefineXML(document("two", form)))
    step("create", lambda: pool.create(BUILD_OVER))
    look(pool)
    step("make any", lambda: pool.createXML(volume("any", 10), 0))
    drop(pool, 1)  # which libvirt has made before it looked at the name
    step("make 1", lambda: pool.createXML(volume(part(1), 10), 0))
    step("make 1 again", lambda: pool.createXML(volume(part(1), 10), 0))
    step("make 2 linux-swap", lambda: pool.createXML(volume(part(2), 20, "linux-swap"), 0))
    step("make odd format", lambda: pool.createXML(volume(part(3), 20, "qcow2"), 0))
    step("make without name", lambda: pool.createXML(volume("", 20), 0))
    step("make too large", lambda: pool.createXML(volume(part(3), 4000), 0))
    look(pool)
    step("make extended", lambda: pool.createXML(volume(part(3), 60, "extended"), 0))
    if form == "dos":
        step("make 2nd extended", lambda: pool.createXML(volume(part(4), 10, "extended"), 0))
        pool.refresh(0)  # libvirt has lost its sizes
    step("make 4", lambda: pool.createXML(volume(part(4), 8, "fat32"), 0))
    look(pool)
    step("make logical", lambda: pool.createXML(volume(part(5), 10, "linux"), 0))
    step("make logical 2", lambda: pool.createXML(volume(part(6), 15, "linux-lvm"), 0))
    look(pool)
    step("refresh", lambda: pool.refresh(0))
    look(pool)
    vol = pool.storageVolLookupByName(part(1))
    step("vol info", vol.info)
    step("vol path", vol.path)
    step("vol key", vol.key)
    step("by path", lambda: conn.storageVolLookupByPath(DEVICE + part(1)[len(DEVICE[5:]) :]))
    step("resize", lambda: vol.resize(20 << 20))
    step("wipe", lambda: vol.wipe(0))
    step("delete flags", lambda: vol.delete(2))
    step("delete zeroed", lambda: vol.delete(1))
    look(pool)
    drop(pool, 1)
    look(pool)
    step("in the gap", lambda: pool.createXML(volume(part(1), 5), 0))
    step(
        "clone",
        lambda: pool.createXMLFrom(volume(part(7), 20), pool.storageVolLookupByName(part(2)), 0),
    )
    look(pool)
    for number in (6, 5, 3):
        drop(pool, number)
    look(pool)
    step("stop", lambda: pool.destroy())
    step("delete", lambda: pool.delete(0))
    step("start", lambda: pool.create(0))
    step("conflict", lambda: conn.storagePoolDefineXML(document("other", form)))
    step("stop", lambda: pool.destroy())
    step("undefine", pool.undefine)


def encrypted(conn: libvirt.virConnect) -> None:
    """Partitions that are to be encrypted; secrets are kept there too."""
    pool = step("define", lambda: conn.storagePoolDefineXML(document("three", "gpt")))
    step("create", lambda: pool.create(BUILD_OVER))
    step("make plain", lambda: pool.createXML(volume(part(1), 8), 0))

    def make(name: str, form: str = "luks", number: int = 2, more: str = "") -> None:
        text = volume(part(number), 8, more=ENCRYPTED.format(form=form, more=more))
        made = step(name, lambda: pool.createXML(text, 0))
        if made is not None:
            step("made", lambda: made.XMLDesc(0))
            step("info", made.info)
            step("begins", lambda: begins(number))
        drop(pool, number)

    make("no secret")
    secret = conn.secretDefineXML(SECRET)
    make("no value")
    secret.setValue(b"secret")
    for form in ("qcow", "default", "none"):
        make(f"as {form}", form)
    make("as luks")
    make("with cipher", more="<cipher name='aes' size='256' mode='xts' hash='sha256'/>")
    text = volume(part(2), 8, more=ENCRYPTED.format(form="luks", more=""))
    origin = pool.storageVolLookupByName(part(1))
    step("clone", lambda: pool.createXMLFrom(text, origin, 0))  # by libvirt in the clear
    step("refresh", lambda: pool.refresh(0))
    look(pool)
    drop(pool, 2)
    drop(pool, 1)
    step("stop", lambda: pool.destroy())
    step("delete", lambda: pool.delete(0))
    step("undefine", pool.undefine)
    secret.undefine()


def begins(number: int) -> str:
    """The first bytes of a partition."""
    with open(DEVICE + part(number)[len(DEVICE[5:]) :], "rb") as file:
        return file.read(6).hex()


def main() -> None:
    conn = libvirt.open(URI)
    libvirt.registerErrorHandler(lambda *_: None, None)
    if sys.argv[4] in ("gpt", "dos"):
        partitions(conn, sys.argv[4])
    elif sys.argv[4] == "encrypted":
        encrypted(conn)
    else:
        building(conn)
        covered(conn)


main()
