# SPDX-License-Identifier: Apache-2.0
"""What a call leaves of a disk's limits, and what sizes are."""

from __future__ import annotations

from typing import Any

import pytest

from virloom.drivers.qemu.block import limits
from virloom.drivers.qemu.block.resizing import new_size
from virloom.errors import ArgumentUnsupported, ConfigUnsupported, InvalidArg, NumericOverflow
from virloom.model.domain import Disk, Domain, IoTune
from virloom.xml import parse_document

BYTES, CAPACITY = 1, 2


def two_disks(first: str, second: str = "") -> Domain:
    text = (
        "<domain type='qemu'><name>d</name><memory>1</memory><os><type>hvm</type></os><devices>"
        + "".join(
            f"<disk><target dev='{name}'/><iotune>{tune}</iotune></disk>"
            for name, tune in (("vda", first), ("vdb", second))
        )
    )
    return parse_document(Domain, text + "</devices></domain>")


def after(first: str, given: dict[str, Any], second: str = "") -> dict[str, Any]:
    dom = two_disks(first, second)
    disk = dom.devices.disks[0]
    limits.set_limits(dom, disk, limits.changed(dom, disk, given))
    return {name: value for name, value in limits.limits_of(disk).items() if value}


RATE = "<total_iops_sec>9</total_iops_sec>"


@pytest.mark.parametrize(
    ("given", "wanted"),
    [
        ({"read_iops_sec": 4}, {"read_iops_sec": 4}),
        ({"read_bytes_sec": 4}, {"total_iops_sec": 9, "read_bytes_sec": 4}),
        ({"total_iops_sec": 0}, {}),
        ({"size_iops_sec": 512}, {"total_iops_sec": 9, "size_iops_sec": 512}),
        ({"group_name": "g"}, {"total_iops_sec": 9, "group_name": "g"}),
    ],
)
def test_a_call_replaces_its_own_kind(given: dict[str, Any], wanted: dict[str, Any]) -> None:
    assert after(RATE, given) == wanted


def test_a_length_that_is_taken_away_is_a_second() -> None:
    peaks = "<total_iops_sec_max>20</total_iops_sec_max>"
    length = "<total_iops_sec_max_length>5</total_iops_sec_max_length>"
    left = after(RATE + peaks + length, {"total_iops_sec_max_length": 0})
    assert left["total_iops_sec_max_length"] == 1
    none = {"total_iops_sec": 0, "total_iops_sec_max": 0, "total_iops_sec_max_length": 0}
    assert after(RATE + peaks + length, none) == {}


def test_a_group_has_one_set_of_limits() -> None:
    group = "<group_name>g</group_name>"
    joined = after("", {"group_name": "g"}, RATE + group)
    assert joined == {"total_iops_sec": 9, "group_name": "g"}
    dom = two_disks(RATE + group, RATE + group)
    first, second = dom.devices.disks
    limits.set_limits(dom, first, limits.changed(dom, first, {"read_iops_sec": 3}))
    assert limits.limits_of(second) == limits.limits_of(first)


@pytest.mark.parametrize(
    ("values", "error"),
    [
        ({"total_bytes_sec": 1, "read_bytes_sec": 1}, InvalidArg),
        ({"total_iops_sec_max": 1, "write_iops_sec_max": 1}, InvalidArg),
        ({"total_bytes_sec": 10**15 + 1}, ArgumentUnsupported),
    ],
)
def test_what_no_call_may_set(values: dict[str, Any], error: type[Exception]) -> None:
    with pytest.raises(error):
        limits.check_given(values)


def test_peaks_are_above_what_is_usual() -> None:
    limits.check_peaks(IoTune(total_iops_sec=5, total_iops_sec_max=5))
    for tune in (IoTune(total_iops_sec_max=5), IoTune(read_iops_sec=9, read_iops_sec_max=5)):
        with pytest.raises(ConfigUnsupported):
            limits.check_peaks(tune)


def test_sizes_are_whole_sectors() -> None:
    raw = parse_document(Disk, "<disk type='file'><driver type='raw'/><target dev='vda'/></disk>")
    assert new_size(raw, 1, 0) == 1024
    assert new_size(raw, 513, BYTES) == 1024
    assert new_size(raw, 0, BYTES) == 0
    with pytest.raises(NumericOverflow):
        new_size(raw, 1 << 60, 0)
    with pytest.raises(InvalidArg):
        new_size(raw, 0, CAPACITY)
