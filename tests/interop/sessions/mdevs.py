# SPDX-License-Identifier: Apache-2.0
"""A session about mediated devices, by libvirt's binding: ``/usr/bin/python3 mdevs.py URI``.

Each step prints a line of JSON: its name, and its value or the code and domain of its error; at
the end come the events of each device. mdevctl keeps what is defined; nothing can be made, for
lack of hardware that is divided.
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

UUID = "11111111-2222-3333-4444-00000000000{}"
HEARD: dict[str, list[Any]] = {}
KINDS = ("system", "pci", "usb_device", "usb", "net", "scsi_host", "scsi_target", "scsi", "storage",
         "fc_host", "vports", "scsi_generic", "drm", "mdev_types", "mdev", "ccw", "css", "vdpa",
         "ap_card", "ap_queue", "ap_matrix", "vpd", "none")  # fmt: skip


def step(name: str, call: Callable[..., Any], *args: Any) -> Any:
    try:
        value = call(*args)
    except libvirt.libvirtError as exc:
        print(json.dumps([name, "error", exc.get_error_code(), exc.get_error_domain()]))
        return None
    shown = value if isinstance(value, str | int | list | None) else type(value).__name__
    print(json.dumps([name, shown]))
    return value


def hear(name: str, what: Any) -> None:
    HEARD.setdefault(name, []).append(what)


def until(condition: Callable[[], Any]) -> None:
    """Events, and what mdevctl was told by others, take a moment."""
    deadline = time.monotonic() + 10
    while not condition() and time.monotonic() < deadline:
        time.sleep(0.02)


def document(parent: str | None, inner: str) -> str:
    above = f"<parent>{parent}</parent>" if parent is not None else ""
    return f"<device>{above}<capability type='mdev'>{inner}</capability></device>"


def mdev(number: int, inner: str = "", kind: str = "nvidia-11") -> str:
    return f"<type id='{kind}'/><uuid>{UUID.format(number)}</uuid>{inner}"


def lists(conn: Any) -> None:
    for flags in (1 << 14, 1 << 30 | 1 << 14, 1 << 31 | 1 << 14, 3 << 30 | 1 << 14):
        step(f"all {flags:#x}", lambda flags=flags: sorted(
            device.name() for device in conn.listAllDevices(flags)))  # fmt: skip
    step("names", lambda: sorted(conn.listDevices("mdev")))
    step("count", conn.numOfDevices, "mdev")


def what_it_is(device: Any) -> None:
    for call in ("isActive", "isPersistent", "autostart", "parent", "listCaps", "XMLDesc"):
        step(call, getattr(device, call))


def defined(conn: Any, parent: str) -> None:
    attributes = "<attr name='a' value='1'/><attr name='b' value='2'/>"
    first = step("define", conn.nodeDeviceDefineXML, document(parent, mdev(1)))
    second = step(
        "with attributes", conn.nodeDeviceDefineXML, document(parent, mdev(2, attributes))
    )
    until(lambda: len(HEARD) == 2)
    what_it_is(first)
    what_it_is(second)
    lists(conn)
    step("again", conn.nodeDeviceDefineXML, document(parent, mdev(1)))
    for wanted in (1, 0):
        before = len(HEARD[first.name()])
        step(f"setAutostart {wanted}", first.setAutostart, wanted)
        step("autostart", first.autostart)
        until(lambda before=before: len(HEARD[first.name()]) > before)
        step("the same", first.setAutostart, wanted)
    for flags in (0, 1):
        step(f"create {flags}", first.create, flags)
    for call in ("destroy", "reset", "reAttach"):
        step(call, getattr(first, call))
    step("undefine 1", first.undefine, 1)
    step("undefine", second.undefine)
    until(lambda: len(HEARD[second.name()]) == 2)
    for call in ("undefine", "XMLDesc", "isActive"):
        step(f"gone, {call}", getattr(second, call))


def by_others(conn: Any) -> None:
    """What somebody tells mdevctl is heard."""
    uuid = UUID.format(9)
    given = ["--parent=0000:00:02.0", f"--uuid={uuid}"]
    subprocess.run(["mdevctl", "define", *given, "--type=abc", "--auto"], check=True)
    name = f"mdev_{uuid.replace('-', '_')}_0000_00_02_0"
    until(lambda: name in HEARD)
    what_it_is(conn.nodeDeviceLookupByName(name))
    subprocess.run(["mdevctl", "modify", *given, "--addattr=c", "--value=3"], check=True)
    until(lambda: len(HEARD[name]) == 2)
    step("changed", conn.nodeDeviceLookupByName(name).XMLDesc)
    subprocess.run(["mdevctl", "undefine", *given], check=True)
    until(lambda: len(HEARD[name]) == 3)
    step("gone", conn.nodeDeviceLookupByName, name)


def refused(conn: Any, parent: str) -> None:
    for where in (None, "computer", "net_lo_00_00_00_00_00_00", "nobody"):
        for call in (conn.nodeDeviceDefineXML, conn.nodeDeviceCreateXML):
            step(f"{call.__name__} {where}", call, document(where, mdev(3)))
    for inner in ("", mdev(3).replace("-", "+"), mdev(3).replace("nvidia-11", "")):
        step("incomplete", conn.nodeDeviceDefineXML, document(parent, inner))
    step("create", conn.nodeDeviceCreateXML, document(parent, mdev(3)))
    for kind in KINDS:
        text = f"<device><parent>{parent}</parent><capability type='{kind}'/></device>"
        step(f"empty {kind}", conn.nodeDeviceDefineXML, text)


def main() -> None:
    libvirt.registerErrorHandler(lambda *_: None, None)
    libvirt.virEventRegisterDefaultImpl()

    def run() -> None:
        while True:
            libvirt.virEventRunDefaultImpl()

    threading.Thread(target=run, daemon=True).start()
    conn = libvirt.open(sys.argv[1])
    lifecycle = conn.nodeDeviceEventRegisterAny(
        None, 0, lambda _, device, event, detail, __: hear(device.name(), [event, detail]), None
    )
    update = conn.nodeDeviceEventRegisterAny(
        None, 1, lambda _, device, __: hear(device.name(), "update"), None
    )
    parent = min(name for name in conn.listDevices("pci"))
    defined(conn, parent)
    by_others(conn)
    refused(conn, parent)
    for number in (lifecycle, update):
        conn.nodeDeviceEventDeregisterAny(number)
    for name in sorted(HEARD):
        print(json.dumps([name, HEARD[name]]))


if __name__ == "__main__":
    main()
