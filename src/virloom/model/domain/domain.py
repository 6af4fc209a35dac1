# SPDX-License-Identifier: Apache-2.0
"""``<domain>``: the whole document of a guest."""

from __future__ import annotations

from typing import Self

from virloom.errors import InternalError, NoName
from virloom.model.domain.base import DomainElement
from virloom.model.domain.clock import Clock
from virloom.model.domain.cpu import Cpu
from virloom.model.domain.devices.container import Devices
from virloom.model.domain.features import Features
from virloom.model.domain.os import Os
from virloom.model.domain.pm import Pm
from virloom.model.domain.resource import Resource
from virloom.model.domain.seclabel import Seclabel
from virloom.model.units import KIBIBYTES
from virloom.xml.element import Element
from virloom.xml.fields import (
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
from virloom.xml.kinds import INT, ON_OFF, STRING, UINT, UUID, choice, option
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
QEMU_NAMESPACE = "http://libvirt.org/schemas/domain/qemu/1.0"


class MaxMemory(Element):
    """``<maxMemory slots='16' unit='KiB'>4194304</maxMemory>``, in KiB."""

    slots: int | None = attribute(UINT)
    value: int | None = content(KIBIBYTES)


class Vcpu(Element):
    """``<vcpu placement='static' cpuset='0-3' current='1'>2</vcpu>``."""

    placement: str | None = attribute(choice("static", "auto"))
    cpuset: str | None = attribute(STRING)
    current: int | None = attribute(UINT)
    value: int | None = content(UINT)


class Genid(Element):
    """``<genid>UUID</genid>``; without a value one is made at each definition."""

    value: str | None = content(UUID)


class Domain(DomainElement):
    """``<domain type='qemu'>``.

    ``memory`` and ``current_memory`` are KiB. ``id`` is None for a guest that does not run.
    """

    tag = "domain"
    schema_path = "domain"

    type: str | None = attribute(option(*TYPES))
    id: int | None = attribute(INT, live=True)
    xmlns_qemu: str | None = attribute(STRING, "xmlns:qemu")
    name: str = leaf(STRING, default="")
    uuid: str | None = leaf(UUID)
    genid: Genid | None = child(Genid)
    title: str | None = leaf(STRING)
    description: str | None = leaf(STRING)
    metadata: Node | None = raw()
    max_memory: MaxMemory = group(MaxMemory, "maxMemory")
    memory: int = leaf(KIBIBYTES, default=0, beside={"dumpCore": ("memory_dump_core", ON_OFF)})
    memory_dump_core: bool | None = None
    current_memory: int | None = leaf(KIBIBYTES, "currentMemory")
    blkiotune: list[Node] = verbatim("blkiotune")
    memtune: list[Node] = verbatim("memtune")
    memory_backing: list[Node] = verbatim("memoryBacking")
    vcpu: Vcpu = group(Vcpu)
    vcpus: list[Node] = verbatim("vcpus")
    iothreads: list[Node] = verbatim("iothreads")
    iothreadids: list[Node] = verbatim("iothreadids")
    defaultiothread: list[Node] = verbatim("defaultiothread")
    cputune: list[Node] = verbatim("cputune")
    numatune: list[Node] = verbatim("numatune")
    resource: Resource = group(Resource)
    sysinfo: list[Node] = verbatim("sysinfo")
    bootloader: list[Node] = verbatim("bootloader")
    bootloader_args: list[Node] = verbatim("bootloader_args")
    os: Os = group(Os)
    idmap: list[Node] = verbatim("idmap")
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
    perf: list[Node] = verbatim("perf")
    devices: Devices = group(Devices)
    seclabels: list[Seclabel] = children(Seclabel, "seclabel")
    qemu_commandline: list[Node] = verbatim("qemu:commandline")
    qemu_capabilities: list[Node] = verbatim("qemu:capabilities")
    qemu_override: list[Node] = verbatim("qemu:override")
    qemu_deprecation: list[Node] = verbatim("qemu:deprecation")
    keywrap: list[Node] = verbatim("keywrap")
    launch_security: list[Node] = verbatim("launchSecurity")

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
        """The name space only where it is used; for another host, no label that this one gave."""
        changes: dict[str, object] = {}
        if self.xmlns_qemu is not None and not self._uses_qemu_namespace():
            changes["xmlns_qemu"] = None
        if flags & FormatFlags.MIGRATABLE and self.seclabels:
            changes["seclabels"] = [label for label in self.seclabels if not label.given_here]
        return self.beside(**changes) if changes else self

    def _uses_qemu_namespace(self) -> bool:
        return bool(
            self.qemu_commandline
            or self.qemu_capabilities
            or self.qemu_override
            or self.qemu_deprecation
        )
