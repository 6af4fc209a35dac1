# SPDX-License-Identifier: Apache-2.0
"""Devices come, change and go, and each of several clients hears its part of it.

``/usr/bin/python3 device_events.py DIRECTORY URI...``, in namespaces with links of their own.

All daemons see the same devices. What the clients of each have heard is printed as a line of JSON:
for each step, for each client, what it was told. ``DIRECTORY`` has a file ``device-events.img``.
"""

from __future__ import annotations

import json
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from typing import Any

import libvirt

LIFECYCLE, UPDATE = (
    libvirt.VIR_NODE_DEVICE_EVENT_ID_LIFECYCLE,
    libvirt.VIR_NODE_DEVICE_EVENT_ID_UPDATE,
)
#: Without a word for so long, all has been said.
QUIET = 0.4
FIRST = "net_first_02_00_00_00_00_01"


class Client:
    """A connection that listens, and what it has heard since it was asked."""

    def __init__(self, uri: str, name: str, heard: Callable[[], None]) -> None:
        self.connection = libvirt.open(uri)
        self.name, self.told = name, heard
        self.words: list[Any] = []
        self.numbers: list[int] = []

    def listen(self, event: int, device: Any = None) -> None:
        register = self.connection.nodeDeviceEventRegisterAny
        hear = self.lifecycle if event == LIFECYCLE else self.update
        self.numbers.append(register(device, event, hear, len(self.numbers)))

    def lifecycle(self, _: Any, device: Any, event: int, detail: int, which: int) -> None:
        self.hear(device, [which, device.name(), event, detail])

    def update(self, _: Any, device: Any, which: int) -> None:
        self.hear(device, [which, device.name(), "update"])

    def hear(self, device: Any, words: list[Any]) -> None:
        if device.name().startswith(("net_first", "net_second", "net_third", "block_loop")):
            self.words.append(words)
            self.told()

    def drop(self, at: int) -> None:
        self.connection.nodeDeviceEventDeregisterAny(self.numbers[at])

    def said(self) -> list[Any]:
        words, self.words = self.words, []
        return words


class House:
    """The clients of one daemon."""

    def __init__(self, uri: str, heard: Callable[[], None]) -> None:
        self.uri, self.heard = uri, heard
        self.clients = [Client(uri, name, heard) for name in ("all", "both", "one", "leaving")]
        everything, both, self.one, self.leaving = self.clients
        for client in (everything, both, self.leaving):
            client.listen(LIFECYCLE)
        for client in (both, everything):
            client.listen(UPDATE)
        self.steps: list[Any] = []

    def choose(self) -> None:
        """One client hears of one device only; another of that in particular."""
        for client in (self.one, self.clients[1]):
            device = client.connection.nodeDeviceLookupByName(FIRST)
            client.listen(LIFECYCLE, device)
            client.listen(UPDATE, device)

    def leave(self) -> None:
        """One hears no more, another no more of changes but those of one device."""
        self.leaving.drop(0)
        self.clients[1].drop(1)

    def note(self, step: str) -> None:
        self.steps.append([step, *(client.said() for client in self.clients)])


class Session:
    """All houses, and what is done in them."""

    def __init__(self, directory: str, uris: list[str]) -> None:
        self.directory = directory
        self.last = time.monotonic()
        self.houses = [House(uri, self.heard) for uri in uris]

    def heard(self) -> None:
        self.last = time.monotonic()

    def step(self, *words: str) -> None:
        """Does something, and notes what is said of it."""
        subprocess.run(words, check=True, stdin=subprocess.DEVNULL)
        self.last = time.monotonic()
        while time.monotonic() - self.last < QUIET:
            time.sleep(0.02)
        for house in self.houses:
            house.note(" ".join(words).replace(self.directory, "DIR"))

    def links(self) -> None:
        self.step("ip", "link", "add", "first", "address", "02:00:00:00:00:01", "type", "ifb")
        for house in self.houses:
            house.choose()
        self.step("ip", "link", "add", "second", "address", "02:00:00:00:00:02", "type", "ifb")
        self.step("ip", "link", "set", "first", "up")
        self.step("ip", "link", "set", "first", "down")
        for action in ("change", "add", "bind"):
            self.step("udevadm", "trigger", "--action", action, "/sys/class/net/first")
        self.step("ip", "link", "set", "second", "name", "third")
        for house in self.houses:
            house.leave()
        self.step("udevadm", "trigger", "--action", "change", "/sys/class/net/first")
        self.step("ip", "link", "del", "third")
        self.step("ip", "link", "del", "first")
        self.step("ip", "link", "add", "first", "address", "02:00:00:00:00:01", "type", "veth")
        self.step("ip", "link", "set", "first", "address", "02:00:00:00:00:03")
        self.step("udevadm", "trigger", "--action", "change", "/sys/class/net/first")
        self.step("ip", "link", "del", "first")

    def disks(self) -> None:
        """A disk is one because udev says so, and has its name of udev."""
        loop = subprocess.check_output(["losetup", "--find"], text=True).strip()
        number = loop.removeprefix("/dev/loop")
        subprocess.run(["mknod", loop, "b", "7", number], check=False, stderr=subprocess.DEVNULL)
        self.step("losetup", loop, f"{self.directory}/device-events.img")
        for house in self.houses:
            found = house.clients[0].connection.listAllDevices(
                libvirt.VIR_CONNECT_LIST_NODE_DEVICES_CAP_STORAGE
            )
            house.steps.append([device.XMLDesc() for device in found if "S_own" in device.name()])
        self.step("losetup", "--detach", loop)

    def told(self) -> list[str]:
        return [json.dumps(house.steps) for house in self.houses]


def main() -> None:
    libvirt.registerErrorHandler(lambda *_: None, None)
    libvirt.virEventRegisterDefaultImpl()

    def run() -> None:
        while True:
            libvirt.virEventRunDefaultImpl()

    threading.Thread(target=run, daemon=True).start()
    session = Session(sys.argv[1], sys.argv[2:])
    session.links()
    session.disks()
    print("\n".join(session.told()))


if __name__ == "__main__":
    main()
