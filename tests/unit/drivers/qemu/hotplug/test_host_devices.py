# SPDX-License-Identifier: Apache-2.0
"""Devices of a host that is a tree of files."""

from __future__ import annotations

from pathlib import Path

import pytest

from virloom.drivers.qemu.hotplug.host_devices import prepare_host_device, usb_devices
from virloom.errors import ConfigUnsupported, InternalError, OperationFailed, SystemFailure
from virloom.model.domain import Hostdev
from virloom.xml import parse_document

MDEV = "11111111-2222-3333-4444-555555555555"


def usb(source: str) -> Hostdev:
    text = f"<hostdev mode='subsystem' type='usb'><source>{source}</source></hostdev>"
    return parse_document(Hostdev, text)


def by_name(vendor: str, product: str) -> Hostdev:
    return usb(f"<vendor id='{vendor}'/><product id='{product}'/>")


@pytest.fixture
def host(tmp_path: Path) -> Path:
    """A host with three sticks, two of them alike, a PCI device of each kind, and VFIO."""
    sticks = {"1-1": (0x1234, 0xBEEF, 1, 2), "1-2": (0x1234, 0xBEEF, 1, 3), "2-1": (0xABC, 1, 2, 5)}
    for name, (vendor, product, bus, device) in sticks.items():
        place = tmp_path / "sys/bus/usb/devices" / name
        place.mkdir(parents=True)
        (place / "idVendor").write_text(f"{vendor:04x}\n")
        (place / "idProduct").write_text(f"{product:04x}\n")
        (place / "busnum").write_text(f"{bus}\n")
        (place / "devnum").write_text(f"{device}\n")
    (tmp_path / "sys/bus/usb/devices/1-1:1.0").mkdir()
    for name, driver in (("0000:01:00.0", "vfio-pci"), ("0000:02:00.0", "e1000e")):
        device = tmp_path / "sys/bus/pci/devices" / name
        device.mkdir(parents=True)
        (tmp_path / "sys/bus/pci/drivers" / driver).mkdir(parents=True)
        (device / "driver").symlink_to(tmp_path / "sys/bus/pci/drivers" / driver)
    (tmp_path / "sys/bus/mdev/devices" / MDEV).mkdir(parents=True)
    (tmp_path / "sys/kernel/iommu_groups/1").mkdir(parents=True)
    (tmp_path / "dev/vfio").mkdir(parents=True)
    (tmp_path / "dev/vfio/vfio").touch()
    return tmp_path


def test_a_usb_device_is_found(host: Path) -> None:
    assert len(usb_devices(host)) == 3
    stick = by_name("0x0abc", "0x0001")
    prepare_host_device(stick, host)
    assert stick.source.address is not None
    assert (stick.source.address.bus, stick.source.address.device) == (2, 5)
    one = usb("<address bus='1' device='3'/>")
    prepare_host_device(one, host)


def test_what_is_not_there_or_not_one(host: Path, tmp_path: Path) -> None:
    with pytest.raises(OperationFailed, match="several"):
        prepare_host_device(by_name("0x1234", "0xbeef"), host)
    with pytest.raises(InternalError):
        prepare_host_device(by_name("0x9999", "0xbeef"), host)
    with pytest.raises(InternalError):
        prepare_host_device(usb("<address bus='7' device='3'/>"), host)
    with pytest.raises(SystemFailure):
        prepare_host_device(by_name("0x1234", "0xbeef"), tmp_path / "nothing")


def pci(bus: int) -> Hostdev:
    address = f"<address domain='0' bus='{bus}' slot='0' function='0'/>"
    text = f"<hostdev mode='subsystem' type='pci'><source>{address}</source></hostdev>"
    return parse_document(Hostdev, text)


def test_a_pci_device_is_bound_already(host: Path, tmp_path: Path) -> None:
    device = pci(1)
    prepare_host_device(device, host)
    assert device.driver.name == "vfio"
    with pytest.raises(ConfigUnsupported, match="vfio-pci"):
        prepare_host_device(pci(2), host)
    with pytest.raises(InternalError):
        prepare_host_device(pci(3), host)
    with pytest.raises(ConfigUnsupported, match="IOMMU"):
        prepare_host_device(pci(1), tmp_path / "nothing")


def test_a_mediated_device_and_vhost(host: Path) -> None:
    text = "<hostdev mode='subsystem' type='mdev' model='vfio-pci'><source><address uuid='{}'/>"
    text += "</source></hostdev>"
    prepare_host_device(parse_document(Hostdev, text.format(MDEV)), host)
    with pytest.raises(InternalError):
        prepare_host_device(parse_document(Hostdev, text.format(MDEV.replace("1", "2"))), host)
    source = "<source protocol='vhost' wwpn='naa.5123456789abcde0'/>"
    vhost = f"<hostdev mode='subsystem' type='scsi_host'>{source}</hostdev>"
    with pytest.raises(SystemFailure):
        prepare_host_device(parse_document(Hostdev, vhost), host)
