# SPDX-License-Identifier: Apache-2.0
"""The processor that a guest has got: QEMU's answer against the document, before its CPUs run."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from virloom.drivers.qemu.capabilities.cpu_model import in_order, processor_of
from virloom.drivers.qemu.capabilities.cpu_table import FEATURES, MODELS
from virloom.drivers.qemu.monitor.client import Monitor, QmpError
from virloom.enums.error import ErrorDomain
from virloom.errors import OperationFailed
from virloom.model.domain import Cpu, CpuFeature, Domain

#: Where QEMU puts the first vCPU of a machine whose CPUs cannot be unplugged.
_USUAL_PLACE = "/machine/unattached/device[0]"
_X86 = ("x86_64", "i686")


def ask(monitor: Monitor, model: Domain, limit: float) -> asyncio.Future[Any] | None:
    """Asks for the registers of the first vCPU's CPUID; None for a guest that has no such thing.

    One answer tells what libvirt finds out with some four hundred questions.
    """
    if not _is_known(model):
        return None
    return monitor.submit("qom-get", _words(_USUAL_PLACE), timeout=limit)


async def settle(
    monitor: Monitor, model: Domain, asked: asyncio.Future[Any] | None, place: str
) -> Cpu | None:
    """Makes the document tell of the processor that the guest has.

    Args:
        asked: What :func:`ask` gave.
        place: Where the first vCPU really is.

    Returns:
        The processor as it was asked for, which another host has to give; None if it is the same.

    Raises:
        OperationFailed: The document wants all of it checked, and there is more or less.
    """
    cpu = model.cpu
    if asked is None or cpu is None:
        return None
    try:
        words = await asked
    except QmpError:
        if place == _USUAL_PLACE:
            raise
        words = None
    if words is None or place != _USUAL_PLACE:
        words = await monitor.submit("qom-get", _words(place))
    return _compare(cpu, enabled(words))


def _is_known(model: Domain) -> bool:
    cpu = model.cpu
    if cpu is None or cpu.mode != "custom" or model.os.type.arch not in _X86:
        return False
    return cpu.model.value in MODELS


def _words(place: str) -> dict[str, str]:
    return {"path": place, "property": "feature-words"}


def enabled(words: Sequence[Mapping[str, Any]]) -> frozenset[str]:
    """The features of ``feature-words`` (X86CPUFeatureWordInfo of QEMU's QAPI) that are set."""
    registers = {
        (word["cpuid-input-eax"], word.get("cpuid-input-ecx", 0), word["cpuid-register"].lower()): (
            int(word["features"])
        )
        for word in words
    }
    return frozenset(
        name
        for name, (leaf, sub, register, bit) in FEATURES.items()
        if registers.get((leaf, sub, register), 0) >> bit & 1
    )


def _compare(cpu: Cpu, has: frozenset[str]) -> Cpu | None:
    wanted = {name for name in processor_of(cpu).features if FEATURES[name][2] != "msr"}
    extra, missing = in_order(has - wanted), in_order(wanted - has)
    if cpu.check == "full" and (extra or missing):
        raise OperationFailed(
            "guest CPU doesn't match specification: " + _difference(extra, missing),
            domain=ErrorDomain.CPU,
        )
    asked = cpu.copy() if extra or missing else None
    _note(cpu, missing, "disable")
    _note(cpu, extra, "require")
    cpu.check = "full"
    return asked


def _difference(extra: Sequence[str], missing: Sequence[str]) -> str:
    parts = (("extra", extra), ("missing", missing))
    return ", ".join(f"{what} features: {','.join(names)}" for what, names in parts if names)


def _note(cpu: Cpu, names: Iterable[str], policy: str) -> None:
    said = {feature.name: feature for feature in cpu.features}
    for name in names:
        if name in said:
            said[name].policy = policy
        else:
            cpu.features.append(CpuFeature(name=name, policy=policy))
