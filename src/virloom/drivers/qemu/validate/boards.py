# SPDX-License-Identifier: Apache-2.0
"""What machines beside the PC do not have."""

from __future__ import annotations

from virloom.drivers.qemu.capabilities.binary import BinaryCaps
from virloom.drivers.qemu.devices.boards import board, is_arm, is_ccw, is_virt, is_x86
from virloom.enums.error import ErrorDomain
from virloom.errors import ConfigUnsupported
from virloom.model.domain import Domain

_WITHOUT_PARALLEL = ("ppc64", "ppc64le", "s390x")
_WITHOUT_MAXIMUM = ("ppc64", "ppc64le", "riscv32", "riscv64")
_SOUNDS = {"ich6": "intel-hda", "ich7": "intel-hda", "ich9": "ich9-intel-hda", "ac97": "AC97"}


def check_board(dom: Domain, caps: BinaryCaps) -> None:
    """Refuses what the processor's family or the machine lacks.

    Raises:
        ConfigUnsupported: With libvirt 9's code.
    """
    if is_x86(dom):
        return
    wrong = _firmware(dom) or _devices(dom)
    if not wrong and is_ccw(dom):
        wrong = _without_device(dom, caps)
    if wrong:
        raise ConfigUnsupported(
            f"machine '{dom.os.type.machine}' ({dom.os.type.arch}): {wrong}",
            domain=ErrorDomain.QEMU,
        )


def _firmware(dom: Domain) -> str:
    uefi = dom.os.firmware == "efi" or dom.os.loader.type == "pflash"
    if is_arm(dom) and is_virt(dom) and dom.features.acpi and not uefi:
        return "ACPI needs UEFI (<os firmware='efi'>)"
    if dom.cpu is not None and dom.cpu.mode == "maximum":
        return "it has no CPU mode 'maximum'" if dom.os.type.arch in _WITHOUT_MAXIMUM else ""
    return ""


def _devices(dom: Domain) -> str:
    devices = dom.devices
    if any(device.bus == "ps2" for device in devices.inputs) and not _has_ps2(dom):
        return "it has no PS/2 ports; use bus='usb' or bus='virtio'"
    if any(panic.model in ("isa", "hyperv") for panic in devices.panics):
        return f"it has no such panic device; known: {board(dom).panic or 'none'}"
    if devices.parallels and dom.os.type.arch in _WITHOUT_PARALLEL:
        return "it has no parallel ports"
    return ""


def _has_ps2(dom: Domain) -> bool:
    return dom.os.type.arch in ("ppc64", "ppc64le")


def _without_device(dom: Domain, caps: BinaryCaps) -> str:
    """What QEMU's list of devices lacks: such a QEMU has few."""
    wanted = [_SOUNDS.get(sound.model or "", "") for sound in dom.devices.sounds]
    wanted += ["ahci" for controller in dom.devices.controllers if controller.type == "sata"]
    wanted += ["usb-storage" for disk in dom.devices.disks if disk.target.bus == "usb"]
    for name in filter(None, wanted):
        if not caps.has_device(name):
            return f"'{caps.path}' has no device '{name}'"
    return ""
