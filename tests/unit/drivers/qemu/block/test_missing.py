# SPDX-License-Identifier: Apache-2.0
"""Which disks a guest starts without."""

from __future__ import annotations

import pytest

from virloom.drivers.qemu.block.missing import do_without, drop_missing, may_be_missing
from virloom.enums.domain import ConnectDomainEventDiskChangeReason as Reason
from virloom.model.domain import Domain
from virloom.xml import parse_document

HEAD = "<domain type='qemu'><name>web</name><os><type>hvm</type></os>"
FILE = (
    "<disk type='file' device='{}'><driver name='qemu' type='raw'/>"
    "<source file='/nowhere/image' startupPolicy='{}'/><target dev='{}' bus='{}'/></disk>"
)


def guest(*disks: str) -> Domain:
    text = "".join(disks)
    return parse_document(Domain, HEAD + f"<devices>{text}</devices></domain>")


def test_images_that_are_missing() -> None:
    """Disks go, drives are emptied with their format; the last first, as libvirt tells of them."""
    model = guest(
        FILE.format("disk", "optional", "vda", "virtio"),
        FILE.format("cdrom", "optional", "sda", "sata"),
        FILE.format("cdrom", "mandatory", "sdb", "sata"),
    )
    gone = drop_missing(model, restoring=False)
    assert [each.reason for each in gone] == [
        Reason.CHANGE_MISSING_ON_START, Reason.DROP_MISSING_ON_START
    ]  # fmt: skip
    assert {each.path for each in gone} == {"/nowhere/image"}
    empty, full = model.devices.disks
    assert (empty.source.file, empty.driver.type) == (None, None)
    assert full.source.file == "/nowhere/image"


def test_a_volume_that_is_missing() -> None:
    """Nobody knows its place; its name is there before the guest's devices have theirs."""
    text = FILE.replace("file='/nowhere/image'", "pool='p' volume='v'").replace(
        "'file'", "'volume'"
    )
    model = guest(text.format("disk", "optional", "vdb", "virtio"))
    gone = do_without(model, model.devices.disks[0], None)
    assert gone == (None, "virtio-disk1", Reason.DROP_MISSING_ON_START)
    assert model.devices.disks == []


@pytest.mark.parametrize(
    ("device", "policy", "cold", "restored"),
    [
        ("disk", "optional", True, False), ("disk", "mandatory", False, False),
        ("cdrom", "optional", True, True), ("cdrom", "requisite", False, True),
        ("floppy", "requisite", False, True), ("cdrom", "mandatory", False, False),
    ],
)  # fmt: skip
def test_policies(device: str, policy: str, cold: bool, restored: bool) -> None:
    """A state has the disks that it was saved with: only media may be missing then."""
    (disk,) = guest(FILE.format(device, policy, "sda", "sata")).devices.disks
    assert may_be_missing(disk, restoring=False) is cold
    assert may_be_missing(disk, restoring=True) is restored
