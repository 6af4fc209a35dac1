# SPDX-License-Identifier: Apache-2.0
"""Defaults of ``<cpu>``."""

from __future__ import annotations

from virloom.drivers.qemu.capabilities.binary import BinaryCaps
from virloom.model.domain import Cpu, Domain


def fill_cpu(dom: Domain, caps: BinaryCaps) -> None:
    """The machine's default model where none is named, and how strictly it is checked."""
    cpu = dom.cpu
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
    suffix = f"-{caps.arch}-cpu"
    name = machine.default_cpu or ""
    cpu.model.value = name.removesuffix(suffix) or None
    cpu.model.fallback = "forbid"
    cpu.match = "exact"
    cpu.check = cpu.check or "none"


def _check(dom: Domain, cpu: Cpu) -> str:
    # What TCG lacks of a model it leaves out; only KVM's can be compared with a host.
    if cpu.mode == "host-model" or (cpu.mode == "custom" and dom.type != "qemu"):
        return "partial"
    return "none"
