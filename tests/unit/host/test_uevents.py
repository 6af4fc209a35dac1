# SPDX-License-Identifier: Apache-2.0
"""Messages of the kernel about devices."""

from __future__ import annotations

import struct
from pathlib import Path

import pytest

from virloom.host.uevents import Uevent, parse, parse_udev, udev_runs


def message(*properties: str, start: int = 40, magic: int = 0xFEEDCAFE, more: int = 0) -> bytes:
    """As udevd sends it."""
    body = "".join(f"{one}\0" for one in properties).encode()
    head = struct.pack("=8s4s3I", b"libudev", magic.to_bytes(4, "big"), 40, start, len(body) + more)
    return head + bytes(16) + body


def test_udev_has_done_its_part() -> None:
    told = "SUBSYSTEM=net", "ACTION=add", "SEQNUM=7", "DEVPATH=/devices/virtual/net/a"
    assert parse_udev(message(*told)) == Uevent("add", "/devices/virtual/net/a")
    moved = "ACTION=move", "DEVPATH_OLD=/devices/a", "DEVPATH=/devices/b"
    assert parse_udev(message(*moved)) == Uevent("move", "/devices/b", "/devices/a")


@pytest.mark.parametrize("data", [
    b"", b"libudev\0", message("ACTION=add"), message("DEVPATH=/a"), message(), bytes(64),
    message("ACTION=add", "DEVPATH=a"), message("ACTION=add", "DEVPATH=/a", magic=1),
    message("ACTION=add", "DEVPATH=/a", start=1 << 30), message("ACTION=add", "DEVPATH=/a", more=1),
    b"add@/devices/virtual/net/a\0ACTION=add\0DEVPATH=/devices/virtual/net/a\0",
])  # fmt: skip
def test_what_is_no_message_of_udev(data: bytes) -> None:
    assert parse_udev(data) is None


def test_whether_udev_runs_here(tmp_path: Path) -> None:
    file = tmp_path / "unix"
    assert not udev_runs(file)
    line = "0000000000000000: 00000002 00000000 00010000 0005 01 1 {}\n"
    file.write_text("Num Path\n" + line.format("/run/udev/control2") + line.format("/x"))
    assert not udev_runs(file)
    file.write_text("Num Path\n" + line.format("/run/udev/control") + line.format("/x"))
    assert udev_runs(file)


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
