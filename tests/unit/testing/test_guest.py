# SPDX-License-Identifier: Apache-2.0
"""Where the tiny guest's parts are found, and what is said when they are not."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from virloom.errors import OperationFailed
from virloom.testing import guest
from virloom.testing.documents import paused_guest_xml, tiny_guest_xml


@pytest.fixture
def boot(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A kernel of our own and an empty cache."""
    kernel = tmp_path / "vmlinuz-6.1.0-9-cloud-amd64"
    kernel.write_bytes(b"kernel")
    monkeypatch.setenv(guest.KERNEL_VARIABLE, str(kernel))
    monkeypatch.setenv(guest.CACHE_VARIABLE, str(tmp_path / "cache"))
    return kernel


def test_the_kernel_can_be_chosen(boot: Path) -> None:
    assert guest.kernel() == boot


def test_a_missing_kernel_is_named_with_its_package(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(guest.KERNEL_VARIABLE, str(tmp_path / "none"))
    with pytest.raises(OperationFailed, match=r"none'.*linux-image-cloud-amd64"):
        guest.kernel()


def test_versions_are_numbers() -> None:
    newest = max(
        (Path(f"vmlinuz-6.1.0-{build}-cloud-amd64") for build in (9, 56, 10)),
        key=guest.version_key,
    )
    assert newest.name == "vmlinuz-6.1.0-56-cloud-amd64"


def test_modules_come_after_what_they_need(tmp_path: Path) -> None:
    (tmp_path / "modules.dep").write_text(
        "k/virtio_blk.ko: k/virtio.ko k/virtio_ring.ko\n"
        "k/virtio.ko: k/virtio_ring.ko\n"
        "k/virtio_ring.ko:\n"
    )
    order = guest.load_order(tmp_path, ["virtio_blk", "builtin", "virtio"])
    assert [path.stem for path in order] == ["virtio_ring", "virtio", "virtio_blk"]


def test_the_image_is_built_once_and_whole(boot: Path) -> None:
    first = guest.initramfs()
    before = first.stat()
    assert guest.initramfs() == first
    assert first.stat().st_ino == before.st_ino
    assert os.listdir(first.parent) == [first.name]
    assert before.st_mode & 0o777 == 0o644


def test_a_cache_that_is_no_directory_is_refused(
    boot: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").write_text("")
    monkeypatch.setenv(guest.CACHE_VARIABLE, str(tmp_path / "file"))
    with pytest.raises(OperationFailed, match=guest.CACHE_VARIABLE):
        guest.initramfs()


@pytest.mark.parametrize(
    ("console", "serial"),
    [
        ("pty", '<serial type="pty"><target'),
        ("file:/a&b", '<serial type="file"><source path="/a&amp;b"/>'),
        ("unix:/s", "<source mode='bind' path=\"/s\"/>"),
        ("tcp:::1:70", '<source mode=\'bind\' host="::1" service="70"/>'),
    ],
)
def test_the_console_is_what_was_asked_for(console: str, serial: str) -> None:
    assert serial in paused_guest_xml("g", console=console)


def test_a_guest_loads_the_drivers_of_its_devices(boot: Path) -> None:
    assert "virloom.load= " not in tiny_guest_xml("g")
    assert tiny_guest_xml("g", disks=["/d.qcow2"]).count("type='qcow2'") == 1
    # A kernel without modules beside it has all of them built in: nothing is to be loaded.
    assert "virloom.load=<" in tiny_guest_xml("g", disks=["/d"], network=True)
