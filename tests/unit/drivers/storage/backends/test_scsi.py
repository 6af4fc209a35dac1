# SPDX-License-Identifier: Apache-2.0
"""SCSI hosts and their units, in a tree as sysfs has them."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.fakes.storage_host import Dialogue
from virloom.drivers.storage.backends.scsi import ScsiBackend
from virloom.drivers.storage.pools import parse_pool
from virloom.errors import ConfigUnsupported, SystemFailure
from virloom.model.storage import Pool

FC = "<adapter type='fc_host' {}wwnn='20000000c9831b4b' wwpn='10000000c9831b4b'/>"
ADDRESS = "<address domain='0x0000' bus='0x00' slot='0x1f' function='0x2'/>"
PCI = f"<adapter type='scsi_host'><parentaddr unique_id='2'>{ADDRESS}</parentaddr></adapter>"


def pool(adapter: str, target: str = "/dev") -> Pool:
    return parse_pool(
        f"<pool type='scsi'><name>s</name><source>{adapter}</source>"
        f"<target><path>{target}</path></target></pool>"
    )


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    """Two hosts of one PCI device, of which the second has three units, and a Fibre Channel one."""
    real = tmp_path / "sys/devices/pci0000:00/0000:00:1f.2"
    classes = tmp_path / "sys/class/scsi_host"
    classes.mkdir(parents=True)
    for number in (1, 2):
        host = real / f"ata{number}/host{number}/scsi_host/host{number}"
        host.mkdir(parents=True)
        (host / "scan").write_text("")
        (host / "unique_id").write_text(f"{number}\n")
        (classes / f"host{number}").symlink_to(host)
    units = tmp_path / "sys/bus/scsi/devices"
    for name, kind, block in (
        ("2:0:0:0", 0, "sda"), ("2:0:1:3", 5, "sr0"), ("2:0:2:0", 13, "ses"), ("1:0:0:0", 0, "sdb"),
    ):  # fmt: skip
        (units / name / "block" / block).mkdir(parents=True)
        (units / name / "type").write_text(f"{kind}\n")
    (units / "target2:0:0").mkdir()
    parent = tmp_path / "sys/class/fc_host/host7"
    parent.mkdir(parents=True)
    (parent / "node_name").write_text("0x20000000c9831b4a\n")
    (parent / "port_name").write_text("0x10000000c9831b4a\n")
    for name in ("vport_create", "vport_delete"):
        (parent / name).write_text("")
    return tmp_path


def backend(tree: Path) -> ScsiBackend:
    return ScsiBackend(Dialogue(tree, sizes={"/dev/sda": 4096, "/dev/sr0": 2048}))


@pytest.mark.parametrize(
    "adapter", ["<adapter name='host2'/>", "<adapter type='scsi_host' name='scsi_host2'/>", PCI]
)
async def test_the_units_of_a_host(tree: Path, adapter: str) -> None:
    model = pool(adapter)
    assert await backend(tree).is_active(model)
    volumes = await backend(tree).look(model)
    assert {name: volume.target.path for name, volume in volumes.items()} == {
        "unit:0:0:0": "/dev/sda", "unit:0:1:3": "/dev/sr0",
    }  # fmt: skip
    assert (model.capacity.value, model.allocation.value, model.available.value) == (6144, 6144, 0)
    scan = tree / "sys/class/scsi_host/host2/scan"
    assert scan.read_text() == "- - -", "the host was asked to look"
    assert (tree / "sys/class/scsi_host/host1/scan").read_text() == ""


async def test_a_host_that_is_not_there(tree: Path) -> None:
    model = pool("<adapter name='host9'/>")
    assert not await backend(tree).is_active(model)
    with pytest.raises(SystemFailure):
        await backend(tree).look(model)
    with pytest.raises(SystemFailure):
        await backend(tree).look(pool("<adapter name='../../..'/>"))


async def test_units_without_a_name_that_lasts(tree: Path) -> None:
    assert await backend(tree).look(pool("<adapter name='host2'/>", "/dev/disk/by-nothing")) == {}


async def test_a_virtual_host_is_made_and_removed(tree: Path) -> None:
    parent = tree / "sys/class/fc_host/host7"
    names = "10000000c9831b4b:20000000c9831b4b"
    with pytest.raises(ConfigUnsupported, match="no parent"):
        await backend(tree).start(pool(FC.format("")))
    model = pool(FC.format("parent='scsi_host7' managed='yes' "))
    await backend(tree).stop(model)
    assert (parent / "vport_delete").read_text() == "", "what is not there is not removed"
    await backend(tree).start(model)
    assert (parent / "vport_create").read_text() == names
    made = tree / "sys/class/fc_host/host8"
    made.mkdir()
    (made / "node_name").write_text("0x20000000c9831b4b\n")
    (made / "port_name").write_text("0x10000000c9831b4b\n")
    (parent / "vport_create").write_text("")
    await backend(tree).start(model)
    assert (parent / "vport_create").read_text() == "", "it is there already"
    by_names = "parent_wwnn='20000000c9831b4a' parent_wwpn='10000000c9831b4a' managed='yes' "
    await backend(tree).stop(pool(FC.format(by_names)))
    assert (parent / "vport_delete").read_text() == names
