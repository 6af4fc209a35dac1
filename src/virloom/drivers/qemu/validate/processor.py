# SPDX-License-Identifier: Apache-2.0
"""Checks of ``<cpu>``."""

from __future__ import annotations

from virloom.drivers.qemu.capabilities.binary import BinaryCaps, Parts
from virloom.drivers.qemu.capabilities.cpu_model import compare, emulated_processor, model_names
from virloom.drivers.qemu.capabilities.cpu_table import FEATURES
from virloom.drivers.qemu.capabilities.host_features import read_features
from virloom.enums.error import ErrorDomain
from virloom.errors import ConfigUnsupported, CpuIncompatible, InternalError, XmlError
from virloom.model.domain import Cpu, Domain

_X86 = ("x86_64", "i686")
# Every QEMU for x86 has these, so a start need not ask for the list of all models.
_VENDOR_LENGTH = 12
_EMULATED_CACHE = 3
_LIKE_THE_HOST = ("host-passthrough", "maximum")
_ALWAYS_THERE = frozenset({"qemu64", "qemu32", "kvm64", "kvm32", "max", "base"})


def check_given_cpu(dom: Domain) -> None:
    """Numbers and names within ``<cpu>``."""
    cpu = dom.cpu
    if cpu is None:
        return
    topology = cpu.topology
    for name in ("sockets", "dies", "cores", "threads"):
        if getattr(topology, name) == 0:
            raise XmlError(f"CPU topology: {name} cannot be 0", domain=ErrorDomain.XML)
    _given_model(cpu)
    seen: set[str] = set()
    for feature in cpu.features:
        if not feature.name:
            raise XmlError("a CPU feature has no name", domain=ErrorDomain.CPU)
        if feature.name in seen:
            raise XmlError(f"CPU feature '{feature.name}' is given twice", domain=ErrorDomain.CPU)
        seen.add(feature.name)


def _given_model(cpu: Cpu) -> None:
    vendor = cpu.model.vendor_id
    wrong = ""
    if vendor is not None and len(vendor) != _VENDOR_LENGTH:
        wrong = f"vendor_id '{vendor[:80]}' has not {_VENDOR_LENGTH} characters"
    elif vendor is not None and "," in vendor:
        wrong = f"vendor_id '{vendor}' has a comma"
    elif cpu.mode in (None, "custom") and cpu.model.value is None:
        if cpu.vendor is not None:
            wrong = "a vendor without a model"
        elif cpu.features:
            wrong = "features without a model"
    if wrong:
        raise XmlError(f"<cpu>: {wrong}", domain=ErrorDomain.CPU)
    if cpu.migratable is not None and cpu.mode not in _LIKE_THE_HOST:
        raise ConfigUnsupported(
            f"'migratable' is not for CPU mode '{cpu.mode or 'custom'}', but for "
            f"{' and '.join(_LIKE_THE_HOST)}",
            domain=ErrorDomain.CPU,
        )


def check_cpu(dom: Domain, caps: BinaryCaps) -> None:
    """That the topology has as many processors as the guest."""
    cpu = dom.cpu
    if cpu is None:
        return
    _check_cache(cpu)
    _check_width(cpu)
    shape = cpu.topology
    if shape.sockets is None and shape.cores is None and shape.threads is None:
        return
    count = (shape.sockets or 1) * (shape.dies or 1) * (shape.cores or 1) * (shape.threads or 1)
    if count != dom.vcpu.value:
        raise ConfigUnsupported(
            f"the CPU topology has {count} processors, and the guest {dom.vcpu.value} vCPUs",
            domain=ErrorDomain.QEMU,
        )


def _check_cache(cpu: Cpu) -> None:
    cache = cpu.cache
    wrong = ""
    if cache.mode == "emulate" and cache.level != _EMULATED_CACHE:
        wrong = f"is for level {_EMULATED_CACHE}"
    elif cache.mode == "passthrough" and cpu.mode not in _LIKE_THE_HOST:
        wrong = f"is for CPU modes {' and '.join(_LIKE_THE_HOST)}"
    elif cache.mode in ("passthrough", "disable") and cache.level is not None:
        wrong = "has no level"
    if wrong:
        raise ConfigUnsupported(f"CPU cache mode '{cache.mode}' {wrong}", domain=ErrorDomain.QEMU)


def _check_width(cpu: Cpu) -> None:
    width = cpu.maxphysaddr
    wrong = ""
    if width.mode == "emulate" and width.bits is None:
        wrong = "needs bits"
    elif width.mode == "passthrough" and width.bits is not None:
        wrong = "has no bits"
    if wrong:
        raise ConfigUnsupported(
            f"<maxphysaddr mode='{width.mode}'> {wrong}", domain=ErrorDomain.QEMU
        )


def names_a_model(dom: Domain) -> bool:
    """Whether the document names a CPU model that not every QEMU has."""
    cpu = dom.cpu
    return (
        cpu is not None
        and cpu.mode == "custom"
        and cpu.model.value is not None
        and cpu.model.value not in _ALWAYS_THERE
    )


def check_cpu_start(dom: Domain, caps: BinaryCaps) -> None:
    """That the host can give this CPU.

    Raises:
        ConfigUnsupported: The mode needs KVM, or this QEMU has no such model (names those that
            it has, where the models are known), or nobody knows a feature.
        InternalError: Nobody knows the model (libvirt's code for it).
        CpuIncompatible: The document wants a check, and the host lacks what it asks for.
    """
    cpu = dom.cpu
    if cpu is None:
        return
    if cpu.mode == "host-passthrough" and dom.type != "kvm":
        raise ConfigUnsupported(
            f"CPU mode 'host-passthrough' of domain '{dom.name}' needs KVM, and its type is "
            f"'{dom.type}'",
            domain=ErrorDomain.QEMU,
            remedy="mode 'maximum' is all that emulation can do",
        )
    if dom.os.type.arch in _X86 and cpu.mode == "custom" and cpu.model.value is not None:
        _check_known(cpu, dom, caps)
    if names_a_model(dom) and Parts.CPU_MODELS in caps.parts:
        caps.cpu_model(cpu.model.value or "")


def _check_known(cpu: Cpu, dom: Domain, caps: BinaryCaps) -> None:
    """That there are such a model and such features, and that the host has them if asked for."""
    name = cpu.model.value
    if name not in model_names() and (
        # A QEMU newer than our table may have more; these two are modes, and no models.
        name in ("max", "base") or name not in {model.name for model in caps.cpu_models}
    ):
        raise InternalError(
            f"Unknown CPU model {name}",
            domain=ErrorDomain.CPU,
            remedy=f"QEMU has {', '.join(sorted(model.name for model in caps.cpu_models))}",
        )
    for feature in cpu.features:
        if feature.name not in FEATURES:
            raise ConfigUnsupported(f"unknown CPU feature: {feature.name}", domain=ErrorDomain.CPU)
    if cpu.check != "partial":
        return
    host = read_features() if dom.type == "kvm" else emulated_processor()
    reason = compare(host, cpu).reason if host is not None else ""
    if reason:
        raise CpuIncompatible(reason, domain=ErrorDomain.CPU)
