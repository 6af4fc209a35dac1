# SPDX-License-Identifier: Apache-2.0
"""Defaults of ``<cpu>``."""

from __future__ import annotations

from virloom.drivers.qemu.capabilities.binary import BinaryCaps
from virloom.model.domain import Cpu, CpuModel, Domain

#: How QEMU's types of CPU end, where not with the name of the architecture.
_CPU_SUFFIXES = {"aarch64": "arm", "ppc64": "powerpc64", "riscv64": "riscv", "riscv32": "riscv"}


def fill_cpu(dom: Domain, caps: BinaryCaps) -> None:
    """The machine's default model where none is named, and how strictly it is checked."""
    cpu = dom.cpu
    if dom.os.type.arch in ("riscv32", "riscv64") and (cpu is None or _says_nothing(cpu)):
        # libvirt 9 has no list of models of it.
        return
    if cpu is None:
        cpu = dom.cpu = Cpu()
    if cpu.mode is None:
        cpu.mode = "custom"
    if cpu.mode == "custom":
        _fill_model(dom, cpu, caps)
        if cpu.match is None:
            cpu.match = "exact"
        if cpu.model.fallback is None:
            cpu.model.fallback = "allow"
    elif cpu.mode == "host-passthrough" or cpu.model.value is None:
        cpu.model = CpuModel()
    elif cpu.model.fallback is None:
        cpu.model.fallback = "allow"
    for feature in cpu.features:
        if feature.policy is None:
            feature.policy = "require"
    if cpu.check is None:
        cpu.check = _check(dom, cpu)
    if cpu.migratable is None and cpu.mode == "host-passthrough":
        cpu.migratable = True
    topology = cpu.topology
    if (topology.sockets or topology.cores or topology.threads) and topology.dies is None:
        topology.dies = 1


def _fill_model(dom: Domain, cpu: Cpu, caps: BinaryCaps) -> None:
    if cpu.model.value is not None:
        return
    machine = caps.machine(dom.os.type.machine or "")
    name = machine.default_cpu or ""
    cpu.model.value = _model_name(name, caps.arch)
    cpu.model.fallback = "forbid"
    cpu.match = "exact"
    cpu.check = cpu.check or "none"


def _says_nothing(cpu: Cpu) -> bool:
    return cpu.mode is None and cpu.model.value is None


def _model_name(type_name: str, arch: str) -> str | None:
    """The model that QEMU's type of CPU is: ``qemu64-x86_64-cpu`` is ``qemu64``."""
    name = type_name.removesuffix(f"-{_CPU_SUFFIXES.get(arch, arch)}-cpu")
    if arch == "ppc64":
        # libvirt knows POWER processors by their family.
        name = name.partition("_")[0].upper()
    return name or None


def _check(dom: Domain, cpu: Cpu) -> str:
    # What TCG lacks of a model it leaves out; only KVM's can be compared with a host.
    if cpu.mode == "host-model" or (cpu.mode == "custom" and dom.type != "qemu"):
        return "partial"
    return "none"
