# SPDX-License-Identifier: Apache-2.0
"""A tree like ``/sys``, of hardware that hardly a host has.

With sysfs replaced by it in a mount namespace, libvirt's driver reads it as ours does.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

UUID = "8a05ad83-3472-497d-8631-8142f31460e8"
Fields = list[tuple[str, bytes]]


def product_data(
    name: bytes, read: Fields, written: Fields | None = None, sum_off: int = 0
) -> bytes:
    """Vital product data with the right sum, or one that is off."""
    body = b"".join(key.encode() + bytes([len(value)]) + value for key, value in read)
    head = b"\x82" + len(name).to_bytes(2, "little") + name
    head += b"\x90" + (len(body) + 5).to_bytes(2, "little") + body + b"RV\x02"
    data = head + bytes([(sum_off - sum(head)) & 0xFF, 0])
    if written is not None:
        body = b"".join(key.encode() + bytes([len(value)]) + value for key, value in written)
        body += b"RW\x04\0\0\0\0"
        data += b"\x91" + len(body).to_bytes(2, "little") + body
    return data + b"\x78"


READ: Fields = [
    ("PN", b"MCX5"), ("EC", b"A2"), ("SN", b"MT123"), ("MN", b"1028"), ("V0", b"PCIe Gen3"),
    ("VA", b"vendor a"), ("Y0", b"n"), ("CP", b"\1\2\0\0"), ("LC", b"loc"), ("FG", b"fg"),
]  # fmt: skip
WRITTEN: Fields = [
    ("YA", b"tag 1"), ("V1", b"rw vendor"), ("Y1", b"sys 1"), ("YB", b"sys b"), ("SN", b"wrong"),
]  # fmt: skip
ODD: Fields = [
    ("EC", b"x'y"), ("MN", b'q"q'), ("V1", b"(){}[]!@#$%^*+/?;|~`"), ("Va", b"low"),
    ("V0", b"once"), ("V2", b"a\tb"), ("V3", b"x\xe9"), ("V4", b"nul\0\0"), ("V5", b"\0nul"),
    ("V6", b"-_,.:="), ("V0", b"twice"), ("V7", b"  sp  "),
    ("ZZ", b"unknown"), ("V_", b"x"), ("SN", b""),
]  # fmt: skip
_ONE: Fields = [("SN", b"1")]
_GOOD = product_data(b"n", _ONE)
#: Whole, odd, empty, broken and hostile data, a device each.
DATA = [
    product_data(b"ConnectX-5", READ, WRITTEN), product_data(b"sum", READ, WRITTEN, 1),
    product_data(b" odd ", ODD, []), product_data(b"", _ONE), product_data(b"na\1me", _ONE),
    product_data(b"x", READ, WRITTEN)[:-20], _GOOD[:-1], _GOOD[4:], b"", b"\x82\x03\0abc\x78",
    b"\x82\x01\0n\x90\x04\0SN\x011\x78", _GOOD[:-1] + b"\x91\x04\0V1\x01a\x78",
    _GOOD[:-1] + b"\x93\x01\0x\x78", product_data(b"n", [*_ONE, ("RV", b"zz"), ("PN", b"late")]),
    product_data(b"n", _ONE, [("YA", b"1"), ("YA", b"2"), ("PN", b"3"), ("Y9", b"z")]),
    product_data(b"n" * 300, [("SN", b"s" * 200)]) + bytes(300), b"\x90\xff\xff" + bytes(9),
]  # fmt: skip


class Tree:
    """The tree that is made."""

    def __init__(self, root: Path) -> None:
        self.root = root
        for name in ("bus", "class", "devices", "kernel/iommu_groups"):
            (root / name).mkdir(parents=True)

    def write(self, path: str, data: str | bytes) -> None:
        file = self.root / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(data.encode() if isinstance(data, str) else data)

    def link(self, path: str, target: str) -> None:
        link, place = self.root / path, self.root / target
        link.parent.mkdir(parents=True, exist_ok=True)
        place.mkdir(parents=True, exist_ok=True)
        link.symlink_to(os.path.relpath(place, link.parent))

    def device(self, path: str, subsystem: str, uevent: str = "", **files: Any) -> str:
        """Adds a device on a bus, or of a class; with its files, and its driver."""
        kind = files.pop("kind", "bus")
        place, name = f"devices/{path}", path.rpartition("/")[2]
        driver = files.pop("driver", None)
        self.write(f"{place}/uevent", uevent + (f"DRIVER={driver}\n" if driver else ""))
        self.link(f"{place}/subsystem", f"{kind}/{subsystem}")
        listed = f"bus/{subsystem}/devices" if kind == "bus" else f"class/{subsystem}"
        self.link(f"{listed}/{name}", place)
        if driver:
            self.link(f"{place}/driver", f"bus/{subsystem}/drivers/{driver}")
        for file, data in files.items():
            self.write(f"{place}/{file}", data)
        return place

    def pci(self, address: str, kind: str = "20000", **files: Any) -> str:
        said = {"vendor": "0x15b3\n", "device": "0x1017\n", "config": bytes(256), **files}
        event = f"PCI_CLASS={kind}\nPCI_ID=15B3:1017\nPCI_SLOT_NAME={address}\n"
        said["class"] = f"0x{int(kind, 16):06x}\n"
        return self.device(f"pci0000:00/{address}", "pci", event, **said)

    def kind_of_mdevs(self, place: str, name: str, api: str, left: int, title: str = "") -> None:
        """Adds a kind of mediated devices that a device can be divided into."""
        below = f"{place}/mdev_supported_types/{name}"
        self.write(f"{below}/device_api", f"{api}\n")
        self.write(f"{below}/available_instances", f"{left}\n")
        if title:
            self.write(f"{below}/name", f"{title}\n")


def cards(tree: Tree) -> None:
    """Cards with product data, one with virtual functions, a group, graphics that are divided."""
    for number, data in enumerate(DATA):
        tree.pci(f"0000:01:{number:02x}.0", vpd=data, numa_node="1\n")
    for name in ("0000:01:00.0", "0000:01:01.0"):
        tree.link(f"devices/pci0000:00/{name}/iommu_group", "kernel/iommu_groups/3")
        tree.link(f"kernel/iommu_groups/3/devices/{name}", f"devices/pci0000:00/{name}")
    real = tree.pci("0000:00:08.0", sriov_totalvfs="8\n", sriov_numvfs="2\n")
    for number in (0, 1):
        virtual = tree.pci(f"0000:00:08.{number + 1}")
        tree.link(f"{real}/virtfn{number}", virtual)
        tree.link(f"{virtual}/physfn", real)
    tree.device("pci0000:00/0000:00:08.2/vdpa1", "vdpa", driver="virtio_vdpa")
    graphics = tree.pci("0000:00:09.0", "30000")
    tree.kind_of_mdevs(graphics, "i915-4", "vfio-pci", 3, "GVT g")
    tree.kind_of_mdevs(graphics, "i915-8", "vfio-pci", 1)
    tree.link("class/mdev_bus/0000:00:09.0", graphics)
    for name, minor in (("card0", 0), ("renderD128", 128)):
        event = f"MAJOR=226\nMINOR={minor}\nDEVNAME=dri/{name}\nDEVTYPE=drm_minor\n"
        tree.device(f"pci0000:00/0000:00:09.0/drm/{name}", "drm", event, kind="class")
    mdev = tree.device(f"pci0000:00/0000:00:09.0/{UUID}", "mdev", driver="vfio_mdev")
    tree.link(f"{mdev}/mdev_type", f"{graphics}/mdev_supported_types/i915-4")
    tree.link(f"{mdev}/iommu_group", "kernel/iommu_groups/7")


def channels(tree: Tree) -> None:
    """Subchannels of each kind with a disk, and processors for cryptography."""
    for number, driver, device in (
        ("0.0.0052", "io_subchannel", "0.0.1f9a"), ("0.0.0053", "vfio_ccw", "0.0.1f9b"),
        ("0.0.0054", "io_subchannel", "none"), ("0.0.0055", "chsc_subchannel", "none"),
        ("fe.3.0056", "io_subchannel", "fe.3.abcd"),
    ):  # fmt: skip
        place = tree.device(f"css0/{number}", "css", driver=driver, dev_busid=f"{device}\n")
        if driver == "vfio_ccw":
            tree.kind_of_mdevs(place, "vfio_ccw-io", "vfio-ccw", 1, "I/O subchannel")
    tree.device("css0/0.0.0057", "css", driver="io_subchannel")
    tree.device("css0/0.0.0052/0.0.1f9a", "ccw", driver="dasd-eckd", online="1\n")
    tree.device("ap/card07", "ap", "DEVTYPE=ap_card\n", driver="cex5card")
    tree.device("ap/card07/07.0038", "ap", "DEVTYPE=ap_queue\n", driver="cex4queue")
    matrix = tree.device("vfio_ap/matrix", "matrix", driver="vfio_ap")
    tree.kind_of_mdevs(matrix, "vfio_ap-passthrough", "vfio-ap", 65536, "VFIO AP")


def fibres(tree: Tree) -> None:
    """An adapter of Fibre Channel, from which others can be made, and a disk behind a port."""
    host = "pci0000:00/0000:00:08.0/host3"
    tree.device(host, "scsi", "DEVTYPE=scsi_host\n")
    tree.device(f"{host}/scsi_host/host3", "scsi_host", kind="class", unique_id="5\n")
    names = {"node_name": "0x2000000000000001\n", "port_name": "0x1000000000000001\n"}
    more = {"fabric_name": "0x2001000000000001\n", "max_npiv_vports": "16\n", "vport_create": ""}
    tree.device(
        f"{host}/fc_host/host3", "fc_host", kind="class", **names, **more, npiv_vports_inuse="1\n"
    )
    port = f"{host}/rport-3:0-1"
    tree.device(f"{port}/target3:0:0", "scsi", "DEVTYPE=scsi_target\n")
    remote = {"kind": "class", "port_name": "0x5006016844602198\n"}
    tree.device(f"{port}/fc_remote_ports/rport-3:0-1", "fc_remote_ports", **remote)
    event = "DEVTYPE=scsi_device\n"
    tree.device(f"{port}/target3:0:0/3:0:0:1", "scsi", event, driver="sd", type="0\n")


def build(root: Path) -> None:
    """Makes all of it in an empty directory."""
    tree = Tree(root)
    cards(tree)
    channels(tree)
    fibres(tree)
