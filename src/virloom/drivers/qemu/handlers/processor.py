# SPDX-License-Identifier: Apache-2.0
"""Processors: whether the host, or QEMU on it, can be what a document asks for."""

from __future__ import annotations

from virloom.drivers.qemu.capabilities import BinaryCaps, Parts, find_emulator, kvm
from virloom.drivers.qemu.capabilities.cpu_documents import cpu_document, parse_cpu, parse_cpus
from virloom.drivers.qemu.capabilities.cpu_model import (
    Processor,
    baseline,
    compare,
    emulated_processor,
    expanded,
    plain,
)
from virloom.drivers.qemu.capabilities.domain_document import choose
from virloom.drivers.qemu.capabilities.host_features import read_features
from virloom.drivers.qemu.driver import QemuDriver
from virloom.drivers.qemu.handlers.arguments import check_flags
from virloom.endpoint.dispatch import Call, serves
from virloom.enums.error import ErrorDomain
from virloom.enums.host import (
    ConnectBaselineCPUFlags,
    ConnectCompareCPUFlags,
    CPUCompareResult,
)
from virloom.errors import ConfigUnsupported, CpuIncompatible, OperationFailed
from virloom.model.cpu import HostCpu
from virloom.procedures import connect as p

_X86 = (None, "x86_64", "i686")


class Processors:
    """Handlers of CPU documents."""

    def __init__(self, driver: QemuDriver) -> None:
        self._driver = driver

    @serves(p.CONNECT_COMPARE_CPU)
    def compare_cpu(self, call: Call, args: p.ConnectCompareCPUArgs) -> p.ConnectCompareCPURet:
        """The host itself, whatever QEMU can."""
        _check_compare_flags(call, args.flags)
        cpu = parse_cpu(args.xml)
        return p.ConnectCompareCPURet(_compared(_host(), cpu, args.flags))

    @serves(p.CONNECT_COMPARE_HYPERVISOR_CPU)
    async def compare_hypervisor_cpu(
        self, call: Call, args: p.ConnectCompareHypervisorCPUArgs
    ) -> p.ConnectCompareHypervisorCPURet:
        """What guests can be given."""
        _check_compare_flags(call, args.flags)
        _, kind = await self._chosen(args.emulator, args.arch, args.machine, args.virttype)
        cpu = parse_cpu(args.xml_cpu)
        result = _compared(_guest_processor(kind), cpu, args.flags)
        return p.ConnectCompareHypervisorCPURet(result)

    @serves(p.CONNECT_BASELINE_CPU)
    def baseline_cpu(self, call: Call, args: p.ConnectBaselineCPUArgs) -> p.ConnectBaselineCPURet:
        """The best that all of them can be."""
        _check_baseline_flags(call, args.flags)
        cpus = parse_cpus(args.xml_cp_us)
        if any(cpu.mode is not None for cpu in cpus):
            raise ConfigUnsupported("'mode' is for guests' CPUs only", domain=ErrorDomain.CPU)
        migratable = bool(args.flags & ConnectBaselineCPUFlags.MIGRATABLE)
        found, vendor = baseline(cpus, migratable=migratable)
        fallback = "allow" if len(cpus) > 1 else "forbid"
        expand = bool(args.flags & ConnectBaselineCPUFlags.EXPAND_FEATURES)
        features = expanded(found) if expand else plain(found)
        return p.ConnectBaselineCPURet(cpu_document(found.model, fallback, vendor, features))

    @serves(p.CONNECT_BASELINE_HYPERVISOR_CPU)
    async def baseline_hypervisor_cpu(
        self, call: Call, args: p.ConnectBaselineHypervisorCPUArgs
    ) -> p.ConnectBaselineHypervisorCPURet:
        """The best that guests can be on all of them."""
        _check_baseline_flags(call, args.flags)
        caps, kind = await self._chosen(args.emulator, args.arch, args.machine, args.virttype)
        cpus = parse_cpus(args.xml_cp_us)
        usable = [
            model.name
            for model in caps.cpu_models
            if kind == "qemu" and model.unavailable is not None and not model.unavailable
        ]
        migratable = bool(args.flags & ConnectBaselineCPUFlags.MIGRATABLE)
        found, vendor = baseline(cpus, allowed=usable or None, migratable=migratable)
        expand = bool(args.flags & ConnectBaselineCPUFlags.EXPAND_FEATURES)
        features = expanded(found) if expand else plain(found)
        text = cpu_document(found.model, "forbid", vendor, features)
        return p.ConnectBaselineHypervisorCPURet(text)

    async def _chosen(
        self, emulator: str | None, arch: str | None, machine: str | None, type: str | None
    ) -> tuple[BinaryCaps, str]:
        """The QEMU that is meant, and how it runs guests."""
        if arch not in _X86:
            raise ConfigUnsupported(
                f"CPUs of architecture '{arch}' cannot be compared", domain=ErrorDomain.QEMU
            )
        binary = emulator or find_emulator(arch or "x86_64")
        caps = await self._driver.capabilities.get(binary, Parts.ALL)
        verdict = await kvm.check(self._driver.directories.cache)
        return caps, choose(caps, verdict, arch, machine, type).type


def _check_compare_flags(call: Call, flags: int) -> None:
    known = ConnectCompareCPUFlags
    check_flags(call, flags, known.FAIL_INCOMPATIBLE | known.VALIDATE_XML)


def _check_baseline_flags(call: Call, flags: int) -> None:
    known = ConnectBaselineCPUFlags
    check_flags(call, flags, known.EXPAND_FEATURES | known.MIGRATABLE)


def _host() -> Processor:
    host = read_features()
    if host is None:
        raise OperationFailed("cannot get host CPU capabilities", domain=ErrorDomain.QEMU)
    return host


def _guest_processor(kind: str) -> Processor:
    """What QEMU gives a guest at most: with KVM what the host has, else what it emulates."""
    if kind == "kvm":
        return _host()
    return emulated_processor()


def _compared(host: Processor, cpu: HostCpu, flags: int) -> int:
    if cpu.mode in ("host-model", "host-passthrough", "maximum"):
        return CPUCompareResult.SUPERSET
    if cpu.arch not in _X86:
        reason = f"CPU arch {cpu.arch} does not match host arch"
        return _incompatible(reason, flags)
    found = compare(host, cpu)
    if found.reason:
        return _incompatible(found.reason, flags)
    if found.beyond and cpu.match == "strict":
        return _incompatible("Host CPU does not strictly match guest CPU: Extra features", flags)
    return CPUCompareResult.SUPERSET if found.beyond else CPUCompareResult.IDENTICAL


def _incompatible(reason: str, flags: int) -> int:
    if flags & ConnectCompareCPUFlags.FAIL_INCOMPATIBLE:
        raise CpuIncompatible(reason, domain=ErrorDomain.CPU)
    return CPUCompareResult.INCOMPATIBLE
