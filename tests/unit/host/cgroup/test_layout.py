# SPDX-License-Identifier: Apache-2.0
"""Names and places of guests' groups; those expected were seen on libvirt 9.0.0."""

from __future__ import annotations

import pytest

from virloom.host.cgroup import layout


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("vm", "qemu-1-vm"),
        ("a b_c.d", "qemu-1-abc.d"),
        ("--x..y-.z", "qemu-1-x.y-z"),
        ("x" * 80, "qemu-1-" + "x" * 57),
        ("ö", "qemu-1-"),
    ],
)
def test_machine_name(name: str, expected: str) -> None:
    assert layout.machine_name(1, name) == expected


def test_an_embedded_driver_names_its_root() -> None:
    assert layout.machine_name(1, "cgref", "/tmp/cgroups/embed") == "qemu-embed-478b995d-1-cgref"


@pytest.mark.parametrize(
    ("partition", "path"),
    [
        ("/machine", "/machine"),
        ("/machine/production", "/machine/production.partition"),
        ("/machine/a.partition/b", "/machine/a.partition/b.partition"),
        ("/production", "/production.partition"),
        ("/machine/cpu.big", "/machine/_cpu.big.partition"),
        ("//machine//x/", "/machine/x.partition"),
    ],
)
def test_partition(partition: str, path: str) -> None:
    assert layout.partition_path(partition) == path


@pytest.mark.parametrize("partition", ["machine", "", "/machine/../x"])
def test_what_is_no_partition(partition: str) -> None:
    with pytest.raises(ValueError, match="partition"):
        layout.partition_path(partition)


def test_thread_groups() -> None:
    assert layout.thread_groups([0, 1], [1, 4]) == [
        "emulator",
        "vcpu0",
        "vcpu1",
        "iothread1",
        "iothread4",
    ]
    assert layout.guest_group("/machine/g/emulator") == "/machine/g"
    assert layout.guest_group("/machine/g") == "/machine/g"
