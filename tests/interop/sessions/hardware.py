# SPDX-License-Identifier: Apache-2.0
"""All devices of a host as libvirt's binding has them: ``/usr/bin/python3 hardware.py URI``."""

from __future__ import annotations

import sys

import libvirt


def main() -> None:
    conn = libvirt.open(sys.argv[1])
    for device in sorted(conn.listAllDevices(), key=lambda device: device.name()):
        if not device.name().startswith("net_"):  # of the namespace, whose addresses change
            print(device.listCaps())
            print(device.XMLDesc())
    for bit in range(22):
        if bit != 4:
            print(bit, sorted(device.name() for device in conn.listAllDevices(1 << bit)))


if __name__ == "__main__":
    main()
