# SPDX-License-Identifier: Apache-2.0
"""Devices that come, go, change and are lost sight of."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.unit.drivers.nodedev.sys_tree import FakeSys
from virloom.drivers.nodedev.driver import NodeDeviceDriver
from virloom.errors import NoNodeDevice
from virloom.host.uevents import Uevent

LINK = "/devices/virtual/net/a"


@pytest.fixture
def fake(tmp_path: Path) -> FakeSys:
    return FakeSys(tmp_path)


def names(driver: NodeDeviceDriver) -> list[str]:
    return [device.name for device in driver.all]


def add_link(fake: FakeSys, name: str = "a", address: str = "02:01") -> Path:
    files = {"address": f"{address}\n", "operstate": "down\n"}
    return fake.add(f"/devices/virtual/net/{name}", "net", f"INTERFACE={name}\n", files)


def test_a_link_comes_is_renamed_and_goes(fake: FakeSys) -> None:
    driver = NodeDeviceDriver(fake.tree, "nodedev:///system")
    add_link(fake)
    driver.apply(Uevent("add", LINK))
    assert names(driver) == ["computer", "net_a_02_01"]
    add_link(fake, "b")
    driver.apply(Uevent("move", "/devices/virtual/net/b", LINK))
    assert names(driver) == ["computer", "net_b_02_01"]
    driver.apply(Uevent("remove", "/devices/virtual/net/b"))
    assert names(driver) == ["computer"]
    with pytest.raises(NoNodeDevice):
        driver.document("net_b_02_01")


def test_an_event_of_what_has_gone_already_says_nothing(fake: FakeSys) -> None:
    driver = NodeDeviceDriver(fake.tree, "nodedev:///system")
    driver.apply(Uevent("add", LINK))
    driver.apply(Uevent("remove", LINK))
    assert names(driver) == ["computer"]


def test_another_address_is_another_name(fake: FakeSys) -> None:
    directory = add_link(fake)
    driver = NodeDeviceDriver(fake.tree, "nodedev:///system")
    (directory / "address").write_text("02:02\n")
    driver.apply(Uevent("change", LINK))
    assert names(driver) == ["computer", "net_a_02_02"]


def test_a_document_is_of_this_moment(fake: FakeSys) -> None:
    directory = add_link(fake)
    driver = NodeDeviceDriver(fake.tree, "nodedev:///system")
    (directory / "operstate").write_text("up\n")
    link = driver.document("net_a_02_01").capabilities[0].link
    assert link is not None
    assert link.state == "up"


def test_what_was_not_told_is_seen_by_a_look(fake: FakeSys) -> None:
    add_link(fake)
    driver = NodeDeviceDriver(fake.tree, "nodedev:///system")
    (fake.root / "class/net/a").unlink()
    add_link(fake, "c")
    driver.rescan()
    assert names(driver) == ["computer", "net_c_02_01"]
