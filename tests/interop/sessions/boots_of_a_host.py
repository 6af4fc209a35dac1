# SPDX-License-Identifier: Apache-2.0
"""Guests that boot from a volume of LVM and from a unit of iSCSI: see ``device_steps.py``.

DEVICE is a disk for LVM; behind it stands the name of a target of 127.0.0.1.
"""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import libvirt
from device_steps import DEVICE, HOME, URI, empty, step

sys.path.insert(0, str(Path(__file__).parents[3]))
from tests.interop import bootable

TARGET = sys.argv[4]
LOGICAL = (
    f"<pool type='logical'><name>lg</name><source><device path='{DEVICE}'/><name>boots</name>"
    "</source></pool>"
)
ISCSI = (
    f"<pool type='iscsi'><name>is</name><source><host name='127.0.0.1'/><device path='{TARGET}'/>"
    "</source><target><path>/dev/disk/by-path</path></target></pool>"
)
DISK = (
    "<disk type='volume' device='disk'><driver name='qemu' type='raw'/>"
    "<source pool='{}' volume='{}'/><target dev='vda' bus='virtio'/></disk>"
)
BUILD = 1
#: Seconds for an emulated guest in an emulated one.
PATIENCE = 300


def guest(name: str, disk: str) -> str:
    """A guest that boots the disk, and tells on its serial port."""
    return f"""<domain type='qemu'><name>{name}</name><memory unit='MiB'>32</memory>
<os><type arch='x86_64' machine='pc'>hvm</type></os><devices>{disk}<memballoon model='none'/>
<serial type='file'><source path='{HOME}/{name}.log'/></serial></devices></domain>"""


def until(true: Callable[[], bool]) -> bool:
    deadline = time.monotonic() + PATIENCE
    while not true():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.2)
    return True


def filled(conn: libvirt.virConnect, volume: libvirt.virStorageVol, content: bytes) -> None:
    stream = conn.newStream()
    volume.upload(stream, 0, len(content))
    stream.sendAll(lambda _stream, count, data: data.read(count), _File(content))
    stream.finish()


class _File:
    """What ``sendAll`` reads."""

    def __init__(self, content: bytes) -> None:
        self._left = content

    def read(self, count: int) -> bytes:
        part, self._left = self._left[:count], self._left[count:]
        return part


def booted(
    conn: libvirt.virConnect, name: str, pool: libvirt.virStoragePool, volume: str
) -> libvirt.virDomain:
    """A guest of that name has booted the volume, which says the name."""
    filled(conn, pool.storageVolLookupByName(volume), bootable.disk(f"BOOTED-{name}"))
    domain: libvirt.virDomain = conn.createXML(guest(name, DISK.format(pool.name(), volume)), 0)
    log = Path(f"{HOME}/{name}.log")
    word = f"BOOTED-{name}"
    step(f"{name} booted", lambda: until(lambda: log.exists() and word in log.read_text()))
    step(
        "disk", lambda: [line for line in domain.XMLDesc(0).splitlines() if "<source pool" in line]
    )
    return domain


def main() -> None:
    conn = libvirt.open(URI)
    empty(DEVICE)
    logical = step("logical", lambda: conn.storagePoolCreateXML(LOGICAL, BUILD))
    text = "<volume><name>boot</name><capacity unit='MiB'>4</capacity></volume>"
    step("volume", lambda: logical.createXML(text, 0))
    domain = booted(conn, "lvm", logical, "boot")
    step("stop, in use", logical.destroy)
    step("delete, in use", lambda: logical.storageVolLookupByName("boot").delete(0))
    step("wipe, in use", lambda: logical.storageVolLookupByName("boot").wipe())
    step("active", logical.isActive)
    step("volumes", logical.listVolumes)
    step("still", domain.isActive)
    domain.destroy()
    step("stop", logical.destroy)
    iscsi = step("iscsi", lambda: conn.storagePoolCreateXML(ISCSI, 0))
    domain = booted(conn, "iscsi", iscsi, "unit:0:0:2")
    domain.destroy()
    step("stop", iscsi.destroy)
    subprocess.run(["vgremove", "-qqff", "boots"], check=True, stdout=subprocess.DEVNULL)
    subprocess.run(["pvremove", "-qqy", DEVICE], check=True)


main()
