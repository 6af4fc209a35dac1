# SPDX-License-Identifier: Apache-2.0
"""The kernel's part of a card: opened where it can be had, and shown to QEMU."""

from __future__ import annotations

import os
from contextlib import ExitStack
from pathlib import Path

import pytest

from virloom.drivers.qemu.devices.props.net import net_backend
from virloom.drivers.qemu.nics.vhost import open_accelerators
from virloom.errors import ConfigUnsupported
from virloom.model.domain import Interface
from virloom.xml import parse_document


def card(driver: str, device: Path | str, model: str = "virtio") -> Interface:
    return parse_document(
        Interface,
        f"<interface type='bridge'><source bridge='b'/><model type='{model}'/>"
        f"<driver queues='2' {driver}/><backend vhost='{device}'/><alias name='net0'/></interface>",
    )


@pytest.fixture
def device(tmp_path: Path) -> Path:
    path = tmp_path / "vhost-net"
    path.touch()
    return path


def test_each_queue_has_its_own(device: Path) -> None:
    one = card("", device)
    with ExitStack() as opened:
        files = open_accelerators([one], opened, kvm=True)
        assert list(files) == ["net0.vhost0", "net0.vhost1"]
        assert os.path.samefile(f"/proc/self/fd/{files['net0.vhost1']}", device)
    assert net_backend(one, [4, 5], [6, 7]) == {
        "type": "tap", "fds": "4:5", "vhost": True, "vhostfds": "6:7", "id": "hostnet0",
    }  # fmt: skip


@pytest.mark.parametrize(
    ("driver", "model", "kvm"),
    [("", "virtio", False), ("name='vhost'", "virtio", False), ("name='qemu'", "virtio", True),
     ("", "rtl8139", True)],
)  # fmt: skip
def test_who_has_none(device: Path, driver: str, model: str, kvm: bool) -> None:
    with ExitStack() as opened:
        assert open_accelerators([card(driver, device, model)], opened, kvm=kvm) == {}


def test_only_who_asks_for_it_is_refused(tmp_path: Path) -> None:
    with ExitStack() as opened:
        assert open_accelerators([card("", tmp_path / "none")], opened, kvm=True) == {}
        with pytest.raises(ConfigUnsupported, match=r"vhost-net is asked for by net0.*none"):
            open_accelerators([card("name='vhost'", tmp_path / "none")], opened, kvm=True)
