# SPDX-License-Identifier: Apache-2.0
"""What one QEMU binary can do.

Some facts cost QEMU much to tell (every module is loaded for the list of devices, every CPU is
made for the list of models), so a :class:`BinaryCaps` may hold a part of them only. Asking it for
the others raises :class:`FactsMissing`; :meth:`CapabilityCache.apply` gets them and asks again.
"""

from __future__ import annotations

from collections.abc import Iterable
from enum import Flag
from typing import NamedTuple

from virloom.enums.error import ErrorDomain
from virloom.errors import ConfigUnsupported


class Parts(Flag):
    """Groups of facts, by what they cost to find out (QEMU 7.2, beside its start of 25 ms)."""

    BASE = 1
    """Version, architecture and machines: 3 ms."""
    DEVICES = 2
    """Names of devices: 22 ms."""
    CPU_MODELS = 4
    """Names of CPU models and the features that each lacks under TCG: 20 ms."""
    ALL = 7


class FactsMissing(Exception):
    """Somebody asked for facts that have not been probed."""

    def __init__(self, parts: Parts) -> None:
        self.parts = parts
        super().__init__(f"{parts} not probed yet")


class Machine(NamedTuple):
    """A machine type; one entry per canonical name.

    Attributes:
        name: Its canonical name, ``pc-q35-7.2``.
        alias: A name for the newest of its kind, ``q35``.
        default: Whether QEMU takes it when none is named.
        cpu_max: How many vCPUs it may have.
        hotpluggable_cpus: Whether vCPUs come and go as devices.
        deprecated: Whether QEMU is about to drop it.
        default_cpu: The type of CPU that it has if none is named, ``qemu64-x86_64-cpu``.
        default_ram_id: The id its memory backend must have for migration, ``pc.ram``.
        numa_mem: Whether ``-numa node,mem=`` is still understood.
        acpi: Whether the machine knows ACPI; None where QEMU (before 8.0) does not tell.
    """

    name: str
    alias: str | None = None
    default: bool = False
    cpu_max: int = 1
    hotpluggable_cpus: bool = False
    deprecated: bool = False
    default_cpu: str | None = None
    default_ram_id: str | None = None
    numa_mem: bool = False
    acpi: bool | None = None


class CpuModel(NamedTuple):
    """A named CPU model.

    Attributes:
        name: As in the domain document.
        type: QEMU's name of the type.
        unavailable: Features of the model that TCG cannot give; None when QEMU does not tell.
        alias_of: The versioned model that the name stands for on the default machine.
        static, migration_safe, deprecated: As QEMU says.
    """

    name: str
    type: str = ""
    unavailable: tuple[str, ...] | None = None
    alias_of: str | None = None
    static: bool = False
    migration_safe: bool = False
    deprecated: bool = False


class BinaryCaps:
    """What a QEMU binary can do; does not change once made.

    Args:
        path: The binary.
        version: Of QEMU: major, minor, micro.
        package: The distribution's version, possibly empty.
        arch: QEMU's name of the guest's architecture.
        machines: All machine types.
        cpu_models: All CPU models; None when not probed.
        devices: Names of all devices that ``-device`` knows; None when not probed.
    """

    __slots__ = (
        "_by_name",
        "_cpu_models",
        "_devices",
        "arch",
        "machines",
        "package",
        "path",
        "version",
    )

    def __init__(
        self,
        *,
        path: str,
        version: tuple[int, int, int],
        arch: str,
        package: str = "",
        machines: Iterable[Machine] = (),
        cpu_models: Iterable[CpuModel] | None = None,
        devices: Iterable[str] | None = None,
    ) -> None:
        self.path = path
        self.version = version
        self.package = package
        self.arch = arch
        self.machines = tuple(machines)
        self._cpu_models = None if cpu_models is None else tuple(cpu_models)
        self._devices = None if devices is None else frozenset(devices)
        self._by_name = {machine.alias: machine for machine in self.machines if machine.alias}
        self._by_name |= {machine.name: machine for machine in self.machines}

    @property
    def parts(self) -> Parts:
        """Which facts are here."""
        parts = Parts.BASE
        if self._devices is not None:
            parts |= Parts.DEVICES
        if self._cpu_models is not None:
            parts |= Parts.CPU_MODELS
        return parts

    @property
    def default_machine(self) -> str | None:
        """The canonical name of the machine that QEMU takes when none is named; ARM has none."""
        return next((machine.name for machine in self.machines if machine.default), None)

    @property
    def cpu_models(self) -> tuple[CpuModel, ...]:
        """All CPU models.

        Raises:
            FactsMissing: They have not been probed.
        """
        if self._cpu_models is None:
            raise FactsMissing(Parts.CPU_MODELS)
        return self._cpu_models

    @property
    def devices(self) -> frozenset[str]:
        """The names of all devices.

        Raises:
            FactsMissing: They have not been probed.
        """
        if self._devices is None:
            raise FactsMissing(Parts.DEVICES)
        return self._devices

    def machine(self, name: str) -> Machine:
        """The machine of that name or alias.

        Raises:
            ConfigUnsupported: There is none; the message names those that exist.
        """
        machine = self._by_name.get(name)
        if machine is None:
            raise ConfigUnsupported(
                f"Emulator '{self.path}' does not support machine type '{name}'",
                domain=ErrorDomain.QEMU,
                remedy=f"it has {', '.join(self._machine_names())}",
            )
        return machine

    def _machine_names(self) -> list[str]:
        """The names worth telling: aliases and machines without one, old versions left out."""
        aliased = [machine.alias for machine in self.machines if machine.alias]
        kinds = {machine.name.rpartition("-")[0] for machine in self.machines if machine.alias}
        others = [
            machine.name
            for machine in self.machines
            if not machine.alias and machine.name.rpartition("-")[0] not in kinds
        ]
        return sorted(aliased) + sorted(others)

    def cpu_model(self, name: str) -> CpuModel:
        """The CPU model *name*.

        Raises:
            ConfigUnsupported: There is none; the message names those that exist.
            FactsMissing: They have not been probed.
        """
        for model in self.cpu_models:
            if model.name == name:
                return model
        raise ConfigUnsupported(
            f"Emulator '{self.path}' does not support CPU model '{name}'",
            domain=ErrorDomain.QEMU,
            remedy=f"it has {', '.join(sorted(model.name for model in self.cpu_models))}",
        )

    def has_device(self, name: str) -> bool:
        """Whether ``-device`` knows *name*.

        Raises:
            FactsMissing: Devices have not been probed.
        """
        return name in self.devices

    def may_have_device(self, name: str) -> bool:
        """False if ``-device`` is known not to know *name*; never asks for a probe.

        For checks whose last word is QEMU's own: it refuses an unknown device at the start.
        """
        return self._devices is None or name in self._devices
