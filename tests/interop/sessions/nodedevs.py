# SPDX-License-Identifier: Apache-2.0
"""A session about the host's devices, by libvirt's binding: ``/usr/bin/python3 nodedevs.py URI``.

Each step prints a line of JSON: its name, and its value or the code and domain of its error.
Nothing of it changes a device.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from typing import Any

import libvirt

#: A mediated device, of a parent that can have none.
MDEV = (
    "<device><parent>{}</parent><capability type='mdev'><type id='i915-4'/>"
    "<uuid>8a05ad83-3472-497d-8631-8142f31460e8</uuid></capability></device>"
)
HBA = (
    "<device><parent>{}</parent><capability type='scsi_host'><capability type='fc_host'>"
    "<wwnn>2000000012341234</wwnn><wwpn>1000000012341234</wwpn></capability></capability></device>"
)
DOCUMENTS = {
    "nothing": "",
    "half": "<device",
    "a network": "<network/>",
    "no capability": "<device/>",
    "another kind": "<device><capability type='net'><interface>x</interface></capability></device>",
    "mdev of the host": MDEV.format("computer"),
    "mdev of nobody": MDEV.format("nobody"),
    "adapter of the host": HBA.format("computer"),
    "adapter of nobody": HBA.format("nobody"),
}


def step(name: str, call: Callable[..., Any], *args: Any) -> Any:
    try:
        value = call(*args)
    except libvirt.libvirtError as exc:
        print(json.dumps([name, "error", exc.get_error_code(), exc.get_error_domain()]))
        return None
    shown = value if isinstance(value, str | int | list | None) else type(value).__name__
    print(json.dumps([name, shown]))
    return value


def names(conn: Any, flags: int) -> list[str]:
    return sorted(device.name() for device in conn.listAllDevices(flags))


def lists(conn: Any) -> None:
    kinds = ("system", "pci", "usb_device", "usb", "net", "scsi_host", "scsi", "storage", "fc_host",
             "vports", "scsi_generic", "drm", "mdev_types", "mdev", "vpd", "none")  # fmt: skip
    for kind in (None, *kinds):
        step(f"count {kind}", conn.numOfDevices, kind)
        step(f"names {kind}", lambda kind=kind: sorted(conn.listDevices(kind)))
    step("count, flags", conn.numOfDevices, None, 1)
    step("names, flags", conn.listDevices, None, 1)
    for flags in (0, *(1 << bit for bit in range(32)), 3 << 30, 1 << 30 | 2, 1 << 31 | 18):
        step(f"all {flags:#x}", names, conn, flags)


def one(conn: Any, name: str) -> None:
    device = conn.nodeDeviceLookupByName(name)
    step(f"{name} document", device.XMLDesc)
    step(f"{name} document, flags", device.XMLDesc, 1)
    for call in ("parent", "numOfCaps", "listCaps", "isActive", "isPersistent", "autostart"):
        step(f"{name} {call}", getattr(device, call))
    for call in ("create", "undefine"):
        for flags in (0, 1):
            step(f"{name} {call} {flags}", getattr(device, call), flags)
    step(f"{name} setAutostart", device.setAutostart, 1)
    if name.startswith(("computer", "net_", "block_")):
        step(f"{name} destroy", device.destroy)


def session(conn: Any) -> None:
    lists(conn)
    for name in sorted(conn.listDevices(None)):
        one(conn, name)
    step("lookup", conn.nodeDeviceLookupByName, "nobody")
    step("lookup, adapter", conn.nodeDeviceLookupSCSIHostByWWN, "20", "10")
    step("lookup, adapter, flags", conn.nodeDeviceLookupSCSIHostByWWN, "20", "10", 1)
    for what, text in DOCUMENTS.items():
        for flags in (0, 1, 2):
            step(f"define {what} {flags}", conn.nodeDeviceDefineXML, text, flags)
            step(f"create {what} {flags}", conn.nodeDeviceCreateXML, text, flags)
    numbers = [
        step(f"register {event}", conn.nodeDeviceEventRegisterAny, None, event, print, None)
        for event in (0, 1)
    ]
    for number in (*numbers, 77):
        step(f"deregister {number}", conn.nodeDeviceEventDeregisterAny, number)


def main() -> None:
    libvirt.registerErrorHandler(lambda *_: None, None)
    libvirt.virEventRegisterDefaultImpl()
    conn = libvirt.open(sys.argv[1])
    session(conn)
    conn.close()
    with_less = libvirt.openReadOnly(sys.argv[2])
    for call in (with_less.nodeDeviceDefineXML, with_less.nodeDeviceCreateXML):
        step("read-only", call, MDEV.format("computer"))
    step("read-only", lambda: sorted(with_less.listDevices(None)))
    with_less.close()


if __name__ == "__main__":
    main()
