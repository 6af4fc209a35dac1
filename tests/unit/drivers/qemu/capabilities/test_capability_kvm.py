# SPDX-License-Identifier: Apache-2.0
"""Whether KVM runs guests: the verdict, and how long it holds."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from virloom.drivers.qemu.capabilities import kvm
from virloom.errors import ConfigUnsupported


async def test_a_host_without_the_device(tmp_path: Path) -> None:
    verdict = await kvm.check(tmp_path, device=str(tmp_path / "kvm"))
    assert verdict == kvm.Verdict(False, f"{tmp_path}/kvm: No such file or directory")
    assert not (tmp_path / "kvm.json").exists()


async def test_a_verdict_holds_for_its_device_and_boot(tmp_path: Path) -> None:
    device = tmp_path / "device"
    device.write_text("")
    file = tmp_path / "kvm.json"
    kept = kvm.Verdict(True, "kept")
    kvm._save(file, kvm._key(str(device)), kept)
    assert await kvm.check(tmp_path, device=str(device)) == kept
    data = json.loads(file.read_bytes())
    assert kvm._load(file, ["another boot", *data["key"][1:]]) is None


def test_a_damaged_file_is_no_verdict(tmp_path: Path) -> None:
    file = tmp_path / "kvm.json"
    for damage in (b"", b"[]", b'{"key": [1]}', b"{" * 100_000, b"\xff"):
        file.write_bytes(damage)
        assert kvm._load(file, [1]) is None


async def test_a_guest_that_needs_kvm_is_refused_without(tmp_path: Path) -> None:
    with pytest.raises(ConfigUnsupported, match=r"'web'.*No such file.*type='qemu'"):
        await kvm.require_usable(tmp_path, "web", device=str(tmp_path / "kvm"))
