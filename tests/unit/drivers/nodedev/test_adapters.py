# SPDX-License-Identifier: Apache-2.0
"""Virtual Fibre Channel adapters, of a tree that makes them as the kernel does."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.unit.drivers.nodedev.sys_tree import FakeSys
from virloom.drivers.nodedev.adapters import VirtualAdapters
from virloom.drivers.nodedev.device import parse_device
from virloom.drivers.nodedev.driver import NodeDeviceDriver
from virloom.drivers.nodedev.tree import SysTree
from virloom.errors import InternalError, SystemFailure
from virloom.model.nodedev import NodeDevice

WWNN, WWPN = "2000000012341234", "1000000012341234"
NAMES = f"<wwnn>{WWNN}</wwnn><wwpn>{WWPN}</wwpn>"


class FibreKernel(SysTree):
    """A tree whose real adapter makes others when it is told to."""

    def __init__(self, fake: FakeSys) -> None:
        super().__init__(fake.root, fake.udev)
        self.fake = fake
        self.told: list[tuple[str, str, str]] = []

    def write(self, path: str, name: str, text: str) -> None:
        super().write(path, name, text)
        self.told.append((path, name, text))
        wwpn, wwnn = text.split(":")
        if name == "vport_create":
            adapter(self.fake, "/devices/host3/vport-3:0-0/host4", wwnn, wwpn)
        else:
            (self.fake.root / "class/scsi/host4").unlink()


def adapter(fake: FakeSys, path: str, wwnn: str, wwpn: str, **more: str) -> None:
    fake.add(path, "scsi", "DEVTYPE=scsi_host\n")
    names = fake.root / "class/fc_host" / path.rpartition("/")[2]
    names.mkdir(parents=True)
    said = {"node_name": f"0x{wwnn}", "port_name": f"0x{wwpn}", "fabric_name": "0x3", **more}
    for name, value in said.items():
        (names / name).write_text(f"{value}\n")


@pytest.fixture
def kernel(tmp_path: Path) -> FibreKernel:
    fake = FakeSys(tmp_path)
    able = {
        "max_npiv_vports": "16",
        "npiv_vports_inuse": "0",
        "vport_create": "",
        "vport_delete": "",
    }
    adapter(fake, "/devices/host3", "2000000000000001", "1000000000000001", **able)
    adapter(fake, "/devices/host5", "2000000000000002", "1000000000000002")
    return FibreKernel(fake)


@pytest.fixture
def adapters(kernel: FibreKernel) -> VirtualAdapters:
    return VirtualAdapters(NodeDeviceDriver(kernel, "nodedev:///system"), kernel)


def wanted(parent: str, names: str = NAMES) -> NodeDevice:
    return parse_device(
        f"<device>{parent}<capability type='scsi_host'><capability type='fc_host'>{names}"
        "</capability></capability></device>"
    )


@pytest.mark.parametrize("parent", [
    "<parent>scsi_host3</parent>", "<parent wwnn='2000000000000001' wwpn='1000000000000001'/>",
    "<parent fabric_wwn='3'/>", "",
])  # fmt: skip
async def test_an_adapter_is_made_and_ended(
    adapters: VirtualAdapters, kernel: FibreKernel, parent: str
) -> None:
    made = await adapters.create(wanted(parent))
    assert made.name == "scsi_host4"
    assert made.parent == "scsi_host3"
    await adapters.destroy(made)
    assert kernel.told == [
        ("/class/fc_host/host3", "vport_create", f"{WWPN}:{WWNN}"),
        ("/class/fc_host/host3", "vport_delete", f"{WWPN}:{WWNN}"),
    ]
    assert not (kernel.fake.root / "class/scsi/host4").exists()


async def test_names_that_nobody_gave_are_made_up(adapters: VirtualAdapters) -> None:
    made = await adapters.create(wanted("", ""))
    names = made.model.capabilities[0].capabilities[0]
    assert names.wwnn is not None
    assert names.wwnn.startswith("5001a4a")
    assert len(names.wwnn) == 16
    assert names.wwnn != names.wwpn


@pytest.mark.parametrize(("parent", "names"), [
    ("<parent>scsi_host5</parent>", NAMES), ("<parent>nobody</parent>", NAMES),
    ("<parent wwnn='2000000000000009' wwpn='1000000000000001'/>", NAMES),
    ("<parent>scsi_host3</parent>", "<wwnn>zz</wwnn>"),
    ("<parent>scsi_host3</parent>", "<wwnn>20000000123412345</wwnn>"),
])  # fmt: skip
async def test_what_cannot_be_made(adapters: VirtualAdapters, parent: str, names: str) -> None:
    with pytest.raises(InternalError):
        await adapters.create(wanted(parent, names))


async def test_a_real_adapter_cannot_be_ended(
    adapters: VirtualAdapters, kernel: FibreKernel
) -> None:
    driver = NodeDeviceDriver(kernel, "nodedev:///system")
    for name in ("scsi_host3", "scsi_host5"):
        with pytest.raises(InternalError):
            await adapters.destroy(driver.find(name))
    assert kernel.told == []


async def test_a_kernel_that_refuses(adapters: VirtualAdapters, kernel: FibreKernel) -> None:
    (kernel.fake.root / "class/fc_host/host3/vport_create").unlink()
    with pytest.raises(SystemFailure):
        await adapters.create(wanted("<parent>scsi_host3</parent>"))
