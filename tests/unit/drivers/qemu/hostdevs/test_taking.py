# SPDX-License-Identifier: Apache-2.0
"""Devices of a host that is a tree of files."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.fakes.pci_kernel import PciKernel
from virloom.drivers.qemu.confine.devices import read_directories
from virloom.drivers.qemu.hostdevs import pci as devices_of_pci
from virloom.drivers.qemu.hostdevs.claims import Claims, HostDevice
from virloom.drivers.qemu.hostdevs.identity import devices_of, host_device
from virloom.drivers.qemu.hostdevs.state import check_stateless
from virloom.drivers.qemu.hostdevs.taking import prepare
from virloom.drivers.qemu.hostdevs.usb import usb_devices
from virloom.errors import (
    ConfigUnsupported,
    InternalError,
    OperationFailed,
    OperationInvalid,
    OperationUnsupported,
    SystemFailure,
)
from virloom.model.domain import Domain, Hostdev
from virloom.model.domain.devices.hostdev import Teaming
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
    kernel = PciKernel(tmp_path, {"0000:02:00.0": "e1000e"})
    kernel.add("0000:01:00.0", 1)
    kernel.bind("0000:01:00.0", "vfio-pci")
    kernel.add("0000:02:00.0", 1)
    kernel.add("0000:02:00.1", 1, 0x060400)
    (tmp_path / "sys/bus/mdev/devices" / MDEV).mkdir(parents=True)
    (tmp_path / "dev/vfio").mkdir(parents=True)
    (tmp_path / "dev/vfio/vfio").touch()
    return tmp_path


def test_a_usb_device_is_found(host: Path) -> None:
    assert len(usb_devices(host)) == 3
    stick = by_name("0x0abc", "0x0001")
    prepare(stick, host)
    assert stick.source.address is not None
    assert (stick.source.address.bus, stick.source.address.device) == (2, 5)
    one = usb("<address bus='1' device='3'/>")
    prepare(one, host)


def test_what_is_not_there_or_not_one(host: Path, tmp_path: Path) -> None:
    with pytest.raises(OperationFailed, match="several"):
        prepare(by_name("0x1234", "0xbeef"), host)
    with pytest.raises(InternalError):
        prepare(by_name("0x9999", "0xbeef"), host)
    with pytest.raises(InternalError):
        prepare(usb("<address bus='7' device='3'/>"), host)
    with pytest.raises(SystemFailure):
        prepare(by_name("0x1234", "0xbeef"), tmp_path / "nothing")


def pci(bus: int) -> Hostdev:
    address = f"<address domain='0' bus='{bus}' slot='0' function='0'/>"
    text = f"<hostdev mode='subsystem' type='pci'><source>{address}</source></hostdev>"
    return parse_document(Hostdev, text)


def test_vfio_passes_a_pci_device_on(host: Path, tmp_path: Path) -> None:
    device = pci(1)
    prepare(device, host)
    assert device.driver.name == "vfio"
    with pytest.raises(ConfigUnsupported, match="IOMMU"):
        prepare(pci(1), tmp_path / "nothing")
    for driver, error in (("kvm", ConfigUnsupported), ("xen", InternalError)):
        device.driver.name = driver
        with pytest.raises(error):
            prepare(device, host)


def test_which_pci_devices_a_guest_can_have(host: Path) -> None:
    bound, other, bridge = (
        devices_of_pci.find(name, host) for name in ("0000:01:00.0", "0000:02:00.0", "0000:02:00.1")
    )
    devices_of_pci.check_assignable(bound, managed=False)
    devices_of_pci.check_assignable(other, managed=True)
    with pytest.raises(OperationInvalid, match="e1000e") as refused:
        devices_of_pci.check_assignable(other, managed=False)
    assert "nodedev-detach pci_0000_02_00_0" in str(refused.value)
    with pytest.raises(InternalError, match="bridge"):
        devices_of_pci.check_assignable(bridge, managed=True)
    with pytest.raises(SystemFailure):
        devices_of_pci.find("0000:03:00.0", host)


def test_a_group_is_given_as_a_whole(host: Path) -> None:
    bound, other = (devices_of_pci.find(f"0000:0{bus}:00.0", host) for bus in (1, 2))
    with pytest.raises(InternalError, match=r"one IOMMU group with 0000:02:00\.0"):
        devices_of_pci.check_group([bound])
    devices_of_pci.check_group([bound, other])
    claims = Claims()
    claims.take([HostDevice("PCI", "0000:02:00.0")], "first")
    devices_of_pci.check_free(claims, bound, "first")
    with pytest.raises(OperationInvalid, match=r"0000:02:00\.0 is in use by .* first"):
        devices_of_pci.check_free(claims, bound, "second")


def test_a_mediated_device_and_vhost(host: Path) -> None:
    text = "<hostdev mode='subsystem' type='mdev' model='vfio-pci'><source><address uuid='{}'/>"
    text += "</source></hostdev>"
    prepare(parse_document(Hostdev, text.format(MDEV)), host)
    with pytest.raises(InternalError):
        prepare(parse_document(Hostdev, text.format(MDEV.replace("1", "2"))), host)
    source = "<source protocol='vhost' wwpn='naa.5123456789abcde0'/>"
    vhost = f"<hostdev mode='subsystem' type='scsi_host'>{source}</hostdev>"
    with pytest.raises(SystemFailure):
        prepare(parse_document(Hostdev, vhost), host)


def test_a_stick_that_may_be_missing(host: Path) -> None:
    for policy, may_miss in (("optional", ["optional"]), ("requisite", ["optional", "requisite"])):
        stick = by_name("0x9999", "0xbeef")
        stick.source.startup_policy = policy
        prepare(stick, host, may_miss=may_miss)
        assert stick.source.missing is True
    with pytest.raises(InternalError):
        prepare(stick, host, may_miss=["optional"])
    stick.source.startup_policy = "optional"
    with pytest.raises(InternalError):  # of one that is plugged in, nobody can do without
        prepare(stick, host)


def test_what_two_guests_want() -> None:
    claims = Claims()
    unit = "<source><adapter name='scsi_host2'/><address bus='0' target='1' unit='0'/></source>"
    text = f"<hostdev mode='subsystem' type='scsi'>{unit}{{}}</hostdev>"
    alone, shared = (
        host_device(parse_document(Hostdev, text.format(more))) for more in ("", "<shareable/>")
    )
    assert alone is not None
    assert shared is not None
    assert (alone.name, alone.shared, shared.shared) == ("2:0:1:0", False, True)
    claims.take([shared], "a")
    claims.check(shared, "b")
    claims.take([shared], "b")
    with pytest.raises(OperationInvalid, match=r"SCSI device 2:0:1:0 is in use by .* domain a"):
        claims.check(alone, "c")
    claims.drop("a")
    claims.drop("b", shared)
    claims.check(alone, "c")
    assert claims.holder(alone) is None


def test_devices_of_a_guest() -> None:
    dom = Domain()
    missing = usb("<address bus='1' device='3'/>")
    missing.source.missing = True
    dom.devices.hostdevs = [pci(1), missing, usb("<address bus='1' device='2'/>")]
    names = [device.name for device in devices_of(dom)]
    assert names == ["0000:01:00.0", "001:002"]


def test_whose_state_cannot_be_kept() -> None:
    dom = Domain()
    teamed = pci(2)
    teamed.teaming = Teaming(type="transient", persistent="ua-net")
    dom.devices.hostdevs = [usb("<address bus='1' device='2'/>"), teamed]
    check_stateless(dom)
    dom.devices.hostdevs.append(pci(1))
    with pytest.raises(OperationUnsupported, match="'pci'"):
        check_stateless(dom)


def test_where_qemu_looks_at_a_device(host: Path) -> None:
    bus = host / "sys/bus/usb/devices"
    hub = host / "sys/devices/pci0000:00/usb1"
    hub.mkdir(parents=True)
    (bus / "usb1").symlink_to(hub)
    stick = usb("<address bus='1' device='3'/>")
    assert read_directories(stick, str(host)) == [str(bus), str(hub)]
    assert read_directories(pci(1), str(host)) == [str(host / "sys/bus/pci/devices/0000:01:00.0")]
    assert read_directories(pci(9), str(host)) == []
