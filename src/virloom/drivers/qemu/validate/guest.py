# SPDX-License-Identifier: Apache-2.0
"""Checks of everything outside ``<cpu>`` and ``<devices>``."""

from __future__ import annotations

import re

from virloom.drivers.qemu.capabilities.binary import BinaryCaps
from virloom.drivers.qemu.capabilities.document import SERVED
from virloom.drivers.qemu.devices.address_chipset import is_q35
from virloom.drivers.qemu.devices.boards import is_x86
from virloom.drivers.qemu.devices.describe import boots
from virloom.drivers.qemu.validate.identity import check_source_labels
from virloom.drivers.qemu.validate.timers import check_given_clock, check_timers
from virloom.enums.error import ErrorDomain
from virloom.errors import ConfigUnsupported, InternalError, XmlDetail, XmlError
from virloom.model.domain import Domain

_TYPES = ("qemu", "kvm")
# Where vCPUs are numbered in eight bits unless an IOMMU remaps interrupts.
_MOST_VCPUS = 255
_LONGEST_TIMEOUT = 65535
#: What s390x boots with.
_LOADPARM = re.compile(r"[A-Za-z0-9. ]{1,8}")
_VARIABLES = (None, "file", "block", "network")


def check_given_guest(dom: Domain) -> None:
    """Name, kind, memory, vCPUs, firmware and boot order as the document has them."""
    if not dom.name or "/" in dom.name:
        raise XmlError(
            f"'{dom.name}' cannot be a domain's name: it is empty or has a '/'",
            domain=ErrorDomain.DOMAIN,
        )
    if dom.type not in _TYPES:
        raise ConfigUnsupported(
            f"domain type '{dom.type}' is not one of QEMU's",
            domain=ErrorDomain.QEMU,
            remedy="qemu emulates, kvm uses the processor",
        )
    if not dom.os.type.value:
        raise XmlError("<os> has no type", domain=ErrorDomain.DOMAIN, remedy="<type>hvm</type>")
    if dom.os.type.arch is not None and dom.os.type.arch not in SERVED:
        raise ConfigUnsupported(
            f"architecture '{dom.os.type.arch}' is not supported",
            domain=ErrorDomain.DOMAIN,
            remedy=f"there are {', '.join(SERVED)}",
        )
    if not dom.memory and not dom.numa_cells:
        raise XmlError(
            f"domain '{dom.name}' has no memory",
            domain=ErrorDomain.DOMAIN,
            remedy="<memory unit='MiB'>512</memory>",
        )
    check_given_settings(dom)


def check_given_settings(dom: Domain) -> None:
    """vCPUs, clock, firmware and boot order, which libvirt checks for every driver."""
    _given_vcpus(dom)
    check_given_clock(dom.clock)
    _firmware(dom)
    _os_parts(dom)
    _boot_order(dom)


def _given_vcpus(dom: Domain) -> None:
    vcpu = dom.vcpu
    if vcpu.value == 0:
        raise InternalError(f"domain '{dom.name}' has no vCPU", domain=ErrorDomain.DOMAIN)
    if vcpu.current is not None and vcpu.current > (vcpu.value or 1):
        raise ConfigUnsupported(
            f"{vcpu.current} vCPUs cannot be present of {vcpu.value or 1}",
            domain=ErrorDomain.DOMAIN,
        )


def _firmware(dom: Domain) -> None:
    loader, nvram = dom.os.loader, dom.os.nvram
    features = {f.name: f.enabled for f in dom.os.firmware_features.features}
    wrong = ""
    if dom.os.firmware in ("efi", "bios"):
        given = {
            "readonly": loader.readonly,
            "type": loader.type,
            "secure": None if loader.secure else loader.secure,
            "path": loader.value,
        }
        named = [name for name, value in given.items() if value is not None]
        if features.get("enrolled-keys") and features.get("secure-boot") is False:
            wrong = "a firmware with enrolled keys cannot be one without secure boot"
        elif named:
            wrong = f"a firmware that is chosen by itself cannot have a loader's {named[0]}"
        elif nvram.template:
            wrong = "a firmware that is chosen by itself cannot have a template of variables"
    elif features:
        wrong = "features of firmware are for one that is chosen by itself"
    elif not loader.value and (
        loader.type or loader.readonly is not None or nvram.value or nvram.source
    ):
        wrong = "the loader has no path, and firmware='efi' is not asked for"
    elif loader.stateless and nvram.value:
        wrong = "a stateless loader has no variables"
    if wrong:
        raise XmlDetail(f"<os> of domain '{dom.name}': {wrong}", domain=ErrorDomain.DOMAIN)


def _os_parts(dom: Domain) -> None:
    """ACPI tables, times of the boot, and where variables are kept."""
    os = dom.os
    if len(os.acpi.tables) > 1:
        raise XmlError("there can be one ACPI table only", domain=ErrorDomain.DOMAIN)
    for table in os.acpi.tables:
        if table.type != "slic":
            raise XmlError(
                f"ACPI table of type '{table.type}'; there is slic", domain=ErrorDomain.DOMAIN
            )
    for name, value, least in (
        ("timeout of <bootmenu>", os.bootmenu.timeout, 0),
        ("rebootTimeout of <bios>", os.bios.reboot_timeout, -1),
    ):
        if value is not None and not least <= value <= _LONGEST_TIMEOUT:
            raise ConfigUnsupported(
                f"{name} is {value}, not from {least} to {_LONGEST_TIMEOUT}",
                domain=ErrorDomain.DOMAIN,
            )
    if os.nvram.source is not None:
        check_source_labels(os.nvram.source.seclabels)
    elif os.nvram.type is not None:
        raise InternalError(f"<nvram> of type '{os.nvram.type}' has no source")


def _boot_order(dom: Domain) -> None:
    orders: set[int] = set()
    for boot in boots(dom):
        if boot.order == 0:
            raise XmlError("boot order counts from 1", domain=ErrorDomain.XML)
        if boot.order in orders:
            raise ConfigUnsupported(
                f"boot order {boot.order} is given to two devices", domain=ErrorDomain.DOMAIN
            )
        orders.add(boot.order or 0)
        if boot.loadparm is not None and not _LOADPARM.fullmatch(boot.loadparm):
            raise InternalError(
                f"loadparm '{boot.loadparm[:80]}' is not 1 to 8 letters, digits, points and blanks",
                domain=ErrorDomain.DOMAIN,
            )
    if orders and dom.os.boots:
        raise ConfigUnsupported(
            "boot devices are given both in <os> and at devices; only one of them can count",
            domain=ErrorDomain.DOMAIN,
        )


def check_guest(dom: Domain, caps: BinaryCaps) -> None:
    """What depends on the machine, and what does not go together."""
    machine = caps.machine(dom.os.type.machine or "")
    if dom.os.type.value != "hvm":
        raise ConfigUnsupported(
            f"operating system type '{dom.os.type.value}' is not QEMU's; it has hvm",
            domain=ErrorDomain.QEMU,
        )
    vcpus = dom.vcpu.value or 1
    if vcpus > machine.cpu_max:
        raise ConfigUnsupported(
            f"machine '{machine.name}' has at most {machine.cpu_max} vCPUs, not {vcpus}",
            domain=ErrorDomain.QEMU,
        )
    if vcpus > _MOST_VCPUS and not dom.devices.iommus:
        raise ConfigUnsupported(
            f"{vcpus} vCPUs need an IOMMU with extended interrupt mode; without, "
            f"{_MOST_VCPUS} are the most",
            domain=ErrorDomain.QEMU,
        )
    if dom.os.nvram.type not in _VARIABLES:
        raise ConfigUnsupported(
            f"firmware variables cannot be of type '{dom.os.nvram.type}'", domain=ErrorDomain.QEMU
        )
    _variables(dom)
    _secure_boot(dom)
    check_actions(dom)
    check_timers(dom)
    if dom.os.bios.useserial and not dom.devices.serials:
        raise XmlError("the BIOS cannot use a serial port: there is none", domain=ErrorDomain.QEMU)


def _variables(dom: Domain) -> None:
    """What firmware's variables cannot be kept in."""
    source = dom.os.nvram.source
    wrong = ""
    if source is not None and source.slices.slices:
        wrong = "a part of a file"
    elif source is not None and source.reservations is not None:
        wrong = "a disk with reservations"
    if wrong:
        raise ConfigUnsupported(f"firmware variables cannot be in {wrong}", domain=ErrorDomain.QEMU)


def _secure_boot(dom: Domain) -> None:
    loader = dom.os.loader
    uefi = dom.os.firmware == "efi" or loader.type == "pflash"
    if uefi and not dom.features.acpi and is_x86(dom):
        raise ConfigUnsupported(
            "UEFI needs ACPI", domain=ErrorDomain.QEMU, remedy="<features><acpi/></features>"
        )
    if not loader.secure or dom.os.firmware:
        return
    if not is_q35(dom.os.type.machine):
        raise ConfigUnsupported("secure boot needs a Q35 machine", domain=ErrorDomain.QEMU)
    if dom.features.smm is None or dom.features.smm.state is False:
        raise ConfigUnsupported(
            "secure boot needs SMM", domain=ErrorDomain.QEMU, remedy="<smm state='on'/>"
        )


def check_actions(dom: Domain) -> None:
    wrong = ""
    if "preserve" in (dom.on_poweroff, dom.on_reboot):
        wrong = "qemu driver doesn't support the 'preserve' action for 'on_reboot'/'on_poweroff'"
    elif "rename-restart" in (dom.on_poweroff, dom.on_reboot, dom.on_crash):
        wrong = "QEMU guests cannot be started again under another name"
    elif dom.on_poweroff == "restart" and dom.on_reboot == "destroy":
        # QEMU tells both apart only after its own reset has happened.
        wrong = "on_poweroff 'restart' does not go with on_reboot 'destroy'"
    if wrong:
        raise ConfigUnsupported(wrong, domain=ErrorDomain.QEMU)
