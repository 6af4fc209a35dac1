# SPDX-License-Identifier: Apache-2.0
"""The document of domain capabilities, from made-up binaries and firmware."""

from __future__ import annotations

import json
import os
import xml.etree.ElementTree as ET
from pathlib import Path

import pytest

from virloom.drivers.qemu.capabilities.binary import BinaryCaps, CpuModel, Machine
from virloom.drivers.qemu.capabilities.cache import CapabilityCache
from virloom.drivers.qemu.capabilities.domain_document import (
    Kind,
    choose,
    document,
    domain_capabilities_xml,
)
from virloom.drivers.qemu.capabilities.kvm import Verdict
from virloom.drivers.qemu.firmware import Firmware, firmware_for
from virloom.errors import ConfigUnsupported, InvalidArg, SystemFailure

NO_KVM = Verdict(False, "no such device")
KVM = Verdict(True, "")

ARCH = os.uname().machine


def caps(arch: str = "x86_64") -> BinaryCaps:
    return BinaryCaps(
        path="/usr/bin/qemu",
        version=(7, 2, 0),
        arch=arch,
        machines=[
            Machine("pc-i440fx-7.2", alias="pc", default=True, cpu_max=255),
            Machine("pc-q35-7.2", alias="q35", cpu_max=288),
            Machine("microvm", cpu_max=288),
        ],
        cpu_models=[
            CpuModel("qemu64", unavailable=()),
            CpuModel("EPYC", unavailable=("topoext",)),
            CpuModel("EPYC-v2", unavailable=()),
            CpuModel("Conroe", deprecated=True),
            CpuModel("max", unavailable=()),
        ],
        devices=["VGA", "virtio-gpu-pci", "vmgenid"],
    )


def parsed(machine: str = "q35", type: str = "qemu", *firmware: Firmware) -> ET.Element:
    binary = caps()
    return ET.fromstring(document(Kind(binary, "x86_64", binary.machine(machine), type), firmware))


def values(root: ET.Element, path: str, enum: str) -> list[str | None]:
    return [item.text for item in root.iterfind(f"{path}/enum[@name='{enum}']/value")]


def test_what_is_told_of_the_machine() -> None:
    root = parsed()
    assert root.findtext("path") == "/usr/bin/qemu"
    assert root.findtext("domain") == "qemu"
    assert root.findtext("machine") == "pc-q35-7.2"
    assert root.findtext("arch") == "x86_64"
    vcpu = root.find("vcpu")
    assert vcpu is not None
    assert vcpu.get("max") == "288"


def test_firmware() -> None:
    secure = Firmware(("efi",), "/fw/a&b.fd", True)
    root = parsed("q35", "qemu", secure, Firmware(("bios", "efi"), "/fw/c.fd", False))
    assert [one.text for one in root.iterfind("os/loader/value")] == ["/fw/a&b.fd", "/fw/c.fd"]
    assert values(root, "os", "firmware") == ["bios", "efi"]
    assert values(root, "os/loader", "secure") == ["yes", "no"]
    bare = parsed()
    assert values(bare, "os", "firmware") == []
    assert values(bare, "os/loader", "secure") == ["no"]


def test_processors_under_emulation() -> None:
    root = parsed()
    modes = {mode.get("name"): mode.get("supported") for mode in root.iterfind("cpu/mode")}
    assert modes == {
        "host-passthrough": "no",
        "maximum": "yes",
        "host-model": "yes",
        "custom": "yes",
    }
    models = {one.text: one.attrib for one in root.iterfind("cpu/mode[@name='custom']/model")}
    assert models == {
        "qemu64": {"usable": "yes", "vendor": "unknown"},
        "EPYC": {"usable": "no", "vendor": "AMD"},
        "Conroe": {"usable": "unknown", "vendor": "Intel", "deprecated": "yes"},
    }


def test_processors_under_kvm() -> None:
    """Which models KVM can give is not known: QEMU was asked under TCG."""
    root = parsed("q35", "kvm")
    assert values(root, "cpu/mode[@name='host-passthrough']", "hostPassthroughMigratable")
    models = root.findall("cpu/mode[@name='custom']/model")
    assert {one.get("usable") for one in models} == {"unknown"}


def test_devices_by_machine() -> None:
    assert values(parsed("pc"), "devices/disk", "bus")[0] == "ide"
    assert "ide" not in values(parsed("q35"), "devices/disk", "bus")
    assert values(parsed("microvm"), "devices/disk", "bus") == ["virtio"]
    assert values(parsed("q35"), "devices/video", "modelType") == ["vga", "virtio", "none"]
    assert values(parsed("microvm"), "devices/video", "modelType") == ["none"]
    graphics = parsed().find("devices/graphics")
    assert graphics is not None
    assert graphics.get("supported") == "yes"


def test_what_is_not_named_is_chosen() -> None:
    kind = choose(caps(), NO_KVM, None, None, None)
    assert (kind.arch, kind.machine.name, kind.type) == ("x86_64", "pc-i440fx-7.2", "qemu")
    assert choose(caps("i386"), NO_KVM, "i686", "q35", None).arch == "i686"


@pytest.mark.skipif(ARCH != "x86_64", reason="KVM runs its own architecture only")
def test_kvm_is_chosen_where_it_works() -> None:
    assert choose(caps(), KVM, None, None, None).type == "kvm"
    assert choose(caps(), KVM, None, None, "qemu").type == "qemu"


@pytest.mark.parametrize(
    ("arch", "machine", "type", "words"),
    [
        ("aarch64", None, None, "doesn't match given architecture"),
        (None, "toaster", None, "machine 'toaster' is not supported"),
        (None, None, "xen", "does not support virt type 'xen'"),
        (None, None, "kvm", "no such device"),
    ],
)
def test_what_does_not_go_together(
    arch: str | None, machine: str | None, type: str | None, words: str
) -> None:
    with pytest.raises(InvalidArg, match=words):
        choose(caps(), NO_KVM, arch, machine, type)


def test_an_architecture_that_is_not_served() -> None:
    with pytest.raises(ConfigUnsupported, match="sparc64"):
        choose(caps("sparc64"), NO_KVM, "sparc64", None, None)


async def test_names_that_exist_nowhere(tmp_path: Path) -> None:
    cache = CapabilityCache(tmp_path)
    with pytest.raises(InvalidArg, match="unknown virttype: toaster"):
        await domain_capabilities_xml(cache, NO_KVM, type="toaster")
    with pytest.raises(InvalidArg, match="unknown architecture: toaster"):
        await domain_capabilities_xml(cache, NO_KVM, arch="toaster")
    with pytest.raises(SystemFailure):
        await domain_capabilities_xml(cache, NO_KVM, emulator=str(tmp_path / "none"))


def descriptor(machines: list[str], features: list[str], path: str) -> str:
    return json.dumps(
        {
            "interface-types": ["uefi"],
            "mapping": {
                "device": "flash",
                "executable": {"filename": path, "format": "raw"},
                "nvram-template": {"filename": path + ".vars", "format": "raw"},
            },
            "targets": [{"architecture": "x86_64", "machines": machines}],
            "features": features,
            "tags": [],
        }
    )


def test_firmware_by_machine(tmp_path: Path) -> None:
    (tmp_path / "10-secure.json").write_text(
        descriptor(["pc-q35-*"], ["secure-boot", "requires-smm"], "/fw/secure.fd")
    )
    (tmp_path / "20-plain.json").write_text(
        descriptor(["pc-q35-*", "pc-i440fx-*"], [], "/fw/plain.fd")
    )
    both = list(firmware_for("x86_64", "pc-q35-7.2", [tmp_path]))
    assert both == [
        Firmware(("efi",), "/fw/secure.fd", True),
        Firmware(("efi",), "/fw/plain.fd", False),
    ]
    assert [one.path for one in firmware_for("x86_64", "pc-i440fx-7.2", [tmp_path])] == [
        "/fw/plain.fd"
    ]
    assert not list(firmware_for("i686", "pc-q35-7.2", [tmp_path]))
