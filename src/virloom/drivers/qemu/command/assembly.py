# SPDX-License-Identifier: Apache-2.0
"""What every configurator is given: the domain, the facts, and the arguments so far."""

from __future__ import annotations

import os.path

from virloom.drivers.qemu.capabilities import BinaryCaps, Machine
from virloom.drivers.qemu.command.arguments import Arguments
from virloom.drivers.qemu.command.boot import boot_indexes
from virloom.drivers.qemu.command.context import BuildContext, DiskNodes
from virloom.drivers.qemu.command.passthrough import overrides
from virloom.drivers.qemu.devices.props.address import Buses
from virloom.errors import ConfigUnsupported
from virloom.model.domain import Domain


class Assembly:
    """One command line under construction.

    Attributes:
        dom: The complete domain; configurators read it and never change it.
        caps: What this QEMU can.
        context: The facts of this start.
        args: The arguments so far.
        buses: The domain's buses, for addresses.
        boot: Boot index by alias of the device.
        machine_type: Canonical machine type, such as ``pc-q35-7.2``.
        nodes: Block nodes by alias of the disk.
        next_node: The first free number for an image.
        environment: Variables that QEMU needs.
        passwords: Display passwords by protocol.
        secrets: Contents of files below the guest's directory that QEMU reads secrets from.
        helpers: Names of objects that several devices share.
    """

    def __init__(self, dom: Domain, caps: BinaryCaps, context: BuildContext) -> None:
        self.dom = dom
        self.caps = caps
        self.context = context
        self.args = Arguments(dom.devices.emulator or caps.path, context.files, overrides(dom))
        self.buses = Buses(dom)
        self.boot = boot_indexes(dom)
        self._machine = self._find_machine()
        self.machine_type = self._machine.name
        self.nodes: dict[str, DiskNodes] = {}
        self.next_node = 1
        self.environment: dict[str, str] = {}
        self.passwords: dict[str, str] = {}
        self.secrets: dict[str, bytes] = {}
        self.helpers: set[str] = set()

    def add_secret(self, name: str, value: bytes) -> None:
        """A secret that QEMU reads from a file of its own, and nobody from its command line."""
        self.secrets[name] = value
        path = os.path.join(self.context.lib_dir, name)
        self.args.object({"qom-type": "secret", "id": name, "file": path})

    @property
    def q35(self) -> bool:
        """Whether the machine is of the q35 family."""
        return "q35" in self.machine_type

    @property
    def mainframe(self) -> bool:
        """Whether it is one of the s390x family."""
        return "s390-ccw" in self.machine_type

    @property
    def i440fx(self) -> bool:
        """Whether the machine is of the pc (i440FX) family."""
        return self.machine_type == "pc" or self.machine_type.startswith("pc-i440fx")

    @property
    def microvm(self) -> bool:
        """Whether the machine is a microvm: no PCI, no ISA devices but a serial port."""
        return self.machine_type == "microvm"

    @property
    def ram_id(self) -> str:
        """The id under which the machine expects its memory."""
        return self._machine.default_ram_id or "ram"

    def _find_machine(self) -> Machine:
        machine = self.dom.os.type.machine
        if machine is None:
            raise ConfigUnsupported(f"domain '{self.context.guest_name}' has no machine type")
        return self.caps.machine(machine)
