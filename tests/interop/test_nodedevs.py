# SPDX-License-Identifier: Apache-2.0
"""virtnodedevd beside libvirtd 9, on the devices of this host."""

from __future__ import annotations

import shutil
import signal
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import virloom
from tests.interop.conftest import Virtnodedevd, Virtqemud
from tests.interop.reference import Libvirtd, needs_libvirtd
from virloom.enums.nodedev import NodeDeviceEventLifecycleType as Event
from virloom.errors import NoNodeDevice

SESSION = Path(__file__).parent / "sessions" / "nodedevs.py"

pytestmark = needs_libvirtd


@pytest.fixture(scope="module")
def virtnodedevd() -> Iterator[Virtnodedevd]:
    root = Path(tempfile.mkdtemp(prefix="vd"))
    daemon = Virtnodedevd(root)
    daemon.start()
    try:
        yield daemon
    finally:
        assert daemon.signal(signal.SIGTERM) == 0
        shutil.rmtree(root)


def output(*command: str) -> list[str]:
    """What a client prints."""
    done = subprocess.run(
        command, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.splitlines()


def test_the_same_session(libvirtd: Libvirtd, virtnodedevd: Virtnodedevd) -> None:
    readonly = virtnodedevd.uri(readonly=True)
    ours = output("/usr/bin/python3", str(SESSION), virtnodedevd.uri(), readonly)
    theirs = output("/usr/bin/python3", str(SESSION), libvirtd.uri, libvirtd.readonly_uri)
    assert ours == theirs
    assert any("pci_0000" in line for line in ours)


def test_the_same_tree(libvirtd: Libvirtd, virtnodedevd: Virtnodedevd) -> None:
    command = ("nodedev-list", "--tree")
    ours = output("virsh", "-c", virtnodedevd.uri(), *command)
    assert ours == output("virsh", "-c", libvirtd.uri, *command)


def test_libvirtd_has_them_too(libvirtd: Libvirtd) -> None:
    root = Path(tempfile.mkdtemp(prefix="vd"))
    daemon = OwnLibvirtd(root)
    daemon.start()
    try:
        ours = output("virsh", "-c", daemon.uri(), "nodedev-list", "--tree")
        assert ours == output("virsh", "-c", libvirtd.uri, "nodedev-list", "--tree")
        socket = daemon.socket()
        alone = f"nodedev+unix:///system?socket={socket}"
        assert ours == output("virsh", "-c", alone, "nodedev-list", "--tree")
    finally:
        assert daemon.signal(signal.SIGTERM) == 0
        shutil.rmtree(root)


def test_a_client_of_virtqemud_is_led_there(virtnodedevd: Virtnodedevd) -> None:
    guests = Virtqemud(virtnodedevd.root)
    guests.start()
    try:
        with (
            virloom.open_sync(guests.uri()) as conn,
            virloom.open_sync(virtnodedevd.uri()) as direct,
        ):
            names = [device.name for device in conn.node_devices.list()]
            assert names == [device.name for device in direct.node_devices.list()]
            assert "computer" in names
    finally:
        assert guests.signal(signal.SIGTERM) == 0


class OwnLibvirtd(Virtnodedevd):
    """All drivers in one daemon."""

    name, sockets = "libvirtd", "libvirt"

    def uri(self, *, readonly: bool = False) -> str:
        return f"qemu+unix:///system?socket={self.socket(readonly=readonly)}"


class Inside(Virtnodedevd):
    """One with links of its own, which come and go without harm to the host's."""

    @property
    def command(self) -> list[str]:
        own = ["unshare", "--net", "--mount", "sh", "-ec", 'mount -t sysfs none /sys; exec "$@"']
        return [*own, "sh", *super().command]

    def ip(self, *words: str) -> None:
        """Changes its links."""
        command = ["nsenter", f"--net=/proc/{self.pid}/ns/net", "ip", "link", *words]
        subprocess.run(command, stdin=subprocess.DEVNULL, check=True, timeout=30)


@pytest.fixture
def inside() -> Iterator[Inside]:
    root = Path(tempfile.mkdtemp(prefix="vd"))
    daemon = Inside(root)
    daemon.start()
    try:
        yield daemon
    finally:
        assert daemon.signal(signal.SIGTERM) == 0
        shutil.rmtree(root)


def test_links_that_come_and_go_are_told(inside: Inside) -> None:
    def first(address: str) -> str:
        return f"net_first_02_00_00_00_00_{address}"

    with virloom.open_sync(inside.uri()) as conn, conn.node_devices.events() as events:
        inside.ip("add", "first", "address", "02:00:00:00:00:01", "type", "ifb")
        _expect(events, (first("01"), Event.CREATED))
        device = conn.node_devices.lookup_by_name(first("01"))
        assert "<link state='down'/>" in device.xml_desc()
        inside.ip("set", "first", "up")
        assert "state='down'" not in device.xml_desc()
        inside.ip("set", "first", "down")
        inside.ip("set", "first", "name", "second")
        second = "net_second_02_00_00_00_00_01"
        _expect(events, (first("01"), Event.DELETED), (second, Event.CREATED))
        inside.ip("del", "second")
        _expect(events, (second, Event.DELETED))
        with pytest.raises(NoNodeDevice):
            conn.node_devices.lookup_by_name(second)


def _expect(events: Iterator[Any], *wanted: tuple[str, Event]) -> None:
    for name, event in wanted:
        told = next(events)
        assert (told.device.name, told.event) == (name, event)
