# SPDX-License-Identifier: Apache-2.0
"""Documents of devices, made of a tree of hardware that this host has not."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.unit.drivers.nodedev.sys_tree import FakeSys
from virloom.drivers.nodedev.device import Device
from virloom.drivers.nodedev.identifiers import words
from virloom.drivers.nodedev.pci import express
from virloom.drivers.nodedev.reading import read_all
from virloom.model.nodedev import NodeCapability
from virloom.xml import format_document

PCI = "/devices/pci0000:00/0000:00:01.0"


@pytest.fixture
def fake(tmp_path: Path) -> FakeSys:
    return FakeSys(tmp_path)


def what(fake: FakeSys, name: str) -> NodeCapability:
    """The capability of the device of that name."""
    found = {model.name: model for model in read_all(fake.tree).values()}
    return found[name].capabilities[0]


def text(fake: FakeSys, name: str) -> str:
    """The document of the device of that name."""
    found = {model.name: model for model in read_all(fake.tree).values()}
    return format_document(found[name])


def test_functions_of_one_card(fake: FakeSys) -> None:
    fake.add_pci("0000:00:01.0", sriov_totalvfs="4\n", numa_node="1\n")
    fake.add_pci("0000:00:02.2")
    fake.link(PCI, "virtfn0", "/devices/pci0000:00/0000:00:02.2")
    fake.link("/devices/pci0000:00/0000:00:02.2", "physfn", PCI)
    card = what(fake, "pci_0000_00_01_0")
    assert card.capabilities[0].type == "virt_functions"
    assert card.capabilities[0].max_count == 4
    assert card.numa is not None
    assert card.numa.node == 1
    function = what(fake, "pci_0000_00_02_2")
    assert function.capabilities[0].type == "phys_function"
    assert function.capabilities[0].addresses[0].slot == "0x01"


def test_virtual_functions_are_in_order_of_their_numbers(fake: FakeSys) -> None:
    fake.add_pci("0000:00:01.0", sriov_totalvfs="11\n")
    for number in (10, 2):
        fake.link(PCI, f"virtfn{number}", f"/devices/pci0000:00/0000:00:{number:02x}.0")
    slots = [one.slot for one in what(fake, "pci_0000_00_01_0").capabilities[0].addresses]
    assert slots == ["0x02", "0x0a"]


def test_what_is_given_away_together(fake: FakeSys) -> None:
    for address in ("0000:00:01.0", "0000:00:01.1"):
        path = fake.add_pci(address)
        fake.link(path, "iommu_group", "/kernel/iommu_groups/7")
        fake.link("/kernel/iommu_groups/7/devices", address, path)
    group = what(fake, "pci_0000_00_01_1").iommu_group
    assert group is not None
    assert group.number == 7
    assert sorted(one.function or "" for one in group.addresses) == ["0x0", "0x1"]
    fake.link(fake.add_pci("0000:00:02.0"), "iommu_group", "/kernel/iommu_groups/0")
    alone = what(fake, "pci_0000_00_02_0").iommu_group
    assert alone is not None
    assert [one.slot for one in alone.addresses] == ["0x02"]


def configuration(kind: int, able: int, now: int, after: int = 0) -> bytes:
    """A configuration space with the capability of PCI Express at 0x40."""
    space = bytearray(256)
    space[0x06], space[0x34] = 0x10, 0x40
    space[0x40], space[0x41], space[0x42] = 0x10, after, kind << 4
    space[0x4C:0x50] = able.to_bytes(4, "little")
    space[0x52:0x54] = now.to_bytes(2, "little")
    return bytes(space)


def test_the_link_of_an_express_device() -> None:
    found = express(configuration(0, 7 << 24 | 16 << 4 | 3, 8 << 4 | 1))
    assert found is not None
    able, now = found.links
    assert (able.validity, able.port, able.speed, able.width) == ("cap", 7, "8", 16)
    assert (now.validity, now.port, now.speed, now.width) == ("sta", None, "2.5", 8)


def test_devices_without_a_link() -> None:
    inside = express(configuration(9, 0, 0))
    assert inside is not None
    assert not inside.links
    assert express(bytes(256)) is None
    assert express(bytes(64)) is None
    bare = express(bytes(4096))
    assert bare is not None
    assert not bare.links


def test_a_list_of_capabilities_that_loops_ends() -> None:
    space = bytearray(configuration(0, 0, 0, after=0x40))
    space[0x40] = 0x05
    assert express(bytes(space)) is None


def test_a_bridge_and_its_kinds_of_mediated_devices(fake: FakeSys) -> None:
    header = bytearray(64)
    header[0x0E] = 0x81
    path = fake.add_pci("0000:00:01.0", bytes(header))
    kind = fake.root / path.lstrip("/") / "mdev_supported_types/i915-4"
    kind.mkdir(parents=True)
    (kind / "device_api").write_text("vfio-pci\n")
    (kind / "available_instances").write_text("3\n")
    first, second = what(fake, "pci_0000_00_01_0").capabilities
    assert first.type == "pci-bridge"
    assert (second.types[0].id, second.types[0].available_instances) == ("i915-4", 3)
    model = {one.name: one for one in read_all(fake.tree).values()}["pci_0000_00_01_0"]
    assert Device(model).kinds == {"pci", "mdev_types"}


def test_a_mediated_device(fake: FakeSys) -> None:
    fake.add_pci("0000:00:01.0")
    uuid = "8a05ad83-3472-497d-8631-8142f31460e8"
    fake.add(f"{PCI}/{uuid}", "mdev")
    fake.link(f"{PCI}/{uuid}", "mdev_type", f"{PCI}/mdev_supported_types/i915-4")
    fake.link(f"{PCI}/{uuid}", "iommu_group", "/kernel/iommu_groups/9")
    document = text(fake, "mdev_8a05ad83_3472_497d_8631_8142f31460e8_0000_00_01_0")
    for line in (
        "<parent>pci_0000_00_01_0</parent>", "<type id='i915-4'/>", f"<uuid>{uuid}</uuid>",
        "<parent_addr>0000:00:01.0</parent_addr>", "<iommuGroup number='9'/>",
    ):  # fmt: skip
        assert line in document


def test_a_stick_from_its_port_to_its_disk(fake: FakeSys) -> None:
    port = f"{PCI}/usb1/1-2"
    fake.add_pci("0000:00:01.0")
    stick = {"idVendor": "0781\n", "idProduct": "5567\n", "product": "Blade\n", "busnum": "1\n",
             "devnum": "12\n"}  # fmt: skip
    fake.add(port, "usb", "DEVTYPE=usb_device\nDEVNAME=bus/usb/001/012\n", stick)
    numbers = {"bInterfaceNumber": "00\n", "bInterfaceClass": "08\n",
               "bInterfaceSubClass": "06\n", "bInterfaceProtocol": "50\n"}  # fmt: skip
    fake.add(f"{port}/1-2:1.0", "usb", "DEVTYPE=usb_interface\n", numbers)
    host = f"{port}/1-2:1.0/host6"
    fake.add(host, "scsi", "DEVTYPE=scsi_host\n")
    fake.add(f"{host}/target6:0:0", "scsi", "DEVTYPE=scsi_target\n")
    unit = f"{host}/target6:0:0/6:0:0:0"
    fake.add(unit, "scsi", "DEVTYPE=scsi_device\n", {"type": "0\n"})
    fake.add(f"{unit}/scsi_generic/sg1", "scsi_generic", "DEVNAME=sg1\n")
    disk = {"size": "2048\n", "removable": "1\n", "queue/logical_block_size": "512\n"}
    uevent = "MAJOR=8\nMINOR=16\nDEVNAME=sdb\nDEVTYPE=disk\n"
    fake.add(f"{unit}/block/sdb", "block", uevent, disk)
    (fake.udev / "b8:16").write_text("S:disk/by-id/usb-1\nE:ID_TYPE=disk\nE:ID_SERIAL=S_1\n")
    found = {
        model.name: model.parent.name for model in read_all(fake.tree).values() if model.parent
    }
    assert found == {
        "pci_0000_00_01_0": "computer",
        "usb_1_2": "pci_0000_00_01_0",
        "usb_1_2_1_0": "usb_1_2",
        "scsi_host6": "usb_1_2_1_0",
        "scsi_target6_0_0": "scsi_host6",
        "scsi_6_0_0_0": "scsi_target6_0_0",
        "scsi_generic_sg1": "scsi_6_0_0_0",
        "block_sdb_S_1": "scsi_6_0_0_0",
    }
    interface = what(fake, "usb_1_2_1_0")
    assert (interface.device_class, interface.protocol) == ("8", "80")
    assert "<product id='0x5567'>Blade</product>" in text(fake, "usb_1_2")
    assert what(fake, "block_sdb_S_1").size == 1048576
    assert "<devnode type='link'>/dev/disk/by-id/usb-1</devnode>" in text(fake, "block_sdb_S_1")
    assert what(fake, "scsi_6_0_0_0").types[0].text == "disk"


def test_an_adapter_of_fibre_channel(fake: FakeSys) -> None:
    fake.add("/devices/host3", "scsi", "DEVTYPE=scsi_host\n")
    names = fake.root / "class/fc_host/host3"
    names.mkdir(parents=True)
    for name, value in (("node_name", "0x2000"), ("port_name", "0x1000"), ("fabric_name", "0x3"),
                        ("max_npiv_vports", "16"), ("npiv_vports_inuse", "1")):  # fmt: skip
        (names / name).write_text(f"{value}\n")
    model = {one.name: one for one in read_all(fake.tree).values()}["scsi_host3"]
    assert Device(model).kinds == {"scsi_host", "fc_host", "vports"}
    first, second = model.capabilities[0].capabilities
    assert (first.wwnn, first.wwpn, first.fabric_wwn) == ("2000", "1000", "3")
    assert (second.max_vports, second.vports) == (16, 1)


def test_graphics(fake: FakeSys) -> None:
    for name in ("card0", "renderD128"):
        fake.add(f"/devices/gpu/drm/{name}", "drm", f"DEVTYPE=drm_minor\nDEVNAME=dri/{name}\n")
    fake.add("/devices/gpu/drm/card0-VGA-1", "drm", "DEVTYPE=drm_connector\n")
    assert what(fake, "drm_card0").types[0].text == "primary"
    assert what(fake, "drm_renderD128").types[0].text == "render"
    assert len(read_all(fake.tree)) == 3


def test_what_is_no_disk_for_sure_is_not_listed(fake: FakeSys) -> None:
    for name in ("loop0", "sda"):
        fake.add(f"/devices/x/{name}", "block", f"DEVTYPE=disk\nDEVNAME={name}\n")
    assert list(read_all(fake.tree)) == ["/"]


@pytest.mark.parametrize(("name", "udev", "kind"), [
    ("nvme0n1", "", "disk"), ("vda", "", "disk"), ("md0", "", None), ("pmem0", "", None),
    ("fd0", "E:ID_DRIVE_FLOPPY=1", "floppy"), ("mmcblk0", "E:ID_DRIVE_FLASH_SD=1", "sd"),
    ("sr0", "E:ID_TYPE=generic\nE:ID_CDROM=1", "cdrom"), ("sr0", "E:ID_TYPE=cd", "cdrom"),
    ("sda", "E:ID_TYPE=disk\nE:ID_CDROM=1", "disk"), ("sda", "E:ID_TYPE=tape", None),
])  # fmt: skip
def test_what_a_disk_is(fake: FakeSys, name: str, udev: str, kind: str | None) -> None:
    fake.add(f"/devices/x/{name}", "block", f"MAJOR=8\nMINOR=0\nDEVTYPE=disk\nDEVNAME={name}\n")
    (fake.udev / "b8:0").write_text(f"{udev}\nE:ID_SERIAL=\n")
    found = [one.capabilities[0].drive_type for one in read_all(fake.tree).values() if one.path]
    assert found == ([kind] if kind is not None else [])


@pytest.mark.parametrize(("size", "label", "there"), [("2880", "E:ID_FS_LABEL=A", 1), ("0", "", 0)])
def test_a_medium(fake: FakeSys, size: str, label: str, there: int) -> None:
    event = "MAJOR=2\nMINOR=0\nDEVTYPE=disk\nDEVNAME=fd0\n"
    files = {"size": size, "removable": "1", "queue/logical_block_size": "4096"}
    fake.add("/devices/x/fd0", "block", event, files)
    (fake.udev / "b2:0").write_text(f"E:ID_DRIVE_FLOPPY=1\n{label}\n")
    medium = what(fake, "block_fd0").capabilities[0]
    found = medium.media_available, medium.media_size, medium.num_blocks
    assert found == ((1, 1474560, 360) if there else (0, 0, None))


def test_a_link_of_a_card_for_remote_memory(fake: FakeSys) -> None:
    for path, kind in (("/devices/c/net/rdma0", "net"), ("/devices/c/infiniband/mlx5_0", "ib")):
        fake.add(path, kind, "INTERFACE=rdma0\n" if kind == "net" else "")
        fake.link(path, "device", "/devices/c")
    (fake.root / "class/infiniband").symlink_to("ib")
    (fake.root / "devices/c/resource").write_text("0x0\n")
    assert [one.name for one in what(fake, "net_rdma0").features] == ["rdma"]


def test_names_of_a_list_that_is_not_there(tmp_path: Path) -> None:
    path = tmp_path / "pci.ids"
    assert words(0x8086, 1, path) == (None, None)
    path.write_text("# list\n8086  Intel\n\t0001  One\n\t\t0001  Sub\n1af4  Hat\n\t0002  Two\n")
    assert words(0x8086, 2, path) == ("Intel", None)
    assert words(0x1AF4, 2, path) == ("Hat", "Two")
    assert words(0x8087, 2, path) == (None, None)
