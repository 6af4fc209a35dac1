# SPDX-License-Identifier: Apache-2.0
"""Processors: how many, in which topology, and threads for input and output."""

from __future__ import annotations

from virloom.drivers.qemu.command.arguments import keyval
from virloom.drivers.qemu.command.assembly import Assembly


def add_processors(assembly: Assembly) -> None:
    """``-smp``; without a topology each processor is a socket, as libvirt has it."""
    dom = assembly.dom
    maximum = dom.vcpu.value or 1
    current = dom.vcpu.current or maximum
    if dom.vcpus is not None:
        # What can be unplugged is a device of its own.
        current = sum(bool(v.enabled and not v.hotpluggable) for v in dom.vcpus.vcpus)
    pairs: list[tuple[str, object]] = []
    if current != maximum:
        pairs.append(("maxcpus", maximum))
    topology = dom.cpu.topology if dom.cpu is not None else None
    if topology is None or topology.sockets is None:
        pairs += [("sockets", maximum), ("cores", 1), ("threads", 1)]
    else:
        pairs += [
            ("sockets", topology.sockets),
            ("dies", topology.dies),
            ("cores", topology.cores),
            ("threads", topology.threads),
        ]
    assembly.args.option("smp", f"{current},{keyval(pairs)}")
