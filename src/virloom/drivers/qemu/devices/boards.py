# SPDX-License-Identifier: Apache-2.0
"""Families of machines beside the PC, and what libvirt 9 gives each of them.

``virt`` of ARM and RISC-V has PCI Express and a serial port of its own; ``pseries`` of POWER has
conventional PCI and the paravirtual VIO bus; ``s390-ccw-virtio`` has channels and no PCI to speak
of.
"""

from __future__ import annotations

from typing import NamedTuple

from virloom.model.domain import Domain

_ARM = ("aarch64", "armv6l", "armv7l", "armv7b")
_PPC = ("ppc64", "ppc64le")
_RISCV = ("riscv32", "riscv64")
_X86 = ("x86_64", "i686")


class Board(NamedTuple):
    """What a family of machines has by itself.

    Attributes:
        root: Model of the first PCI controller; None without PCI.
        usb: Model of the USB controller that every guest gets; None where it gets none.
        balloon: Whether every guest gets a memory balloon.
        serial: Target type and model of a serial port that says neither.
        video: Model of a card that says none; None where QEMU's list decides.
        panic: Model of the panic device that every guest gets, or that ``<panic/>`` means.
    """

    root: str | None = None
    usb: str | None = None
    balloon: bool = True
    serial: tuple[str, str] | None = None
    video: str | None = None
    panic: str | None = None


_ARM_VIRT = Board("pcie-root", None, False, ("system-serial", "pl011"), "virtio")
_ARM_OTHER = Board(None, None, False, ("system-serial", "pl011"))
_RISCV_VIRT = Board("pcie-root", None, True, ("system-serial", "16550a"), "virtio")
_PSERIES = Board("pci-root", "qemu-xhci", True, ("spapr-vio-serial", "spapr-vty"), "vga", "pseries")
_CCW = Board("pci-root", None, True, ("sclp-serial", "sclpconsole"), "virtio", "s390")


def is_x86(dom: Domain) -> bool:
    """Whether the guest is a PC."""
    return dom.os.type.arch in (None, *_X86)


def is_arm(dom: Domain) -> bool:
    """Whether the guest has an ARM processor, of 32 or 64 bits."""
    return dom.os.type.arch in _ARM


def is_virt(dom: Domain) -> bool:
    """Whether the machine is ARM's or RISC-V's ``virt``."""
    machine = dom.os.type.machine or ""
    named = machine == "virt" or machine.startswith("virt-")
    return named and dom.os.type.arch in (*_ARM, *_RISCV)


def is_pseries(dom: Domain) -> bool:
    """Whether the machine is POWER's ``pseries``."""
    machine = dom.os.type.machine or ""
    return dom.os.type.arch in _PPC and (machine == "pseries" or machine.startswith("pseries-"))


def is_ccw(dom: Domain) -> bool:
    """Whether the machine's devices sit on channels (s390x)."""
    machine = dom.os.type.machine or ""
    return dom.os.type.arch in ("s390", "s390x") and machine.startswith("s390-ccw")


def board(dom: Domain) -> Board:
    """What the guest's machine has by itself, unless it is a PC."""
    if is_pseries(dom):
        return _PSERIES
    if is_ccw(dom):
        return _CCW
    if is_virt(dom):
        return _ARM_VIRT if is_arm(dom) else _RISCV_VIRT
    if is_arm(dom):
        return _ARM_OTHER
    if dom.os.type.arch in _PPC:
        return Board("pci-root", "qemu-xhci")
    return Board()
