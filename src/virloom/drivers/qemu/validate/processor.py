# SPDX-License-Identifier: Apache-2.0
"""Checks of ``<cpu>``."""

from __future__ import annotations

from virloom.drivers.qemu.capabilities.binary import BinaryCaps, Parts
from virloom.enums.error import ErrorDomain
from virloom.errors import ConfigUnsupported, XmlError
from virloom.model.domain import Domain

# Every QEMU for x86 has these, so a start need not ask for the list of all models.
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
    seen: set[str] = set()
    for feature in cpu.features:
        if not feature.name:
            raise XmlError("a CPU feature has no name", domain=ErrorDomain.CPU)
        if feature.name in seen:
            raise XmlError(f"CPU feature '{feature.name}' is given twice", domain=ErrorDomain.CPU)
        seen.add(feature.name)


def check_cpu(dom: Domain, caps: BinaryCaps) -> None:
    """That the topology has as many processors as the guest."""
    cpu = dom.cpu
    if cpu is None:
        return
    shape = cpu.topology
    if shape.sockets is None and shape.cores is None and shape.threads is None:
        return
    count = (shape.sockets or 1) * (shape.dies or 1) * (shape.cores or 1) * (shape.threads or 1)
    if count != dom.vcpu.value:
        raise ConfigUnsupported(
            f"the CPU topology has {count} processors, and the guest {dom.vcpu.value} vCPUs",
            domain=ErrorDomain.QEMU,
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
        ConfigUnsupported: The mode needs KVM, or the model does not exist (names those that do,
            where the models are known).
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
    if names_a_model(dom) and Parts.CPU_MODELS in caps.parts:
        caps.cpu_model(cpu.model.value or "")
