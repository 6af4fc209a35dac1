# SPDX-License-Identifier: Apache-2.0
"""All devices of a host as libvirt's binding has them: ``/usr/bin/python3 hardware.py URI``."""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import Any

import libvirt

NOBODY = ("2000000000000009", "1000000000000009")


def step(name: str, call: Callable[..., Any], *args: Any) -> None:
    """What comes of a call, or the code and domain of its error."""
    try:
        told = call(*args)
    except libvirt.libvirtError as error:
        told = (error.get_error_code(), error.get_error_domain())
    print(name, told if isinstance(told, int | str | tuple | None) else told.name())


def calls(conn: Any, device: Any) -> None:
    """What is refused, or changes nothing."""
    name = device.name()
    for call in ("isActive", "isPersistent", "autostart", "parent", "numOfCaps", "create",
                 "undefine"):  # fmt: skip
        step(f"{name} {call}", getattr(device, call))
    for wanted in (0, 1):
        step(f"{name} setAutostart", device.setAutostart, wanted)
    if "scsi_host" not in device.listCaps() and "mdev" not in device.listCaps():
        step(f"{name} destroy", device.destroy)


def adapters(conn: Any) -> None:
    """Adapters by their names."""
    for node, port in (
        ("2000000000000001", "1000000000000001"), ("2000000000000001", NOBODY[1]),
        ("0x2000000000000001", "0x1000000000000001"), (NOBODY[0], "1000000000000001"), NOBODY,
        ("", ""), ("1000000000000001", "2000000000000001"),
    ):  # fmt: skip
        step(f"adapter {node} {port}", conn.nodeDeviceLookupSCSIHostByWWN, node, port)


def main() -> None:
    libvirt.registerErrorHandler(lambda *_: None, None)
    conn = libvirt.open(sys.argv[1])
    adapters(conn)
    for device in sorted(conn.listAllDevices(), key=lambda device: device.name()):
        print(device.listCaps())
        print(device.XMLDesc())
        print()
        calls(conn, device)
    for bit in range(22):
        if bit != 4:
            print(bit, sorted(device.name() for device in conn.listAllDevices(1 << bit)))


if __name__ == "__main__":
    main()
