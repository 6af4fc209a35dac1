# SPDX-License-Identifier: Apache-2.0
"""QEMU's answers made facts, and facts made JSON for the cache.

Both what a QEMU says and what stands in a file are foreign data: what has not the expected form
raises :class:`ValueError`.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from virloom.drivers.qemu.capabilities.binary import BinaryCaps, CpuModel, Machine, Parts
from virloom.drivers.qemu.capabilities.probe import Answers

#: Of the cache's format.
FORMAT = 1


def from_answers(path: str, answers: Answers, parts: Parts) -> BinaryCaps:
    """What QEMU said.

    Raises:
        ValueError: It said something else than QEMU says.
    """
    try:
        version = answers.version["qemu"]
        values = answers.values
        return BinaryCaps(
            path=path,
            version=(int(version["major"]), int(version["minor"]), int(version["micro"])),
            package=str(answers.version.get("package", "")).strip(),
            arch=str(values["query-target"]["arch"]),
            machines=[_machine(machine) for machine in values["query-machines"]],
            devices=_devices(values["qom-list-types"]) if Parts.DEVICES in parts else None,
            cpu_models=(
                _cpu_models(values["query-cpu-definitions"]) if Parts.CPU_MODELS in parts else None
            ),
        )
    except (KeyError, TypeError, AttributeError) as exc:
        raise ValueError(f"answers of an unknown form: {exc!r}") from exc


def _machine(said: Mapping[str, Any]) -> Machine:
    return Machine(
        name=str(said["name"]),
        alias=said.get("alias"),
        default=bool(said.get("is-default", False)),
        cpu_max=int(said["cpu-max"]),
        hotpluggable_cpus=bool(said["hotpluggable-cpus"]),
        deprecated=bool(said.get("deprecated", False)),
        default_cpu=said.get("default-cpu-type"),
        default_ram_id=said.get("default-ram-id"),
        numa_mem=bool(said.get("numa-mem-supported", False)),
        acpi=said.get("acpi"),
    )


def _devices(said: list[Mapping[str, Any]]) -> list[str]:
    return [str(kind["name"]) for kind in said]


def _cpu_models(said: list[Mapping[str, Any]] | None) -> list[CpuModel]:
    # Absent on targets without named models (the answer was CommandNotFound): none exist.
    return [_cpu_model(model) for model in said or ()]


def _cpu_model(said: Mapping[str, Any]) -> CpuModel:
    unavailable = said.get("unavailable-features")
    return CpuModel(
        name=str(said["name"]),
        type=str(said.get("typename", "")),
        # QEMU names a feature once per register that holds it.
        unavailable=None if unavailable is None else tuple(dict.fromkeys(map(str, unavailable))),
        alias_of=said.get("alias-of"),
        static=bool(said.get("static", False)),
        migration_safe=bool(said.get("migration-safe", False)),
        deprecated=bool(said.get("deprecated", False)),
    )


def merged(old: BinaryCaps | None, new: BinaryCaps) -> BinaryCaps:
    """*new*, and of *old* what the new one lacks."""
    if old is None or new.parts == Parts.ALL:
        return new
    devices = new if Parts.DEVICES in new.parts else old
    models = new if Parts.CPU_MODELS in new.parts else old
    return BinaryCaps(
        path=new.path,
        version=new.version,
        package=new.package,
        arch=new.arch,
        machines=new.machines,
        devices=devices.devices if Parts.DEVICES in devices.parts else None,
        cpu_models=models.cpu_models if Parts.CPU_MODELS in models.parts else None,
    )


def to_json(caps: BinaryCaps) -> dict[str, Any]:
    """The facts as JSON takes them."""
    data: dict[str, Any] = {
        "format": FORMAT,
        "path": caps.path,
        "version": caps.version,
        "package": caps.package,
        "arch": caps.arch,
        "machines": [_given(machine) for machine in caps.machines],
    }
    if Parts.DEVICES in caps.parts:
        data["devices"] = sorted(caps.devices)
    if Parts.CPU_MODELS in caps.parts:
        data["cpu_models"] = [_given(model) for model in caps.cpu_models]
    return data


def _given(record: Machine | CpuModel) -> dict[str, Any]:
    """The fields that are not as they are by default."""
    defaults = record._field_defaults
    return {
        key: value
        for key, value in record._asdict().items()
        if key not in defaults or value != defaults[key]
    }


def from_json(data: Any) -> BinaryCaps:
    """The facts that :func:`to_json` wrote.

    Raises:
        ValueError: It is something else.
    """
    try:
        if data["format"] != FORMAT:
            raise ValueError(f"format {data['format']}")
        major, minor, micro = data["version"]
        return BinaryCaps(
            path=str(data["path"]),
            version=(int(major), int(minor), int(micro)),
            package=str(data["package"]),
            arch=str(data["arch"]),
            machines=[Machine(**machine) for machine in data["machines"]],
            devices=[str(name) for name in data["devices"]] if "devices" in data else None,
            cpu_models=_stored_models(data["cpu_models"]) if "cpu_models" in data else None,
        )
    except (KeyError, TypeError, AttributeError) as exc:
        raise ValueError(f"not a file of capabilities: {exc!r}") from exc


def _stored_models(data: list[dict[str, Any]]) -> list[CpuModel]:
    models = [CpuModel(**model) for model in data]
    return [
        model if model.unavailable is None else model._replace(unavailable=tuple(model.unavailable))
        for model in models
    ]
