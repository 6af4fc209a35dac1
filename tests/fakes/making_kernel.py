# SPDX-License-Identifier: Apache-2.0
"""The kernel of a made-up ``/sys``, run as a program: what is asked for by files comes and goes.

Mediated devices (``create``, ``remove``) and virtual adapters of Fibre Channel (``vport_create``,
``vport_delete``) are made and ended, and told of as udevd does it.
"""

from __future__ import annotations

import os
import shutil
import socket
import struct
import time
from pathlib import Path

SYS = Path("/sys")
_PAUSE = 0.02


def tell(action: str, path: str, subsystem: str, **more: str) -> None:
    """Says what has happened to all who listen to udevd in this network namespace."""
    told = {"ACTION": action, "DEVPATH": path, "SUBSYSTEM": subsystem, "SEQNUM": "1", **more}
    body = "".join(f"{name}={value}\0" for name, value in told.items()).encode()
    head = struct.pack("=8s4s3I", b"libudev", b"\xfe\xed\xca\xfe", 40, 40, len(body))
    with socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, 15) as channel:
        channel.sendto(head + bytes(16) + body, (0, 2))


def taken(file: Path) -> str:
    """What was written to a file, once."""
    text = file.read_text().strip()
    if text:
        file.write_text("")
    return text


def path_of(place: Path) -> str:
    """A place as events have it."""
    return f"/{place.resolve().relative_to(SYS)}"


def make(place: Path, subsystem: str, uevent: str, kind: str = "bus", **files: str) -> None:
    """Makes a device, and lists it."""
    listed = SYS / kind / subsystem / ("devices" if kind == "bus" else "")
    for directory in (place, listed):
        directory.mkdir(parents=True, exist_ok=True)
    for name, text in {"uevent": uevent, **files}.items():
        (place / name).write_text(text)
    (place / "subsystem").symlink_to(os.path.relpath(SYS / kind / subsystem, place))
    (listed / place.name).symlink_to(os.path.relpath(place, listed))


def count(kind: Path, change: int) -> None:
    """How many more of a kind there can be."""
    left = kind / "available_instances"
    left.write_text(f"{int(left.read_text()) + change}\n")


def mediated() -> None:
    """Mediated devices that are asked for, or are to go."""
    for create in SYS.glob("class/mdev_bus/*/mdev_supported_types/*/create"):
        uuid, kind = taken(create), create.parent.resolve()
        if uuid:
            place = kind.parents[1] / uuid
            make(place, "mdev", "DRIVER=vfio_mdev\n", remove="")
            (place / "mdev_type").symlink_to(os.path.relpath(kind, place))
            group = SYS / "kernel/iommu_groups/42"
            (group / "devices").mkdir(parents=True, exist_ok=True)
            (place / "iommu_group").symlink_to(os.path.relpath(group, place))
            count(kind, -1)
            tell("add", path_of(place), "mdev")
    for remove in SYS.glob("bus/mdev/devices/*/remove"):
        if taken(remove):
            place = remove.parent.resolve()
            path = path_of(place)
            count((place / "mdev_type").resolve(), 1)
            remove.parent.unlink()
            shutil.rmtree(place)
            tell("remove", path, "mdev")


def adapters(made: int) -> int:
    """Adapters that are asked for, or are to go; how many were made so far."""
    for create in SYS.glob("class/fc_host/host*/vport_create"):
        wwpn, _, wwnn = taken(create).partition(":")
        if wwpn:
            made += 1
            host = create.resolve().parents[2] / f"vport-3:0-{made}" / f"host{50 + made}"
            names = {"node_name": f"0x{wwnn}\n", "port_name": f"0x{wwpn}\n", "fabric_name": "0x3\n"}
            make(host / "fc_host" / host.name, "fc_host", "", "class", **names)
            make(host, "scsi", "DEVTYPE=scsi_host\n")
            tell("add", path_of(host), "scsi", DEVTYPE="scsi_host")
    for delete in SYS.glob("class/fc_host/host*/vport_delete"):
        wwpn = taken(delete).partition(":")[0]
        for name in SYS.glob("class/fc_host/host*/port_name") if wwpn else ():
            if name.read_text().strip() == f"0x{wwpn}":
                host = name.resolve().parents[2]
                path = path_of(host)
                for listed in ("class/fc_host", "bus/scsi/devices"):
                    (SYS / listed / host.name).unlink()
                shutil.rmtree(host)
                tell("remove", path, "scsi", DEVTYPE="scsi_host")
    return made


def main() -> None:
    made = 0
    while True:
        mediated()
        made = adapters(made)
        time.sleep(_PAUSE)


if __name__ == "__main__":
    main()
