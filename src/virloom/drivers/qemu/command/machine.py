# SPDX-License-Identifier: Apache-2.0
"""The machine: chipset, accelerator, and what the board has built in."""

from __future__ import annotations

from virloom.drivers.qemu.command.arguments import keyval
from virloom.drivers.qemu.command.assembly import Assembly
from virloom.drivers.qemu.command.audio import audio_id
from virloom.drivers.qemu.command.firmware import CODE_NODE, VARS_NODE, has_variables, uses_flash
from virloom.drivers.qemu.command.general import has_acpi, has_acpi_option
from virloom.drivers.qemu.command.numa import uses_hmat
from virloom.errors import ConfigUnsupported
from virloom.model.domain import Domain, Features

_KIB_PER_MIB = 1024
_BYTES_PER_MIB = 1024 * 1024
_ACCELERATORS = {"qemu": "tcg", "kvm": "kvm"}


def add_machine(assembly: Assembly) -> None:
    """``-machine`` with all that is switched there, and the accelerator."""
    dom = assembly.dom
    pairs: list[tuple[str, object]] = [("usb", False), *_features(assembly)]
    if (
        any(sound.model == "pcspk" for sound in dom.devices.sounds)
        and not assembly.context.standalone
    ):
        pairs.append(("pcspk-audiodev", audio_id(dom)))
    pairs += _keywrap(assembly)
    pairs.append(("dump-guest-core", bool(dom.memory_dump_core)))
    if dom.memory_backing.nosharepages:
        pairs.append(("mem-merge", False))
    if any(memory.model == "nvdimm" for memory in dom.devices.memories):
        pairs.append(("nvdimm", True))
    if not dom.numa_cells:
        pairs.append(("memory-backend", assembly.ram_id))
    if uses_flash(dom):
        pairs.append(("pflash0", CODE_NODE))
        if has_variables(dom):
            pairs.append(("pflash1", VARS_NODE))
    if uses_hmat(dom):
        pairs.append(("hmat", True))
    pairs += _loadparm(dom) if assembly.mainframe else []
    if dom.os.bios.useserial:
        # The BIOS writes to the first serial port when there is no display.
        pairs.append(("graphics", False))
    assembly.args.option("machine", f"{assembly.machine_type},{keyval(pairs)}")
    kind = dom.type or "qemu"
    if kind not in _ACCELERATORS:
        raise ConfigUnsupported(f"domain type '{kind}' is not supported; known: kvm, qemu")
    accelerator = _ACCELERATORS[kind]
    cache = dom.features.tcg.tb_cache
    if kind == "qemu" and cache:
        accelerator += f",tb-size={max(1, cache // _KIB_PER_MIB)}"
    ring = dom.features.kvm.dirty_ring if dom.features.kvm is not None else None
    if kind == "kvm" and ring is not None and ring.state:
        accelerator += f",dirty-ring-size={ring.size}"
    assembly.args.option("accel", accelerator)
    if _without_hpet(assembly) and has_acpi_option(assembly):
        assembly.args.option("no-hpet")


def _keywrap(assembly: Assembly) -> list[tuple[str, object]]:
    """Which keys of the guest's the machine protects.

    Raises:
        ConfigUnsupported: It is no mainframe.
    """
    pairs: list[tuple[str, object]] = [
        (f"{cipher.name}-key-wrap", cipher.state) for cipher in assembly.dom.keywrap.ciphers
    ]
    if pairs and not assembly.mainframe:
        raise ConfigUnsupported(f"{pairs[0][0]} is not available with this QEMU binary")
    return pairs


def _loadparm(dom: Domain) -> list[tuple[str, object]]:
    """What the loader of a mainframe's first boot device is told."""
    devices = dom.devices
    boots = [
        *(disk.boot for disk in devices.disks),
        *(interface.boot for interface in devices.interfaces),
        *(hostdev.boot for hostdev in devices.hostdevs),
    ]
    ordered = [boot for boot in boots if boot is not None and boot.order is not None]
    first = min(ordered, key=lambda boot: boot.order or 0, default=None)
    return [("loadparm", first.loadparm)] if first is not None and first.loadparm else []


def _features(assembly: Assembly) -> list[tuple[str, object]]:
    """Parts of the board that the document switches on or off."""
    features = assembly.dom.features
    pairs: list[tuple[str, object]] = []
    if not features.acpi and has_acpi(assembly) and not has_acpi_option(assembly):
        pairs.append(("acpi", False))
    if features.vmport is not None:
        pairs.append(("vmport", features.vmport.state is not False))
    if features.smm is not None:
        pairs.append(("smm", features.smm.state is not False))
    if features.ioapic is not None and features.ioapic.driver is not None:
        split = {"qemu": "split", "kvm": "on"}[features.ioapic.driver]
        pairs.append(("kernel_irqchip", split))
    if features.gic is not None and assembly.dom.os.type.arch == "aarch64":
        pairs.append(("gic-version", features.gic.version))
    pairs += _pseries(features)
    if _without_hpet(assembly) and not has_acpi_option(assembly):
        pairs.append(("hpet", False))
    return pairs


def _pseries(features: Features) -> list[tuple[str, object]]:
    """Abilities of POWER's pseries machines."""
    pairs: list[tuple[str, object]] = []
    hpt = features.hpt
    if hpt is not None:
        pairs.append(("resize-hpt", hpt.resizing))
        if hpt.maxpagesize:
            pairs.append(("cap-hpt-max-page-size", f"{hpt.maxpagesize}k"))
    for name, switch in (
        ("htm", features.htm),
        ("nested-hv", features.nested_hv),
        ("ccf-assist", features.ccf_assist),
    ):
        if switch is not None:
            pairs.append((f"cap-{name}", bool(switch.state)))
    for name, chosen in (
        ("cfpc", features.cfpc),
        ("sbbc", features.sbbc),
        ("ibs", features.ibs),
    ):
        if chosen is not None:
            pairs.append((f"cap-{name}", chosen.value))
    return pairs


def _without_hpet(assembly: Assembly) -> bool:
    return not assembly.microvm and any(
        timer.name == "hpet" and timer.present is False for timer in assembly.dom.clock.timers
    )


def add_board_globals(assembly: Assembly) -> None:
    """Settings of built-in parts that are no machine properties."""
    features = assembly.dom.features
    smm = features.smm
    if smm is not None and smm.tseg is not None:
        mebibytes = smm.tseg // _BYTES_PER_MIB
        assembly.args.option("global", f"mch.extended-tseg-mbytes={mebibytes}")
    for controller in assembly.dom.devices.controllers:
        target = controller.target
        root = controller.type == "pci" and controller.model == "pci-root" and assembly.i440fx
        if root and target is not None and target.hotplug is False:
            assembly.args.option("global", "PIIX4_PM.acpi-root-pci-hotplug=off")
    for nvram in assembly.dom.devices.nvrams:
        if nvram.address is not None and nvram.address.reg is not None:
            assembly.args.option("global", f"spapr-nvram.reg=0x{nvram.address.reg:x}")
    if features.vmcoreinfo is not None and features.vmcoreinfo.state is not False:
        assembly.args.device({"driver": "vmcoreinfo"})
