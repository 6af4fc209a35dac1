# SPDX-License-Identifier: Apache-2.0
"""Which binary runs an architecture's guests."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from virloom.drivers.qemu.capabilities import find_emulator
from virloom.errors import ConfigUnsupported


def install(directory: Path, name: str, mode: int = 0o755) -> str:
    directory.mkdir(exist_ok=True)
    path = directory / name
    path.write_text("")
    path.chmod(mode)
    return str(path)


@pytest.mark.parametrize(
    ("arch", "binary"),
    [
        ("x86_64", "qemu-system-x86_64"),
        ("i686", "qemu-system-i386"),
        ("i686", "qemu-system-x86_64"),
        ("armv7l", "qemu-system-arm"),
        ("armv7l", "qemu-system-aarch64"),
        ("ppc64le", "qemu-system-ppc64"),
    ],
)
def test_an_architecture_finds_its_binary(tmp_path: Path, arch: str, binary: str) -> None:
    path = install(tmp_path, binary)
    assert find_emulator(arch, "qemu", [str(tmp_path)]) == path


def test_the_first_directory_wins(tmp_path: Path) -> None:
    places = [tmp_path / "one", tmp_path / "two"]
    paths = [install(place, "qemu-system-x86_64") for place in places]
    assert find_emulator("x86_64", "qemu", [str(place) for place in places]) == paths[0]


def test_the_architectures_own_binary_wins_over_a_superset(tmp_path: Path) -> None:
    places = [tmp_path / "one", tmp_path / "two"]
    install(places[0], "qemu-system-x86_64")
    own = install(places[1], "qemu-system-i386")
    assert find_emulator("i686", "qemu", [str(place) for place in places]) == own


def test_kvm_takes_the_distributions_binary_last(tmp_path: Path) -> None:
    host = os.uname().machine
    kvm = install(tmp_path, "qemu-kvm")
    assert find_emulator(host, "kvm", [str(tmp_path)]) == kvm
    with pytest.raises(ConfigUnsupported):
        find_emulator(host, "qemu", [str(tmp_path)])
    own = install(tmp_path, f"qemu-system-{host}")
    assert find_emulator(host, "kvm", [str(tmp_path)]) == own


@pytest.mark.parametrize(
    ("arch", "package"),
    [("x86_64", "qemu-system-x86"), ("aarch64", "qemu-system-arm"),
     ("riscv64", "qemu-system-misc"), ("s390x", "qemu-system-misc")],
)  # fmt: skip
def test_what_is_missing_is_named_with_its_package(tmp_path: Path, arch: str, package: str) -> None:
    install(tmp_path, f"qemu-system-{arch}", 0o644)
    with pytest.raises(ConfigUnsupported) as caught:
        find_emulator(arch, "qemu", [str(tmp_path)])
    assert f"no emulator for architecture '{arch}' is installed" in caught.value.message
    assert f"apt install {package}" in caught.value.message


def test_an_architecture_that_nobody_emulates(tmp_path: Path) -> None:
    with pytest.raises(ConfigUnsupported, match="no emulator exists for architecture 'vax'"):
        find_emulator("vax", "qemu", [str(tmp_path)])
