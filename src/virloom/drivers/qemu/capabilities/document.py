# SPDX-License-Identifier: Apache-2.0
"""The document of ``virConnectGetCapabilities``: the host, and the guests that it can run.

In libvirt's form, and only what is known for certain: what libvirt computes from its map of CPU
models (the host's model and features) is left out.
"""

from __future__ import annotations

import asyncio
import os
import uuid
from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple

from virloom.drivers.qemu.capabilities.binary import BinaryCaps, Machine, Parts
from virloom.drivers.qemu.capabilities.cache import CapabilityCache
from virloom.drivers.qemu.capabilities.cpu_model import Processor as Features
from virloom.drivers.qemu.capabilities.cpu_model import decode
from virloom.drivers.qemu.capabilities.emulator import find_emulator
from virloom.drivers.qemu.capabilities.host_cpu import Processor, read_processor
from virloom.drivers.qemu.capabilities.host_features import read_features
from virloom.errors import ConfigUnsupported
from virloom.host.topology import CacheBank, Cell, Topology, read_topology
from virloom.xml.escape import escape

#: Architectures by libvirt's names and in its order, with the bits of a word.
ARCHITECTURES: Mapping[str, int] = {
    "alpha": 64, "armv6l": 32, "armv7l": 32, "aarch64": 64, "i686": 32, "m68k": 32,
    "microblaze": 32, "microblazeel": 32, "mips": 32, "mipsel": 32, "mips64": 64, "mips64el": 64,
    "or32": 32, "ppc": 32, "ppc64": 64, "ppc64le": 64, "riscv32": 32, "riscv64": 64, "s390x": 64,
    "sh4": 64, "sh4eb": 64, "sparc": 32, "sparc64": 64, "x86_64": 64, "xtensa": 32,
    "xtensaeb": 32,
}  # fmt: skip

_X86 = ("i686", "x86_64")

#: Those that guests of this driver may have; others are refused when they are defined.
SERVED = (
    "armv6l", "armv7l", "aarch64", "i686", "ppc64", "ppc64le", "riscv32", "riscv64", "s390x",
    "x86_64",
)  # fmt: skip

#: What libvirt has as the default machine where QEMU has none.
_FIRST_MACHINES = dict.fromkeys(("armv6l", "armv7l", "aarch64"), "integratorcp")

#: What QEMU can do and clients look for; the calls themselves say whether they are served.
_MIGRATION = (
    "    <migration_features>",
    "      <live/>",
    "      <uri_transports>",
    "        <uri_transport>tcp</uri_transport>",
    "        <uri_transport>rdma</uri_transport>",
    "      </uri_transports>",
    "    </migration_features>",
)

#: A machine for looking at QEMU itself, not for guests.
_NO_MACHINE = "none"


class SecurityModel(NamedTuple):
    """A security driver: its name, and by domain type whom guests run as."""

    name: str
    base_labels: Mapping[str, str]


#: Where the kernel has none.
NO_MODEL = SecurityModel("none", {})


class Guest(NamedTuple):
    """An architecture that guests may have."""

    arch: str
    caps: BinaryCaps
    kvm: bool


async def capabilities_xml(
    cache: CapabilityCache,
    *,
    kvm: bool,
    models: Sequence[SecurityModel] = (NO_MODEL,),
    directories: Sequence[str] | None = None,
) -> str:
    """The document of this host; binaries that are not known yet are probed.

    Args:
        kvm: Whether KVM runs guests here.
        models: The security drivers in use.
        directories: Where emulators are, as for :func:`find_emulator`.
    """
    binaries = dict(_installed(directories))
    told = await asyncio.gather(*(cache.get(path, Parts.BASE) for path in binaries.values()))
    guests = [
        Guest(arch, caps, kvm and runs_on_host(arch))
        for arch, caps in zip(binaries, told, strict=True)
    ]
    return document(
        read_topology(),
        host_uuid(),
        guests,
        models,
        processor=read_processor(),
        host_cpu=read_features(),
    )


def _installed(directories: Sequence[str] | None) -> Iterator[tuple[str, str]]:
    """Each architecture that guests may have here, and its emulator."""
    for arch in SERVED:
        try:
            yield arch, find_emulator(arch, "qemu", directories)
        except ConfigUnsupported:
            continue


def runs_on_host(arch: str) -> bool:
    """Whether this host's processors run that architecture themselves."""
    host = os.uname().machine
    return arch == host or (arch == "i686" and host == "x86_64")


def host_uuid(root: str = "/") -> uuid.UUID:
    """The host's UUID: the mainboard's where it may be read, else from the machine id."""
    for path in ("sys/class/dmi/id/product_uuid", "etc/machine-id"):
        try:
            with open(os.path.join(root, path), encoding="ascii") as file:
                return uuid.UUID(file.read().strip())
        except (OSError, ValueError):
            continue
    return uuid.uuid5(uuid.NAMESPACE_DNS, os.uname().nodename)


def document(
    topology: Topology,
    host: uuid.UUID,
    guests: Sequence[Guest],
    models: Sequence[SecurityModel] = (NO_MODEL,),
    *,
    processor: Processor | None = None,
    host_cpu: Features | None = None,
) -> str:
    """The document as text."""
    lines = ["<capabilities>", "", "  <host>", f"    <uuid>{host}</uuid>"]
    lines += _cpu(topology, processor, host_cpu)
    lines += ["    <power_management/>"]
    lines += [f"    <iommu support='{'yes' if topology.iommu else 'no'}'/>"]
    lines += _MIGRATION
    lines += ["    <topology>", f"      <cells num='{len(topology.cells)}'>"]
    for cell in topology.cells:
        lines += _cell(cell, topology)
    lines += ["      </cells>", "    </topology>"]
    lines += _caches(topology.caches)
    for model in models:
        lines += _model(model)
    lines += ["  </host>", ""]
    for guest in guests:
        lines += [*_guest(guest), ""]
    return "\n".join([*lines, "</capabilities>", ""])


def _cpu(topology: Topology, processor: Processor | None, host: Features | None) -> Iterator[str]:
    sockets, dies, cores, threads = topology.shape
    yield "    <cpu>"
    yield f"      <arch>{escape(os.uname().machine)}</arch>"
    described = decode(host, host=True) if host is not None else None
    if host is not None and described is not None:
        yield f"      <model>{escape(described.model)}</model>"
        if host.vendor is not None:
            yield f"      <vendor>{escape(host.vendor)}</vendor>"
    if processor is not None:
        yield f"      <microcode version='{processor.microcode}'/>"
        yield (
            f"      <signature family='{processor.family}' model='{processor.model}'"
            f" stepping='{processor.stepping}'/>"
        )
    yield (
        f"      <topology sockets='{sockets}' dies='{dies}' cores='{cores}' threads='{threads}'/>"
    )
    if processor is not None and processor.address_bits:
        yield f"      <maxphysaddr mode='emulate' bits='{processor.address_bits}'/>"
    for name in described.require if described is not None else ():
        yield f"      <feature name='{name}'/>"
    for size in sorted({size for cell in topology.cells for size in cell.pages}):
        yield f"      <pages unit='KiB' size='{size}'/>"
    yield "    </cpu>"


def _cell(cell: Cell, topology: Topology) -> Iterator[str]:
    yield f"        <cell id='{cell.number}'>"
    yield f"          <memory unit='KiB'>{cell.memory_kib}</memory>"
    for size, count in cell.pages.items():
        yield f"          <pages unit='KiB' size='{size}'>{count}</pages>"
    if len(cell.distances) == len(topology.cells):
        yield "          <distances>"
        for other, distance in zip(topology.cells, cell.distances, strict=True):
            yield f"            <sibling id='{other.number}' value='{distance}'/>"
        yield "          </distances>"
    yield f"          <cpus num='{len(cell.cpus)}'>"
    for cpu in cell.cpus:
        yield (
            f"            <cpu id='{cpu.number}' socket_id='{cpu.socket}' die_id='{cpu.die}'"
            f" core_id='{cpu.core}' siblings='{escape(cpu.siblings)}'/>"
        )
    yield "          </cpus>"
    yield "        </cell>"


def _caches(banks: Sequence[CacheBank]) -> Iterator[str]:
    if not banks:
        return
    yield "    <cache>"
    for bank in banks:
        size, unit = bank.size_kib, "KiB"
        if size and size % 1024 == 0:
            size, unit = size // 1024, "MiB"
        yield (
            f"      <bank id='{bank.number}' level='{bank.level}' type='{bank.kind}'"
            f" size='{size}' unit='{unit}' cpus='{escape(bank.cpus)}'/>"
        )
    yield "    </cache>"


def _model(model: SecurityModel) -> Iterator[str]:
    yield "    <secmodel>"
    yield f"      <model>{escape(model.name)}</model>"
    yield "      <doi>0</doi>"
    for kind, label in model.base_labels.items():
        yield f"      <baselabel type='{escape(kind)}'>{escape(label)}</baselabel>"
    yield "    </secmodel>"


def _guest(guest: Guest) -> Iterator[str]:
    yield "  <guest>"
    yield "    <os_type>hvm</os_type>"
    yield f"    <arch name='{guest.arch}'>"
    yield f"      <wordsize>{ARCHITECTURES[guest.arch]}</wordsize>"
    yield f"      <emulator>{escape(guest.caps.path)}</emulator>"
    # The default one comes first; the others stay in QEMU's order.
    first = _FIRST_MACHINES.get(guest.arch)
    for machine in sorted(
        guest.caps.machines, key=lambda machine: not (machine.default or machine.name == first)
    ):
        if machine.name != _NO_MACHINE:
            yield from _machine(machine)
    yield "      <domain type='qemu'/>"
    if guest.kvm:
        yield "      <domain type='kvm'/>"
    yield "    </arch>"
    yield from _features(guest.arch)
    yield "  </guest>"


def _machine(machine: Machine) -> Iterator[str]:
    rest = f" maxCpus='{machine.cpu_max}'" + (" deprecated='yes'" if machine.deprecated else "")
    name = escape(machine.name)
    yield f"      <machine{rest}>{name}</machine>"
    if machine.alias:
        yield f"      <machine canonical='{name}'{rest}>{escape(machine.alias)}</machine>"


def _features(arch: str) -> Iterator[str]:
    yield "    <features>"
    if arch == "i686":
        yield "      <pae/>"
        yield "      <nonpae/>"
    if arch in (*_X86, "aarch64"):
        yield "      <acpi default='on' toggle='yes'/>"
    if arch in _X86:
        yield "      <apic default='on' toggle='no'/>"
    yield "      <cpuselection/>"
    yield "      <deviceboot/>"
    yield "      <disksnapshot default='on' toggle='no'/>"
    yield "    </features>"
