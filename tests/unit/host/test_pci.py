# SPDX-License-Identifier: Apache-2.0
"""PCI devices change drivers, and back."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.fakes.pci_kernel import PciKernel
from virloom.host import pci
from virloom.host.release import release

CARD, OTHER, BRIDGE = "0000:01:00.0", "0000:01:00.1", "0000:00:1c.0"


@pytest.fixture
def kernel(tmp_path: Path) -> PciKernel:
    return PciKernel(tmp_path, {CARD: "e1000e"})


def test_a_device_is_taken_and_given_back(kernel: PciKernel) -> None:
    device = kernel.add(CARD, 1)
    resource = pci.lent(device, "hostdev0")
    pci.bind(device, write=kernel.write)
    assert (pci.driver_of(device), pci.override_of(device)) == ("vfio-pci", "vfio-pci")
    pci.bind(device, write=kernel.write)
    assert len(kernel.written) == 3
    for _ in range(2):
        pci.give_back(resource, kernel.write)
        assert (pci.driver_of(device), pci.override_of(device)) == ("e1000e", "")
    assert len(kernel.written) == 6


def test_what_was_never_taken_is_left_alone(kernel: PciKernel, tmp_path: Path) -> None:
    device = kernel.add(CARD, 1)
    assert release([pci.lent(device, "hostdev0")]) == []
    assert release([{"kind": "pci", "path": str(tmp_path / "gone"), "override": ""}]) == []
    assert kernel.written == []


def test_a_device_without_a_driver_has_none_afterwards(kernel: PciKernel) -> None:
    device = kernel.add(OTHER, 1)
    resource = pci.lent(device, "hostdev0")
    pci.bind(device, write=kernel.write)
    assert pci.driver_of(device) == "vfio-pci"
    pci.give_back(resource, kernel.write)
    assert pci.driver_of(device) is None


@pytest.mark.parametrize("done", [1, 2, 3])
def test_a_kill_at_any_step_is_undone(kernel: PciKernel, done: int) -> None:
    device = kernel.add(CARD, 1)
    resource = pci.lent(device, "hostdev0")

    def killed(path: str, value: str) -> None:
        kernel.write(path, value)
        if len(kernel.written) == done:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        pci.bind(device, write=killed)
    pci.give_back(resource, kernel.write)
    assert (pci.driver_of(device), pci.override_of(device)) == ("e1000e", "")


def test_a_driver_that_does_not_take_it(tmp_path: Path) -> None:
    kernel = PciKernel(tmp_path, {CARD: "e1000e"}, refused=("vfio-pci",))
    device = kernel.add(CARD, 1)
    with pytest.raises(OSError, match="does not take it"):
        pci.bind(device, write=kernel.write)
    assert pci.driver_of(device) is None


def test_bridges_and_groups(kernel: PciKernel) -> None:
    card, bridge = kernel.add(CARD, 1), kernel.add(BRIDGE, 1, 0x060400)
    assert (pci.is_bridge(card), pci.is_bridge(bridge)) == (False, True)
    assert pci.group_of(card) == [bridge, card]
