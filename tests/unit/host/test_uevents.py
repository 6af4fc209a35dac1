# SPDX-License-Identifier: Apache-2.0
"""Messages of the kernel about devices."""

from __future__ import annotations

from virloom.host.uevents import Uevent, parse


def test_a_device_comes() -> None:
    data = b"add@/devices/virtual/net/a\0ACTION=add\0DEVPATH=/devices/virtual/net/a\0"
    assert parse(data) == Uevent("add", "/devices/virtual/net/a")


def test_a_device_is_renamed() -> None:
    data = b"move@/devices/b\0DEVPATH_OLD=/devices/a\0SUBSYSTEM=net\0"
    assert parse(data) == Uevent("move", "/devices/b", "/devices/a")


def test_what_is_no_message_of_the_kernel() -> None:
    for data in (
        b"",
        b"libvirt",
        b"add@",
        b"add@devices/x\0",
        b"\xff\xfe@\0",
        b"libudev\0\xfe\xed",
    ):
        assert parse(data) is None
