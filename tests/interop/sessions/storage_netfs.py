# SPDX-License-Identifier: Apache-2.0
"""A session about pools of other hosts' file systems: see ``device_steps.py``.

DEVICE is what the server exports, DIR where it is mounted.
"""

from __future__ import annotations

import os
import subprocess

import libvirt
from device_steps import DEVICE, HOME, URI, step

BUILD = 1
OVERWRITE = 8
SPACE = "xmlns:fs='http://libvirt.org/schemas/storagepool/fs/1.0'"


def document(
    form: str, *, export: str = DEVICE, more: str = "", behind: str = "", name: str = "nf"
) -> str:
    """A pool of 127.0.0.1."""
    return (
        f"<pool type='netfs' {SPACE}><name>{name}</name><source><host name='127.0.0.1'/>"
        f"<dir path='{export}'/><format type='{form}'/>{more}</source>"
        f"<target><path>{HOME}/{name}</path></target>{behind}</pool>"
    )


def mounts() -> list[list[str]]:
    """What is mounted below, and how."""
    done = subprocess.run(
        ["findmnt", "-rno", "SOURCE,TARGET,OPTIONS"], capture_output=True, text=True, check=True
    )
    found = [line.split(" ") for line in done.stdout.splitlines() if f" {HOME}/" in line]
    wanted = ("nodev", "nosuid", "noexec", "soft", "vers=3")
    return [
        [source, target, *(option for option in options.split(",") if option in wanted)]
        for source, target, options in found
    ]


def life(pool: libvirt.virStoragePool) -> None:
    step("start, no directory", lambda: pool.create(0))
    step("build", lambda: pool.build(0))
    step("overwrite", lambda: pool.build(OVERWRITE))
    step("start", lambda: pool.create(0))
    step("mounted", mounts)
    step("xml", lambda: pool.XMLDesc(0))
    step("make", lambda: pool.createXML(volume("raw", "raw"), 0))
    step("make", lambda: pool.createXML(volume("qcow2", "qcow2"), 0))
    step("volumes", lambda: sorted(pool.listVolumes()))
    step("capacity", lambda: pool.storageVolLookupByName("raw").info()[1])
    step("refresh", lambda: pool.refresh(0))
    step("stop", pool.destroy)
    step("mounted", mounts)
    step("start", lambda: pool.create(0))
    step("volumes", lambda: sorted(pool.listVolumes()))
    for name in sorted(pool.listVolumes()):
        step("delete", lambda name=name: pool.storageVolLookupByName(name).delete(0))
    with open(f"{HOME}/nf/open", "w"):
        step("stop, in use", pool.destroy)
        step("active", pool.isActive)
    os.unlink(f"{HOME}/nf/open")
    step("stop", lambda: pool.isActive() and pool.destroy())
    step("delete", lambda: pool.delete(0))


def volume(name: str, form: str) -> str:
    return (
        f"<volume><name>{name}</name><capacity unit='MiB'>4</capacity>"
        f"<target><format type='{form}'/></target></volume>"
    )


def sources(conn: libvirt.virConnect) -> None:
    host = "<source><host name='127.0.0.1'/></source>"
    step("sources", lambda: conn.findStoragePoolSources("netfs", host, 0))
    step("no host", lambda: conn.findStoragePoolSources("netfs", None, 0))
    step("no host", lambda: conn.findStoragePoolSources("netfs", "<source/>", 0))
    step("no server", lambda: conn.findStoragePoolSources("netfs", host.replace("127", "192"), 0))


def main() -> None:
    conn = libvirt.open(URI)
    pool = step("define", lambda: conn.storagePoolDefineXML(document("nfs")))
    life(pool)
    step("conflict", lambda: conn.storagePoolDefineXML(document("auto", name="other")))
    step("undefine", pool.undefine)
    options = "<fs:mount_opts><fs:option name='soft'/></fs:mount_opts>"
    third = document("nfs", more="<protocol ver='3'/>", behind=options)
    pool = step("third", lambda: conn.storagePoolCreateXML(third, BUILD))
    step("third", lambda: pool.XMLDesc(0))
    step("mounted", mounts)
    step("stop", pool.destroy)
    pool = step("auto", lambda: conn.storagePoolCreateXML(document("auto"), BUILD))
    step("stop", pool.destroy)
    for version in ("3x", "", "4,exec"):
        bad = document("nfs", more=f"<protocol ver='{version}'/>")
        step(f"version {version}", lambda bad=bad: conn.storagePoolDefineXML(bad) and None)
    for form in ("nfs", "glusterfs", "cifs"):
        none = document(form, export="/none", name="none")
        step(f"none {form}", lambda none=none: conn.storagePoolCreateXML(none, BUILD))
    step("mounted", mounts)
    sources(conn)


main()
