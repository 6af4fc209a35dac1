# SPDX-License-Identifier: Apache-2.0
"""Vital product data, whole and hostile."""

from __future__ import annotations

import random

import pytest

from tests.fakes.sys_hardware import READ, WRITTEN, product_data
from virloom.drivers.nodedev.vpd import vital_capability

WHOLE = product_data(b"ConnectX-5", READ, WRITTEN)


def test_whole_data() -> None:
    found = vital_capability(WHOLE)
    assert found is not None
    assert found.name == "ConnectX-5"
    read, written = found.fields
    assert (read.change_level, read.serial_number, read.asset_tag) == ("A2", "MT123", None)
    assert [(one.index, one.text) for one in read.vendor_fields] == [
        ("0", "PCIe Gen3"), ("A", "vendor a")
    ]  # fmt: skip
    assert (written.asset_tag, written.serial_number) == ("tag 1", None)
    assert [one.index for one in written.system_fields] == ["1", "B"]


def test_values_that_cannot_be_printed() -> None:
    odd = [("SN", b"\xff"), ("PN", b"a\nb"), ("EC", b"nul\0rest"), ("V1", b" sp ")]
    found = vital_capability(product_data(b"n", odd))
    assert found is not None
    (read,) = found.fields
    assert (read.serial_number, read.part_number, read.change_level) == (None, None, "nul")
    assert read.vendor_fields[0].text == "sp"
    assert vital_capability(product_data(b"n\1", READ)) is None


@pytest.mark.parametrize("cut", range(len(WHOLE)))
def test_what_is_cut_off_is_no_data(cut: int) -> None:
    assert vital_capability(WHOLE[:cut]) is None


def test_what_has_another_sum_is_no_data() -> None:
    assert vital_capability(product_data(b"n", READ, sum_off=1)) is None


def test_noise_ends() -> None:
    noise = random.Random(7)
    for _ in range(300):
        data = bytearray(WHOLE)
        for _ in range(3):
            data[noise.randrange(len(data))] = noise.randrange(256)
        vital_capability(bytes(data))
        vital_capability(noise.randbytes(200))
