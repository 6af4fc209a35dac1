# SPDX-License-Identifier: Apache-2.0
"""Mediated devices that are defined, that are there, and that are both."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.unit.drivers.nodedev.sys_tree import FakeSys
from virloom.drivers.nodedev.driver import NodeDeviceDriver
from virloom.drivers.nodedev.mdevctl import Definition
from virloom.enums.nodedev import NodeDeviceEventLifecycleType as Event
from virloom.host.uevents import Uevent
from virloom.procedures.nodedev import NodeDeviceEventLifecycleMsg, NodeDeviceEventUpdateMsg
from virloom.procedures.record import Procedure, Record
from virloom.xml import format_document

UUID = "8a05ad83-3472-497d-8631-8142f31460e8"
NAME = "mdev_8a05ad83_3472_497d_8631_8142f31460e8_0000_00_01_0"
PATH = f"/devices/pci0000:00/0000:00:01.0/{UUID}"
DEFINED = Definition(UUID, "0000:00:01.0", "i915-4", attributes=(("a", "1"),))


class Listener:
    """A client that hears everything."""

    def __init__(self) -> None:
        self.heard: list[str] = []

    def on_close(self, callback: object) -> object:
        return lambda: None

    def send_event(self, procedure: Procedure[Record, Record], message: Record) -> None:
        if isinstance(message, NodeDeviceEventLifecycleMsg):
            self.heard.append(Event(message.event).name)
        elif isinstance(message, NodeDeviceEventUpdateMsg):
            self.heard.append("UPDATE")

    def take(self) -> list[str]:
        heard, self.heard = self.heard, []
        return heard


@pytest.fixture
def fake(tmp_path: Path) -> FakeSys:
    made = FakeSys(tmp_path)
    made.add_pci("0000:00:01.0")
    return made


@pytest.fixture
def driver(fake: FakeSys) -> NodeDeviceDriver:
    return NodeDeviceDriver(fake.tree, "nodedev:///system")


@pytest.fixture
def listener(driver: NodeDeviceDriver) -> Listener:
    made = Listener()
    for event in (0, 1):
        driver.events.register(made, event, None)  # type: ignore[arg-type]
    return made


def appear(fake: FakeSys, driver: NodeDeviceDriver) -> Path:
    directory = fake.add(PATH, "mdev")
    fake.link(PATH, "mdev_type", "/types/i915-4")
    fake.link(PATH, "iommu_group", "/kernel/iommu_groups/9")
    driver.apply(Uevent("add", PATH))
    return directory


def test_a_definition_comes_changes_and_goes(driver: NodeDeviceDriver, listener: Listener) -> None:
    driver.take_definitions([DEFINED])
    device = driver.find(NAME)
    assert (device.active, device.persistent, device.autostart) == (False, True, False)
    document = format_document(driver.document(NAME))
    for line in (
        "<parent>pci_0000_00_01_0</parent>", "<type id='i915-4'/>", "<iommuGroup number='0'/>",
        "<attr name='a' value='1'/>",
    ):  # fmt: skip
        assert line in document
    assert "<path>" not in document
    driver.take_definitions([DEFINED])
    assert listener.take() == ["DEFINED"]
    driver.take_definitions([DEFINED._replace(autostart=True)])
    assert device.autostart
    driver.take_definitions([DEFINED._replace(autostart=True, attributes=())])
    assert "<attr" not in format_document(driver.document(NAME))
    assert listener.take() == ["UPDATE", "UPDATE"]
    driver.take_definitions([])
    assert device not in driver.all
    assert listener.take() == ["UNDEFINED"]


def test_what_is_defined_is_made_and_ended(
    fake: FakeSys, driver: NodeDeviceDriver, listener: Listener
) -> None:
    driver.take_definitions([DEFINED])
    device = driver.find(NAME)
    appear(fake, driver)
    assert driver.find(NAME) is device
    assert device.active
    document = format_document(driver.document(NAME))
    assert "<iommuGroup number='9'/>" in document
    assert "<attr name='a' value='1'/>" in document
    assert f"<path>/sys{PATH}</path>" in document
    driver.apply(Uevent("remove", PATH))
    assert (device.active, driver.find(NAME)) == (False, device)
    assert "<path>" not in format_document(driver.document(NAME))
    assert listener.take() == ["DEFINED", "CREATED", "DELETED"]


def test_what_is_there_is_defined_and_forgotten(
    fake: FakeSys, driver: NodeDeviceDriver, listener: Listener
) -> None:
    appear(fake, driver)
    device = driver.find(NAME)
    assert not device.persistent
    driver.take_definitions([DEFINED])
    assert device.persistent
    driver.take_definitions([])
    assert (device.active, device.persistent) == (True, False)
    driver.apply(Uevent("remove", PATH))
    assert device not in driver.all
    assert listener.take() == ["CREATED", "DEFINED", "UNDEFINED", "DELETED"]


def test_a_look_at_everything_keeps_what_is_only_defined(
    driver: NodeDeviceDriver, listener: Listener
) -> None:
    driver.take_definitions([DEFINED])
    driver.rescan()
    assert driver.find(NAME).persistent
    assert listener.take() == ["DEFINED"]


def test_what_changes_is_told(driver: NodeDeviceDriver, listener: Listener) -> None:
    for action in ("change", "bind", "add"):
        driver.apply(Uevent(action, "/devices/pci0000:00/0000:00:01.0"))
    assert listener.take() == ["UPDATE", "UPDATE"]
