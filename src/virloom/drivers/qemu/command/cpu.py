# SPDX-License-Identifier: Apache-2.0
"""The processor's model and features."""

from __future__ import annotations

from virloom.drivers.qemu.command.arguments import keyval
from virloom.drivers.qemu.command.assembly import Assembly
from virloom.drivers.qemu.command.hyperv import hypervisor_pairs
from virloom.enums.error import ErrorDomain
from virloom.errors import ConfigUnsupported, NoSupport
from virloom.model.domain import Cpu, Domain

#: Feature policies and what they switch.
_POLICIES = {"force": True, "require": True, "optional": True, "disable": False, "forbid": False}

#: What QEMU runs when nobody says; named only when something is to be said about it.
_DEFAULT_MODEL = "qemu64"


def add_cpu(assembly: Assembly) -> None:
    """``-cpu``: model, then features, then what other parts of the document switch there."""
    dom = assembly.dom
    pairs: list[tuple[str, object]] = []
    model = None
    if dom.cpu is not None:
        model = _model(dom.cpu, dom)
        pairs += _cpu_pairs(dom.cpu)
    pairs += _timer_pairs(dom)
    pairs += _feature_pairs(dom)
    pairs += hypervisor_pairs(dom)
    if dom.cpu is not None and dom.os.type.arch in ("riscv32", "riscv64"):
        raise NoSupport(
            f"no list of CPU models is known for '{dom.os.type.arch}'", domain=ErrorDomain.CPU
        )
    if model is None and not pairs:
        return
    text = model or _DEFAULT_MODEL
    for word in (text, *(str(part) for pair in pairs for part in pair)):
        # Here, unlike in other options, nothing makes a comma part of a name.
        if "," in word or "=" in word:
            raise ConfigUnsupported(
                f"CPU model, feature or vendor '{word}' cannot be given to QEMU"
            )
    assembly.args.option("cpu", f"{text},{keyval(pairs)}" if pairs else text)


def _model(cpu: Cpu, dom: Domain) -> str | None:
    mode = cpu.mode or "custom"
    if mode == "maximum":
        return "max"
    if mode == "host-passthrough":
        if dom.type != "kvm":
            raise ConfigUnsupported(
                f"CPU mode '{mode}' for domain type '{dom.type}' is not supported",
                remedy="use <cpu mode='maximum'/>",
            )
        return "host"
    if mode == "host-model":
        raise ConfigUnsupported(
            f"CPU mode '{mode}' is not supported yet", remedy="use <cpu mode='maximum'/>"
        )
    return cpu.model.value


def _cpu_pairs(cpu: Cpu) -> list[tuple[str, object]]:
    pairs: list[tuple[str, object]] = []
    if cpu.model.vendor_id:
        pairs.append(("vendor", cpu.model.vendor_id))
    if cpu.mode in ("host-passthrough", "maximum") and cpu.migratable is not None:
        pairs.append(("migratable", cpu.migratable))
    # QEMU's spelling has dashes where libvirt's has underscores.
    pairs += [
        (feature.name.replace("_", "-"), _POLICIES[feature.policy or "require"])
        for feature in cpu.features
        if feature.name
    ]
    cache, width = cpu.cache, cpu.maxphysaddr
    if cache.mode == "passthrough":
        pairs += [("host-cache-info", True), ("l3-cache", False)]
    elif cache.mode == "emulate" and cache.level == 3:
        pairs.append(("l3-cache", True))
    elif cache.mode == "disable":
        pairs.append(("l3-cache", False))
        if cpu.mode in ("host-passthrough", "maximum"):
            pairs.append(("host-cache-info", False))
    if width.mode == "emulate":
        pairs.append(("phys-bits", width.bits))
    elif width.mode == "passthrough":
        pairs.append(("host-phys-bits", True))
    return pairs


def _timer_pairs(dom: Domain) -> list[tuple[str, object]]:
    pairs: list[tuple[str, object]] = []
    for timer in dom.clock.timers:
        if timer.name == "kvmclock" and timer.present is not None:
            pairs.append(("kvmclock", timer.present))
        elif timer.name == "hypervclock" and timer.present:
            pairs.append(("hv-time", True))
        elif timer.name == "tsc" and timer.frequency:
            pairs.append(("tsc-frequency", timer.frequency))
    return pairs


def _feature_pairs(dom: Domain) -> list[tuple[str, object]]:
    features = dom.features
    pairs: list[tuple[str, object]] = []
    if features.apic is not None and features.apic.eoi is not None:
        pairs.append(("kvm-pv-eoi", features.apic.eoi))
    if features.pvspinlock is not None:
        pairs.append(("kvm-pv-unhalt", features.pvspinlock.state is not False))
    if features.pmu is not None:
        pairs.append(("pmu", features.pmu.state is not False))
    return pairs
