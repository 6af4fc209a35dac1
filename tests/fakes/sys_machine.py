# SPDX-License-Identifier: Apache-2.0
"""Firmware, disks, USB devices and links of a made-up machine, as the kernel and udev have it."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from tests.fakes.sys_hardware import Tree

#: What udev has beside the kernel of a disk: its name → properties.
DISKS: Mapping[str, Mapping[str, str]] = {
    "sda": {"ID_TYPE": "disk", "ID_BUS": "scsi", "ID_SERIAL": "36001405-a_b c/d"},
    "sdb": {"ID_TYPE": "disk", "ID_BUS": "usb", "ID_SERIAL": "Stick_1-0:0", "ID_FS_LABEL": "PART"},
    "sdc": {"ID_TYPE": "disk", "ID_BUS": "usb"},
    "sdd": {"ID_TYPE": "generic", "ID_DRIVE_FLASH_SD": "1", "ID_SERIAL": "0x1", "ID_FS_LABEL": "P"},
    "sde": {"ID_TYPE": "generic", "ID_SERIAL": "generic"},
    "sdf": {"ID_TYPE": "floppy", "ID_BUS": "usb", "ID_FS_LABEL": "DOS"},
    "sdg": {"ID_TYPE": "optical", "ID_BUS": "usb"},
    "sdh": {"ID_TYPE": "tape"},
    "sdi": {"ID_SERIAL": "untyped"},
    "sdj": {"ID_TYPE": "disk", "ID_SERIAL": ""},
    "sr0": {"ID_TYPE": "cd", "ID_CDROM": "1", "ID_CDROM_MEDIA": "1", "ID_FS_LABEL": "Debian 12"},
    "sr1": {"ID_TYPE": "cd", "ID_CDROM": "1", "ID_BUS": "ata"},
    "sr2": {"ID_CDROM": "1", "ID_CDROM_MEDIA": "1"},
    "sr3": {"ID_TYPE": "cd", "ID_CDROM_MEDIA": "0"},
    "sr4": {"ID_TYPE": "cd", "ID_CDROM_MEDIA": "1", "ID_CDROM_MEDIA_DVD": "1"},
    "fd0": {"ID_DRIVE_FLOPPY": "1"},
    "fd1": {"ID_DRIVE_FLOPPY": "1", "ID_FS_LABEL": "LABEL"},
    "mmcblk0": {"ID_DRIVE_FLASH_SD": "1", "ID_NAME": "SD", "ID_SERIAL": "0xabc"},
    "mmcblk1": {"ID_DRIVE_FLASH_SD": "1"},
    "nvme0n1": {"ID_SERIAL": "Maker_S1", "ID_MODEL": "m", "ID_WWN": "eui.1"},
    "vda": {}, "vdb": {"ID_SERIAL": "of-virtio"}, "pmem0": {}, "md127": {}, "nbd0": {},
    "md0": {"ID_TYPE": "raid"}, "loop0": {}, "dm-0": {"DM_NAME": "lv"},
    "dasda": {"ID_TYPE": "disk", "ID_BUS": "ccw"},
    "sdk": {"ID_DRIVE_FLOPPY": "0", "ID_CDROM": "0"}, "sdl": {"ID_TYPE": "disk", "ID_CDROM": "1"},
    "sdm": {"ID_TYPE": "generic", "ID_CDROM": "1"}, "sdn": {"ID_CDROM": "x", "ID_TYPE": "generic"},
}  # fmt: skip
#: Disks that are removable; with how many sectors.
REMOVABLE = {
    "sdb": 2048, "sdc": 0, "sdd": 4096, "sdf": 2880, "sr0": 1000, "sr1": 0, "sr2": 16, "sr3": 0,
    "sr4": 8, "fd0": 0, "fd1": 2880, "mmcblk1": 0,
}  # fmt: skip
#: Others whose size is odd.
SIZES = {"sde": 0, "sdj": 0, "loop0": 0, "mmcblk0": 4096}


class Machine(Tree):
    """A tree, and udev's data beside it."""

    def __init__(self, root: Path, udev: Path) -> None:
        super().__init__(root)
        self.udev = udev

    def known(self, key: str, properties: Mapping[str, str], links: tuple[str, ...] = ()) -> None:
        """What udev keeps of a device."""
        lines = [f"S:{link}" for link in links] + ["I:1"]
        lines += [f"E:{name}={value}" for name, value in properties.items()]
        self.udev.mkdir(parents=True, exist_ok=True)
        (self.udev / key).write_text("\n".join([*lines, "V:1", ""]))

    def disk(self, above: str, name: str, minor: int, **files: Any) -> None:
        """Adds a disk."""
        event = f"MAJOR=8\nMINOR={minor}\nDEVNAME={name}\nDEVTYPE=disk\n"
        place = self.device(f"{above}/{name}", "block", event, kind="class")
        said = {"size": "8192\n", "removable": "0\n", "queue/logical_block_size": "512\n", **files}
        for file, data in said.items():
            self.write(f"{place}/{file}", data)
        links = (f"disk/by-path/{name}", f"disk/by-id/{name}")
        self.known(f"b8:{minor}", DISKS.get(name, {}), links)


def firmware(tree: Machine) -> None:
    """What the firmware tells of the host."""
    words = {
        "product_name": "Model <1> & 'co'\n", "sys_vendor": " A Maker, Inc. \n",
        "product_version": "\n",
        "product_serial": "S/N 1\n", "product_uuid": "4C4C4544-0043-3510-8057-B1C04F4A4E31\n",
        "bios_vendor": "B\n", "bios_version": "1.2\n", "bios_date": "04/01/2014\n",
    }  # fmt: skip
    tree.device("virtual/dmi/id", "dmi", kind="class", **words)


def disks(tree: Machine) -> None:
    """Disks of each kind."""
    words = {"device/vendor": "VENDOR  \n", "device/model": " A model \n"}
    for minor, name in enumerate(DISKS):
        files: dict[str, str] = dict(words) if minor % 3 else {}
        if name in REMOVABLE:
            files |= {"removable": "1\n", "size": f"{REMOVABLE[name]}\n"}
        elif name in SIZES:
            files["size"] = f"{SIZES[name]}\n"
        tree.disk("virtual/block", name, minor, **files)
    event = "MAJOR=8\nMINOR=99\nDEVNAME=sda1\nDEVTYPE=partition\n"
    tree.device("virtual/block/sda/sda1", "block", event, kind="class")


def units(tree: Machine) -> None:
    """SCSI units of each type, and what leads to them."""
    host = "pci0000:00/host2"
    tree.device(host, "scsi", "DEVTYPE=scsi_host\n")
    for number, kind in enumerate([*map(str, range(16)), "31", "127", None]):
        target = f"{host}/target2:0:{number}"
        tree.device(target, "scsi", "DEVTYPE=scsi_target\n")
        files = {"type": f"{kind}\n"} if kind is not None else {}
        unit = tree.device(f"{target}/2:0:{number}:0", "scsi", "DEVTYPE=scsi_device\n", **files)
        event = f"MAJOR=21\nMINOR={number}\nDEVNAME=sg{number}\n"
        generic = f"{unit.removeprefix('devices/')}/scsi_generic/sg{number}"
        tree.device(generic, "scsi_generic", event, kind="class")
    tree.device(f"{host}/odd", "scsi", "DEVTYPE=scsi_device\n", type="0\n")
    tree.device(f"{host}/hostx", "scsi", "DEVTYPE=scsi_host\n")
    tree.device("pci0000:00/host07", "scsi", "DEVTYPE=scsi_host\n")
    names = {"node_name": "0x2000\n", "port_name": "0X10\n"}
    ports = {"max_npiv_vports": "4\n", "npiv_vports_inuse": "0\n"}
    for number, group, files in (
        (11, "fc_host", {**ports, "vport_create": ""}),
        (13, "scsi_host", {"vport_create": ""}),
    ):  # fmt: skip
        host = f"pci0000:00/host{number}"
        tree.device(host, "scsi", "DEVTYPE=scsi_host\n")
        tree.device(f"{host}/{group}/host{number}", group, kind="class", **names, **files)
        if group == "scsi_host":
            tree.device(f"{host}/fc_host/host{number}", "fc_host", kind="class", **names, **ports)
    tree.device("pci0000:00/host9", "scsi", "DEVTYPE=scsi_host\n")
    tree.device("pci0000:00/host9/scsi_host/host9", "scsi_host", kind="class", unique_id="-1\n")
    tree.device("pci0000:00/host9/fc_host/host9", "fc_host", kind="class", node_name="0x2000\n",
                port_name="0X10\n")  # fmt: skip


def sticks(tree: Machine) -> None:
    """USB devices and their interfaces."""
    numbers = {"busnum": "1\n", "devnum": "12\n", "idVendor": "0781\n", "idProduct": "5567\n"}
    texts = {"product": " Blade <x> \n", "manufacturer": " Made by \n"}
    place = "BUSNUM=001\nDEVNUM=012\nDEVTYPE=usb_device\n"
    event = f"MAJOR=189\nMINOR=11\nDEVNAME=bus/usb/001/012\n{place}"
    udev = {"ID_VENDOR_ID": "0781", "ID_MODEL_ID": "5567"}
    words = {"ID_VENDOR_FROM_DATABASE": "SanDisk", "ID_MODEL_FROM_DATABASE": "Blade 2"}
    tree.device("pci0000:00/usb1/1-2", "usb", event, **numbers, **texts, driver="usb")
    tree.known("c189:11", {**udev, **words})
    tree.device("pci0000:00/usb1/1-3", "usb", place, **numbers, **texts)
    tree.device("pci0000:00/usb1/1-4", "usb", place, **numbers)
    tree.device("pci0000:00/usb1/1-5", "usb", place, **{**numbers, **texts, "product": "\n"})
    for number in (3, 4, 5):
        tree.known(f"+usb:1-{number}", udev)
    one = {"bInterfaceNumber": "0a\n", "bInterfaceClass": "ff\n", "bInterfaceSubClass": "10\n",
           "bInterfaceProtocol": "50\n"}  # fmt: skip
    tree.device(
        "pci0000:00/usb1/1-2/1-2:1.0", "usb", "DEVTYPE=usb_interface\n", **one, driver="uas"
    )
    tree.device("pci0000:00/usb1/1-2/1-2:1.1", "usb", "DEVTYPE=usb_interface\n")
    tree.device("pci0000:00/usb1/1-2/1-2:1.2", "usb", "DEVTYPE=usb_interface\n", **{
        **one, "bInterfaceClass": "0x8\n"})  # fmt: skip


def links(tree: Machine) -> None:
    """Network links, of which the host has none; the driver looks at those of files only."""
    for number, (name, said) in enumerate({
        "wlp1": {"address": "02:00:00:00:00:aa\n", "operstate": "up\n", "speed": "-1\n"},
        "eth0": {"address": "02:00:00:00:00:AB\n", "operstate": "up\n", "speed": "10000\n"},
        "eth1": {"address": "02:00:00:00:00:ac\n", "operstate": "down\n", "speed": "1000\n"},
        "eth2": {"address": "\n", "operstate": "unknown\n"},
        "ib0": {"address": "80:00:00:48:fe:80:00:00:00:00:00:00:00:11:22:33:44:55:66:77\n",
                "operstate": "lowerlayerdown\n"},
        "eth5.10": {"address": "02:00:00:00:00:ae\n", "operstate": "up\n", "speed": "0\n"},
        "eth6": {"address": "02:00:00:00:00:af\n", "operstate": "notpresent\n"},
        "eth7": {"address": "02:00:00:00:00:b0\n", "operstate": "dormant\n", "speed": "9\n"},
        "eth8": {"address": "02:00:00:00:00:b1\n", "operstate": "testing\n"},
    }.items()):  # fmt: skip
        kind = "DEVTYPE=wlan\n" if name.startswith("wl") else ""
        event = f"{kind}INTERFACE={name}\nIFINDEX={number + 1000}\n"
        tree.device(f"virtual/net/{name}", "net", event, kind="class", **said)
    tree.device(
        "virtual/net/br0", "net", "DEVTYPE=bridge\nINTERFACE=br0\nIFINDEX=99\n", kind="class"
    )
    tree.device("pci0000:00/0000:00:03.0/rdma", "infiniband", kind="class")
    tree.write("devices/pci0000:00/0000:00:03.0/resource", "0x0\n")
    for place in ("virtual/net/eth1", "pci0000:00/0000:00:03.0/rdma"):
        tree.link(f"devices/{place}/device", "devices/pci0000:00/0000:00:03.0")
    tree.known("n1000", {"ID_NET_NAME": "x"}, ("never",))


def express(able: int, now: int, kind: int = 0) -> bytes:
    """A configuration space with the capability of PCI Express."""
    space = bytearray(4096)
    space[0x06], space[0x34], space[0x40], space[0x42] = 0x10, 0x40, 0x10, kind << 4
    space[0x4C:0x50], space[0x52:0x54] = able.to_bytes(4, "little"), now.to_bytes(2, "little")
    return bytes(space)


def bridge() -> bytes:
    """That of a bridge."""
    space = bytearray(256)
    space[0x0E] = 0x81
    return bytes(space)


def cards(tree: Machine) -> None:
    """PCI devices by their place, class, links and numbers."""
    for number, (able, now, kind) in enumerate([
        *((16 << 4 | speed | speed << 24, speed << 4 | speed, 0) for speed in range(7)),
        (0, 0, 0), (0xFFFFFFF6, 0xFFF6, 0), (0x11, 0x11, 4), (0x11, 0x11, 9), (0x11, 0x11, 10),
        (0x11, 0x11, 1), (0x11, 0x11, 7), (0x1, 0x11, 0), (0x11, 0x1, 0), (63 << 4, 0, 0),
    ]):  # fmt: skip
        tree.pci(f"0000:02:{number:02x}.0", config=express(able, now, kind))
    tree.pci(
        "10000:e1:00.0",
        "10802",
        numa_node="-1\n",
        driver="nvme",
        vendor="0x8086\n",
        device="0x0A54\n",
    )
    tree.pci("0000:03:1f.7", "60400", config=bridge(), vendor="0xffff\n")
    tree.pci("0000:04:00.0", "0", numa_node="255\n")
    tree.pci("0000:05:00.0", vendor="0x1af4\n", device="0x1000\n", sriov_totalvfs="0\n")
    tree.pci("0000:06:00.0", sriov_totalvfs="7\n")
    tree.pci("0000:07:01.0", config=bytes(257))
    tree.device("pci0000:00/odd", "pci", "PCI_CLASS=20000\n", vendor="0x1\n", device="0x1\n")
    group = tree.pci("0000:0a:00.0")
    tree.link(f"{group}/iommu_group", "kernel/iommu_groups/12")
    for name in ("0000:0a:00.1", "0000:0a:00.0", "10000:e1:00.0"):
        tree.link(f"kernel/iommu_groups/12/devices/{name}", f"devices/pci0000:00/{name}")
    tree.link(f"{tree.pci('0000:0c:00.0')}/iommu_group", "kernel/iommu_groups/0")


def graphics(tree: Machine) -> None:
    """Nodes of graphics devices."""
    for minor, name in enumerate(("card1", "controlD64", "renderD129", "beyond")):
        numbers = f"MAJOR=226\nMINOR={minor * 64 + 1}\n"
        event = f"{numbers}DEVNAME=dri/{name}\nDEVTYPE=drm_minor\n"
        tree.device(f"pci0000:00/0000:00:02.0/drm/{name}", "drm", event, kind="class")
    tree.known("c226:1", {}, ("dri/by-path/pci-0000:00:02.0-card",))


def build(root: Path, udev: Path) -> None:
    """Makes all of it.

    Args:
        root: What is like ``/sys``.
        udev: What is like ``/run/udev/data``.
    """
    tree = Machine(root, udev)
    for part in (firmware, disks, units, sticks, links, cards, graphics):
        part(tree)
