# SPDX-License-Identifier: Apache-2.0
"""Devices that are made, defined and ended: ``/usr/bin/python3 made_devices.py URI``.

Each step prints a line of JSON: its name, what came of it, and what each of two clients heard.
"""

from __future__ import annotations

import json
import re
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from typing import Any

import libvirt

CARD = "pci_0000_00_09_0"
NAMES = "<wwnn>2000000012341234</wwnn><wwpn>1000000012341234</wwpn>"
#: Without a word for so long, all has been said.
QUIET = 0.6


def uuid(number: int) -> str:
    return f"aaaaaaaa-0000-0000-0000-{number:012}"


def mdev(number: int, kind: str = "i915-4", parent: str = CARD, inner: str = "") -> str:
    return (
        f"<device><parent>{parent}</parent><capability type='mdev'><type id='{kind}'/>"
        f"<uuid>{uuid(number)}</uuid>{inner}</capability></device>"
    )


def adapter(parent: str, names: str = NAMES) -> str:
    return (
        f"<device>{parent}<capability type='scsi_host'><capability type='fc_host'>{names}"
        "</capability></capability></device>"
    )


class Session:
    """Two clients of one daemon."""

    def __init__(self, uri: str) -> None:
        self.last = time.monotonic()
        self.heard: list[list[Any]] = []
        self.clients = [libvirt.open(uri) for _ in range(2)]
        for client in self.clients:
            words: list[Any] = []
            self.heard.append(words)
            client.nodeDeviceEventRegisterAny(None, 0, self.lifecycle, words)
            client.nodeDeviceEventRegisterAny(None, 1, self.update, words)
        self.conn = self.clients[0]

    def lifecycle(self, _: Any, device: Any, event: int, detail: int, words: list[Any]) -> None:
        words.append([device.name(), event, detail])
        self.last = time.monotonic()

    def update(self, _: Any, device: Any, words: list[Any]) -> None:
        words.append([device.name(), "update"])
        self.last = time.monotonic()

    def step(self, name: str, call: Callable[..., Any], *args: Any) -> Any:
        """Does something; the value is printed, and what is heard until all are quiet."""
        try:
            value = call(*args)
        except libvirt.libvirtError as error:
            value = None
            shown: Any = ["error", error.get_error_code()]
        else:
            shown = value.name() if isinstance(value, libvirt.virNodeDevice) else value
        self.last = time.monotonic()
        while time.monotonic() - self.last < QUIET:
            time.sleep(0.02)
        print(json.dumps([name, shown, *(sorted(words, key=str) for words in self.heard)]))
        for words in self.heard:
            words.clear()
        return value

    def state(self, device: Any) -> None:
        """What a device is now."""
        try:
            found = self.conn.nodeDeviceLookupByName(device.name())
        except libvirt.libvirtError:
            print(json.dumps("gone"))
            return
        text = re.sub(r"\s+", " ", found.XMLDesc())
        flags = found.isActive(), found.isPersistent(), found.autostart()
        print(json.dumps([*flags, found.parent(), text]))

    def do(self, device: Any, *names: str) -> None:
        for name in names:
            call = getattr(device, name)
            self.step(name, call, *([1] if name == "setAutostart" else []))
            self.state(device)

    # -- mediated devices ----------------------------------------------------------------------

    def one(self) -> None:
        """A device is made, defined, ended, made again and forgotten."""
        define, create = self.conn.nodeDeviceDefineXML, self.conn.nodeDeviceCreateXML
        device = self.step("make", create, mdev(1))
        self.state(device)
        self.step("make again", create, mdev(1))
        self.do(device, "undefine", "setAutostart", "create")
        self.step("define", define, mdev(1))
        self.state(device)
        self.step("define again", define, mdev(1))
        self.do(device, "setAutostart", "destroy", "destroy", "create", "create", "undefine")
        self.do(device, "destroy", "destroy", "create")

    def others(self) -> None:
        """Of other parents and kinds, one too many, of kinds that nobody knows."""
        define, create = self.conn.nodeDeviceDefineXML, self.conn.nodeDeviceCreateXML
        second = self.step("define", define, mdev(2, inner="<attr name='a' value='1'/>"))
        self.step("of another parent", define, mdev(2, "vfio_ccw-io", "css_0_0_0053"))
        self.step("of another kind", define, mdev(2, "i915-8"))
        self.step("make what is defined", create, mdev(2))
        self.do(second, "destroy", "undefine")
        first, next_one = (self.step("define", define, mdev(n, "i915-8")) for n in (3, 4))
        self.do(first, "create")
        self.do(next_one, "create")
        self.step("no room", create, mdev(5, "i915-8"))
        self.step("an unknown kind", create, mdev(6, "none"))
        unknown = self.step("define an unknown kind", define, mdev(7, "none"))
        self.do(unknown, "create", "undefine")
        subchannel = self.step("subchannel", create, mdev(8, "vfio_ccw-io", "css_0_0_0053"))
        self.do(subchannel, "destroy")
        inner = "<attr name='assign_adapter' value='5'/>"
        self.do(self.step("matrix", define, mdev(9, "vfio_ap-passthrough", "ap_matrix", inner)),
                "undefine")  # fmt: skip
        named = mdev(10).replace("<device>", "<device><name>mine</name>")
        self.do(self.step("named", define, named, 1), "undefine")

    def by_others(self) -> None:
        """mdevctl is told by somebody else."""

        def mdevctl(*words: str) -> int:
            given = ["mdevctl", *words, f"--uuid={uuid(11)}"]
            return subprocess.run(given, check=False, capture_output=True).returncode

        card = "--parent=0000:00:09.0"
        device = self.step("make", self.conn.nodeDeviceCreateXML, mdev(11))
        for words in (
            ("define", card, "--type=i915-4"), ("modify", card, "--auto"), ("undefine", card),
            ("define", card, "--type=i915-4"), ("modify", card, "--addattr=a", "--value=1"),
            ("stop",), ("undefine", card),
        ):  # fmt: skip
            self.step(" ".join(words), mdevctl, *words)
            self.state(device)

    # -- virtual adapters ----------------------------------------------------------------------

    def adapters(self) -> None:
        create = self.conn.nodeDeviceCreateXML
        for parent in ("<parent>scsi_host3</parent>", "<parent fabric_wwn='2001000000000001'/>"):
            made = self.step("adapter", create, adapter(parent))
            self.state(made)
            self.do(made, "undefine", "create", "setAutostart", "destroy")
        for parent in (
            "<parent>scsi_host9</parent>", "<parent>computer</parent>",
            "<parent wwnn='2000000000000009' wwpn='1000000000000001'/>",
            "<parent wwnn='2000000000000001'/>", "<parent fabric_wwn='9'/>",
        ):  # fmt: skip
            self.step(f"adapter {parent}", create, adapter(parent))
        self.do(self.conn.nodeDeviceLookupByName("scsi_host3"), "destroy")
        self.step("define", self.conn.nodeDeviceDefineXML, adapter("<parent>scsi_host3</parent>"))
        plain = "<device><parent>scsi_host3</parent><capability type='scsi_host'>{}</capability>"
        for inner in ("", "<capability type='xx'/>", "<capability type='vport_ops'/>"):
            self.step(f"plain {inner}", create, plain.format(inner) + "</device>")


def main() -> None:
    libvirt.registerErrorHandler(lambda *_: None, None)
    libvirt.virEventRegisterDefaultImpl()

    def run() -> None:
        while True:
            libvirt.virEventRunDefaultImpl()

    threading.Thread(target=run, daemon=True).start()
    session = Session(sys.argv[1])
    session.one()
    session.others()
    session.by_others()
    session.adapters()


if __name__ == "__main__":
    main()
