# SPDX-License-Identifier: Apache-2.0
"""Hardware that hardly a host has, read from a tree of it."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.fakes import sys_hardware
from virloom.drivers.nodedev.device import Device
from virloom.drivers.nodedev.reading import read_all
from virloom.drivers.nodedev.tree import SysTree


@pytest.fixture(scope="module")
def devices(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Device]:
    root = tmp_path_factory.mktemp("sys")
    sys_hardware.build(root)
    found = map(Device, read_all(SysTree(root, Path("/nowhere"))).values())
    return {device.name: device for device in found}


def test_devices_behind_channels(devices: dict[str, Device]) -> None:
    disk = devices["ccw_0_0_1f9a"]
    assert disk.parent == "css_0_0_0052"
    (capability,) = disk.model.capabilities
    assert (capability.cssid, capability.ssid, capability.devno) == ("0x0", "0x0", "0x1f9a")
    address = devices["css_fe_3_0056"].model.capabilities[0].channel_dev_addr
    assert address is not None
    assert (address.cssid, address.devno) == ("0xfe", "0xabcd")
    for name in ("css_0_0_0054", "css_0_0_0057"):
        assert devices[name].model.capabilities[0].channel_dev_addr is None
    assert "css_0_0_0055" not in devices  # it leads to no device
    assert devices["css_0_0_0053"].kinds == {"css", "mdev_types"}


def test_processors_for_cryptography(devices: dict[str, Device]) -> None:
    assert devices["ap_07_0038"].parent == "ap_card07"
    (queue,) = devices["ap_07_0038"].model.capabilities
    assert (queue.ap_adapter, queue.ap_domain) == ("0x07", "0x0038")
    assert devices["ap_matrix"].kinds == {"ap_matrix", "mdev_types"}


def test_remote_ports_and_vdpa(devices: dict[str, Device]) -> None:
    (port,) = devices["scsi_target3_0_0"].model.capabilities[0].capabilities
    assert (port.type, port.rport, port.wwpn) == (
        "fc_remote_port",
        "rport-3:0-1",
        "0x5006016844602198",
    )
    assert devices["vdpa_vdpa1"].kinds == {"vdpa"}


def test_product_data_is_a_kind(devices: dict[str, Device]) -> None:
    assert "vpd" in devices["pci_0000_01_00_0"].kinds
    assert "vpd" not in devices["pci_0000_01_01_0"].kinds
