# SPDX-License-Identifier: Apache-2.0
"""A session about limits and sizes of disks: ``/usr/bin/python3 block_tuning.py URI DIRECTORY``.

Each step prints a line of JSON: its name, what came of it or the code and domain of its error, the
events since the last one, and what both documents say of the disks.
"""

from __future__ import annotations

import json
import subprocess
import sys
import time
import xml.etree.ElementTree as ET
from collections.abc import Callable
from pathlib import Path
from typing import Any

import libvirt

GUEST = """<domain type='qemu'><name>tuned</name><memory unit='MiB'>64</memory><vcpu>1</vcpu>
<os><type arch='x86_64' machine='pc'>hvm</type></os><features><acpi/></features><devices>
<disk type='file' device='disk'><driver name='qemu' type='raw'/><source file='@0@'/>
<target dev='vda' bus='virtio'/></disk>
<disk type='file' device='disk'><driver name='qemu' type='qcow2'/><source file='@1@'/>
<target dev='sda' bus='usb'/><iotune><read_iops_sec>50</read_iops_sec>
<read_iops_sec_max>70</read_iops_sec_max><read_iops_sec_max_length>3</read_iops_sec_max_length>
<size_iops_sec>4096</size_iops_sec></iotune></disk>
<disk type='file' device='disk'><driver name='qemu' type='raw'/><source file='@2@'/>
<target dev='vdb' bus='virtio'/><readonly/></disk>
<disk type='file' device='cdrom'><target dev='hdc' bus='ide'/></disk></devices></domain>"""

LIVE, CONFIG = 1, 2

#: Disk, parameters, flags.
SETTINGS: list[tuple[str, dict[str, Any], int]] = [
    ("vda", {"total_bytes_sec": 100000}, LIVE),
    ("vda", {"read_bytes_sec": 5}, LIVE),
    ("vda", {"total_bytes_sec": 0, "read_bytes_sec": 5}, LIVE),
    ("vda", {"total_bytes_sec": 7, "read_bytes_sec": 5}, LIVE),
    ("vda", {"write_bytes_sec": 9}, LIVE),
    ("vda", {"total_iops_sec": 100, "total_iops_sec_max": 90}, LIVE),
    ("vda", {"total_iops_sec": 100, "total_iops_sec_max": 200}, LIVE),
    ("vda", {"total_iops_sec_max_length": 5}, LIVE),
    ("vda", {"read_iops_sec_max": 5}, LIVE),
    ("vda", {"total_iops_sec_max": 0}, LIVE),
    ("vda", {"total_iops_sec": 0}, LIVE),
    ("vda", {"write_iops_sec_max": 5}, LIVE),
    ("vda", {"write_bytes_sec_max_length": 5}, LIVE),
    ("vda", {"size_iops_sec": 8192}, LIVE),
    ("vda", {"group_name": "both"}, LIVE),
    ("vdb", {"group_name": "both"}, LIVE),
    ("vdb", {"write_bytes_sec": 11}, LIVE),
    ("vda", {"read_bytes_sec": 6}, LIVE),
    ("vdb", {"group_name": "other", "total_iops_sec": 3}, LIVE),
    ("vdb", {"group_name": ""}, LIVE),
    ("vda", {"total_bytes_sec": 1 << 60, "read_bytes_sec": 0, "write_bytes_sec": 0}, LIVE),
    ("vda", {"total_bytes_sec": 10**15 + 1, "read_bytes_sec": 0, "write_bytes_sec": 0}, LIVE),
    ("vda", {"total_bytes_sec": 10**15, "read_bytes_sec": 0, "write_bytes_sec": 0}, LIVE),
    ("vda", {"bogus": 1}, LIVE),
    ("vda", {"group_name": 5}, LIVE),
    ("vda", {"size_iops_sec": "x"}, LIVE),
    ("vda", {}, LIVE),
    ("none", {"size_iops_sec": 1}, LIVE),
    ("@0@", {"size_iops_sec": 1}, LIVE),
    ("hdc", {"total_bytes_sec": 1000}, LIVE),
    ("sda", {"size_iops_sec": 0}, LIVE),
    ("sda", {"read_iops_sec_max_length": 0}, LIVE),
    ("sda", {"read_iops_sec": 0}, LIVE),
    ("sda", {"read_iops_sec": 10, "read_iops_sec_max": 0}, LIVE),
    ("sda", {"read_bytes_sec": 1000, "read_bytes_sec_max": 10000,
             "read_bytes_sec_max_length": 10}, LIVE),
    ("sda", {"read_bytes_sec": 1000}, LIVE),
    ("sda", {"read_bytes_sec": 0, "read_bytes_sec_max": 0, "read_bytes_sec_max_length": 0}, LIVE),
    ("vda", {"total_bytes_sec": 100000}, CONFIG),
    ("vda", {"read_bytes_sec": 100000}, CONFIG),
    ("vda", {"total_bytes_sec_max_length": 3}, CONFIG),
    ("vda", {"total_bytes_sec": 0}, CONFIG),
    ("vda", {"write_iops_sec_max": 10}, CONFIG),
    ("vda", {"size_iops_sec": 512, "group_name": "cfg"}, CONFIG),
    ("vdb", {"group_name": "cfg"}, CONFIG),
    ("vdb", {"write_bytes_sec": 8}, CONFIG),
    ("hdc", {"total_bytes_sec": 1000}, CONFIG),
    ("none", {"total_bytes_sec": 1000}, CONFIG),
    ("vda", {"total_bytes_sec": 333}, LIVE | CONFIG),
    ("vda", {"total_iops_sec": 333}, 0),
    ("vda", {"write_iops_sec": 333, "total_iops_sec": 0}, LIVE | CONFIG),
    ("vda", {"total_iops_sec": 333}, 8),
]  # fmt: skip

#: Disk, size, flags; 1 is BYTES, 2 is CAPACITY.
SIZES: list[tuple[str, int, int]] = [
    ("vda", 2 << 20, 1), ("vda", 1 << 20, 1), ("vda", 3 << 10, 0), ("vda", 1 << 63, 0),
    ("vda", (2 << 20) + 100, 1), ("sda", 4 << 20, 1), ("sda", (5 << 20) + 100, 1),
    ("vdb", 2 << 20, 1), ("hdc", 1 << 20, 1), ("none", 1 << 20, 1), ("vda", 0, 1),
    ("vda", 0, 2), ("vda", 5, 2), ("sda", 0, 2), ("@0@", 4 << 20, 1), ("vda", 1 << 20, 4),
]  # fmt: skip


class Session:
    """The guest, and what is heard of it."""

    def __init__(self, conn: Any) -> None:
        self.conn = conn
        self.events: list[Any] = []
        for name in ("TUNABLE", "BLOCK_THRESHOLD"):
            number = getattr(libvirt, f"VIR_DOMAIN_EVENT_ID_{name}")
            conn.domainEventRegisterAny(
                None, number, lambda *args: self.events.append([args[-1], *args[2:-1]]), name
            )
        self.guest: Any = None

    def step(self, name: str, action: Callable[..., Any], *args: Any) -> None:
        """Takes a step and tells what came of it."""
        del self.events[:]
        try:
            answer = action(*args)
        except libvirt.libvirtError as error:
            answer = [error.get_error_code(), error.get_error_domain()]
        except (TypeError, OverflowError, LookupError) as error:
            answer = type(error).__name__
        # Only who sets something can be heard.
        end = time.monotonic() + (0.03 if name[0].isdigit() else 0)
        while time.monotonic() < end:
            libvirt.virEventRunDefaultImpl()
        documents = [self.disks(0), self.disks(libvirt.VIR_DOMAIN_XML_INACTIVE)]
        print(json.dumps([name, answer, self.events, documents]))

    def disks(self, flags: int) -> dict[str, dict[str, str]]:
        """What a document says of the disks' limits."""
        found = {}
        for disk in ET.fromstring(self.guest.XMLDesc(flags)).iter("disk"):
            target = disk.find("target")
            tune = disk.find("iotune")
            limits = {item.tag: str(item.text) for item in tune} if tune is not None else {}
            found[str(target.get("dev") if target is not None else "")] = limits
        return found


def main(uri: str, directory: str) -> int:
    """The session."""
    libvirt.virEventRegisterDefaultImpl()
    libvirt.virEventAddTimeout(10, lambda *_: None, None)
    libvirt.registerErrorHandler(lambda *_: None, None)
    images = [str(Path(directory) / f"tuned{number}") for number in range(3)]
    for image, kind in zip(images, ("raw", "qcow2", "raw"), strict=True):
        subprocess.run(["qemu-img", "create", "-q", "-f", kind, image, "1M"], check=True)
        Path(image).chmod(0o666)
    session = Session(libvirt.open(uri))
    document = GUEST
    for number, image in enumerate(images):
        document = document.replace(f"@{number}@", image)
    guest = session.guest = session.conn.defineXML(document)
    session.step("shut off", guest.setBlockIoTune, "vda", {"size_iops_sec": 1}, LIVE)
    session.step("shut off", guest.blockIoTune, "vda", LIVE)
    session.step("shut off", guest.blockResize, "vda", 1 << 20, 1)
    guest.createWithFlags(libvirt.VIR_DOMAIN_START_PAUSED)
    for disk in ("sda", "vda", "hdc", "none", None):
        session.step(f"limits {disk}", guest.blockIoTune, disk, 0)
    for number, (disk, params, flags) in enumerate(SETTINGS):
        disk = disk.replace("@0@", images[0])
        session.step(f"{number} {disk[-4:]} {params}", guest.setBlockIoTune, disk, params, flags)
        if number % 4 == 0:
            session.step(f"limits {number}", guest.blockIoTune, disk, flags & LIVE)
    for disk, flags in (("vda", LIVE), ("vda", CONFIG), ("vdb", CONFIG), ("hdc", CONFIG),
                        ("none", CONFIG), ("vda", LIVE | CONFIG), ("vda", 16)):  # fmt: skip
        session.step(f"limits {disk} {flags}", guest.blockIoTune, disk, flags)
    for disk, size, flags in SIZES:
        disk = disk.replace("@0@", images[0])
        session.step(f"size {disk[-4:]} {size}", guest.blockResize, disk, size, flags)
        session.step("sizes", lambda: [guest.blockInfo(disk)[0] for disk in ("vda", "sda", "vdb")])
    guest.destroy()
    guest.undefine()
    return 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
