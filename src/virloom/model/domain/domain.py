# SPDX-License-Identifier: Apache-2.0
"""``<domain>``: the whole document of a guest."""

from __future__ import annotations

from typing import ClassVar, Self

from virloom.errors import InternalError, NoName
from virloom.model.domain.base import DomainElement
from virloom.model.domain.clock import Clock
from virloom.model.domain.cpu import Cpu
from virloom.model.domain.devices.container import Devices
from virloom.model.domain.features import Features
from virloom.model.domain.idmap import Idmap
from virloom.model.domain.launch_security import Keywrap, LaunchSecurity
from virloom.model.domain.memory import MaxMemory, MemoryBacking, Memtune
from virloom.model.domain.numa import NumaCell
from virloom.model.domain.os import Os
from virloom.model.domain.perf import Perf
from virloom.model.domain.pm import Pm
from virloom.model.domain.qemu_namespace import (
    QEMU_NAMESPACE,
    QemuCapabilities,
    QemuCommandline,
    QemuDeprecation,
    QemuOverride,
)
from virloom.model.domain.resource import Resource
from virloom.model.domain.seclabel import Seclabel
from virloom.model.domain.sysinfo import Sysinfo
from virloom.model.domain.tuning import Blkiotune, Cputune, Numatune
from virloom.model.domain.vcpu import DefaultIoThread, IoThreadIds, Vcpu, Vcpus
from virloom.model.namespaces import declarations
from virloom.model.units import KIBIBYTES
from virloom.xml.element import Element
from virloom.xml.fields import (
    ONCE,
    attribute,
    child,
    children,
    content,
    group,
    leaf,
    raw,
    verbatim,
)
from virloom.xml.format import FormatFlags
from virloom.xml.kinds import INT, ON_OFF, STRING, UINT_OWNED, UUID, option
from virloom.xml.node import Node

TYPES = (
    "qemu",
    "kqemu",
    "kvm",
    "xen",
    "lxc",
    "uml",
    "openvz",
    "test",
    "vmware",
    "hyperv",
    "vbox",
    "phyp",
    "parallels",
    "bhyve",
    "vz",
    "hvf",
)


class Genid(Element):
    """``<genid>UUID</genid>``; without a value one is made at each definition."""

    value: str | None = content(UUID)


class Domain(DomainElement):
    """``<domain type='qemu'>``.

    ``memory`` and ``current_memory`` are KiB. ``id`` is None for a guest that does not run.
    """

    tag = "domain"
    schema_path = "domain"
    namespaces: ClassVar[dict[str, str]] = {
        QEMU_NAMESPACE: "qemu",
        "http://libvirt.org/schemas/domain/lxc/1.0": "lxc",
        "http://libvirt.org/schemas/domain/xen/1.0": "xen",
        "http://libvirt.org/schemas/domain/bhyve/1.0": "bhyve",
        "http://libvirt.org/schemas/domain/vmware/1.0": "vmware",
    }

    type: str | None = attribute(option(*TYPES))
    id: int | None = attribute(INT, live=True)
    xmlns_qemu: str | None = attribute(STRING, "xmlns:qemu")
    xmlns_lxc: str | None = attribute(STRING, "xmlns:lxc")
    xmlns_xen: str | None = attribute(STRING, "xmlns:xen")
    xmlns_bhyve: str | None = attribute(STRING, "xmlns:bhyve")
    xmlns_vmware: str | None = attribute(STRING, "xmlns:vmware")
    name: str = leaf(STRING, default="")
    uuid: str | None = leaf(UUID)
    genid: Genid | None = child(Genid, once=ONCE)
    title: str | None = leaf(STRING)
    description: str | None = leaf(STRING)
    metadata: Node | None = raw()
    max_memory: MaxMemory = group(MaxMemory, "maxMemory")
    memory: int = leaf(KIBIBYTES, default=0, beside={"dumpCore": ("memory_dump_core", ON_OFF)})
    memory_dump_core: bool | None = None
    current_memory: int | None = leaf(KIBIBYTES, "currentMemory")
    blkiotune: Blkiotune = group(Blkiotune)
    memtune: Memtune = group(Memtune)
    memory_backing: MemoryBacking = group(MemoryBacking, "memoryBacking")
    vcpu: Vcpu = group(Vcpu)
    vcpus: Vcpus | None = child(Vcpus)
    iothreads: int | None = leaf(UINT_OWNED)
    iothreadids: IoThreadIds = group(IoThreadIds)
    defaultiothread: DefaultIoThread = group(DefaultIoThread)
    cputune: Cputune = group(Cputune)
    numatune: Numatune = group(Numatune, once=ONCE)
    resource: Resource | None = child(Resource, once=ONCE)
    sysinfos: list[Sysinfo] = children(Sysinfo, "sysinfo")
    bootloader: str | None = leaf(STRING)
    bootloader_args: str | None = leaf(STRING)
    os: Os = group(Os)
    idmap: Idmap = group(Idmap)
    features: Features = group(Features)
    cpu: Cpu | None = child(Cpu)
    clock: Clock = group(Clock)
    on_poweroff: str | None = leaf(option("destroy", "restart", "rename-restart", "preserve"))
    on_reboot: str | None = leaf(option("destroy", "restart", "rename-restart", "preserve"))
    on_crash: str | None = leaf(
        option(
            "destroy",
            "restart",
            "rename-restart",
            "preserve",
            "coredump-destroy",
            "coredump-restart",
        )
    )
    on_lockfailure: str | None = leaf(option("poweroff", "restart", "pause", "ignore"))
    pm: Pm = group(Pm)
    perf: Perf = group(Perf)
    devices: Devices = group(Devices)
    seclabels: list[Seclabel] = children(Seclabel, "seclabel")
    qemu_commandline: QemuCommandline = group(QemuCommandline, "qemu:commandline")
    qemu_capabilities: QemuCapabilities = group(QemuCapabilities, "qemu:capabilities")
    qemu_override: QemuOverride = group(QemuOverride, "qemu:override")
    qemu_deprecation: QemuDeprecation = group(QemuDeprecation, "qemu:deprecation")
    lxc_namespace: list[Node] = verbatim("lxc:namespace")
    xen_commandline: list[Node] = verbatim("xen:commandline")
    bhyve_commandline: list[Node] = verbatim("bhyve:commandline")
    vmware_datacenterpath: list[Node] = verbatim("vmware:datacenterpath")
    keywrap: Keywrap = group(Keywrap)
    launch_security: LaunchSecurity | None = child(LaunchSecurity, "launchSecurity")

    @property
    def numa_cells(self) -> list[NumaCell]:
        """The guest's own nodes; none for a guest without."""
        numa = self.cpu.numa if self.cpu is not None else None
        return numa.cells if numa is not None else []

    def complete(self) -> None:
        """A guest has a name and a type.

        Raises:
            NoName: It has no name.
            InternalError: It has no type.
        """
        if not self.name:
            raise NoName(domain=self.error_domain)
        if not self.type:
            raise InternalError("missing domain type attribute", domain=self.error_domain)

    def implied(self, flags: FormatFlags) -> FormatFlags:
        """A guest that does not run has only a configuration."""
        running = self.id is not None or flags & FormatFlags.STATUS
        return flags if running else flags | FormatFlags.INACTIVE

    def adapted(self, flags: FormatFlags) -> Self:
        """The name spaces that are used; for another host, no label that this one gave."""
        changes: dict[str, object] = {**declarations(self)}
        if flags & FormatFlags.MIGRATABLE and self.seclabels:
            changes["seclabels"] = [label for label in self.seclabels if not label.given_here]
        return self.beside(**changes) if changes else self
