# SPDX-License-Identifier: Apache-2.0
"""Limits and weights: what the parameters of calls are in a domain's document."""

from __future__ import annotations

from typing import Any

from virloom.enums.error import ErrorDomain
from virloom.errors import InvalidArg
from virloom.model.cpuset import as_text, numbers_in
from virloom.model.domain import Domain
from virloom.model.domain.perf import PERF_EVENTS, PerfEvent
from virloom.model.domain.tuning import BlkioDevice, NumaMemory

_UNLIMITED = (1 << 53) - 1
"""``VIR_DOMAIN_MEMORY_PARAM_UNLIMITED``"""

_DEVICE = "device_"
BLKIO_DEVICES = (
    "device_weight", "device_read_iops_sec", "device_write_iops_sec", "device_read_bytes_sec",
    "device_write_bytes_sec",
)  # fmt: skip
_NUMA_MODES = ("strict", "preferred", "interleave", "restrictive")


def memory(model: Domain) -> dict[str, int]:
    """How much memory the host gives at most, in KiB."""
    names = ("hard_limit", "soft_limit", "swap_hard_limit")
    return {
        name: limit if (limit := getattr(model.memtune, name)) is not None else _UNLIMITED
        for name in names
    }


def set_memory(model: Domain, values: dict[str, Any]) -> None:
    """Sets some of these limits.

    Raises:
        InvalidArg: With swap it would be less than without.
    """
    wanted = memory(model) | values
    if wanted["hard_limit"] > wanted["swap_hard_limit"]:
        raise InvalidArg(
            "memory hard_limit tunable value must be lower than or equal to swap_hard_limit",
            domain=ErrorDomain.TEST,
        )
    for name, value in values.items():
        setattr(model.memtune, name, value if value < _UNLIMITED else None)


def blkio(model: Domain) -> dict[str, Any]:
    """Weights and limits on block devices of the host: ``PATH,NUMBER,PATH,NUMBER``."""
    tune = model.blkiotune
    values: dict[str, Any] = {"weight": tune.weight or 0}
    for name in BLKIO_DEVICES:
        field = name.removeprefix(_DEVICE)
        parts = [
            f"{device.path},{getattr(device, field)}"
            for device in tune.devices
            if getattr(device, field)
        ]
        values[name] = ",".join(parts)
    return values


def set_blkio(model: Domain, values: dict[str, Any]) -> None:
    """Sets some of them; 0 is none.

    Raises:
        InvalidArg: What is said of devices cannot be read.
    """
    parsed = {
        name: _pairs(name, value) for name, value in values.items() if name.startswith(_DEVICE)
    }
    tune = model.blkiotune
    if "weight" in values:
        tune.weight = values["weight"] or None
    for name, pairs in parsed.items():
        for path, number in pairs:
            device = next((one for one in tune.devices if one.path == path), None)
            if device is None:
                device = BlkioDevice(path=path)
                tune.devices.append(device)
            setattr(device, name.removeprefix(_DEVICE), number or None)
    fields = [name.removeprefix(_DEVICE) for name in BLKIO_DEVICES]
    tune.devices = [one for one in tune.devices if any(getattr(one, name) for name in fields)]


def _pairs(name: str, text: str) -> list[tuple[str, int]]:
    words = text.split(",") if text else []
    try:
        return [(path, int(number)) for path, number in zip(words[::2], words[1::2], strict=True)]
    except ValueError as exc:
        raise InvalidArg(
            f"unable to parse blkio device '{name}' '{text}'", domain=ErrorDomain.DOMAIN
        ) from exc


def numa_mode(model: Domain) -> str:
    """How memory is taken from the host's nodes."""
    return model.numatune.memory.mode or "strict"


def numa(model: Domain) -> dict[str, Any]:
    """The same as a number, and from which nodes."""
    return {
        "numa_mode": _NUMA_MODES.index(numa_mode(model)),
        "numa_nodeset": model.numatune.memory.nodeset or "",
    }


def parse_numa(values: dict[str, Any]) -> tuple[str | None, str | None]:
    """Mode and nodes by their names; None where nothing is said.

    Raises:
        InvalidArg: There is no such mode, or these are no nodes.
    """
    mode = values.get("numa_mode")
    if mode is not None and not 0 <= mode < len(_NUMA_MODES):
        raise InvalidArg(f"unsupported numatune mode: '{mode}'", domain=ErrorDomain.TEST)
    nodeset = values.get("numa_nodeset")
    if nodeset is not None:
        try:
            nodeset = as_text(numbers_in(nodeset))
        except ValueError as exc:
            raise InvalidArg(f"Failed to parse bitmap '{nodeset}'") from exc
        if not nodeset:
            raise InvalidArg("Failed to parse bitmap ''")
    return (_NUMA_MODES[mode] if mode is not None else None), nodeset


def set_numa(model: Domain, mode: str | None, nodeset: str | None) -> None:
    """Sets them."""
    memory = model.numatune.memory
    made = NumaMemory(mode=mode or memory.mode or "strict", nodeset=nodeset or memory.nodeset)
    if made.nodeset is None:
        made.placement = memory.placement
    model.numatune.memory = made


def set_perf(model: Domain, values: dict[str, Any]) -> None:
    """Switches counters on and off."""
    known = {event.name: event.enabled for event in model.perf.events}
    known |= {name: bool(value) for name, value in values.items()}
    model.perf.events = [
        PerfEvent(name=name, enabled=known[name]) for name in PERF_EVENTS if name in known
    ]
