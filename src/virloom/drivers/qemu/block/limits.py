# SPDX-License-Identifier: Apache-2.0
"""Limits of disks: which may be set together, what a change leaves as it was, who shares them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from virloom.drivers.runtime.parameters import Kinds
from virloom.enums.error import ErrorDomain
from virloom.errors import ArgumentUnsupported, ConfigUnsupported, InvalidArg
from virloom.model.domain import Disk, Domain, IoTune

Limits = Mapping[str, Any]

_WAYS = ("total", "read", "write")
_RATES = tuple(f"{way}_{what}_sec" for what in ("bytes", "iops") for way in _WAYS)
_PEAKS = tuple(f"{rate}_max" for rate in _RATES)
_LENGTHS = tuple(f"{peak}_length" for peak in _PEAKS)

#: In libvirt's order of its answer.
KINDS = Kinds(
    dict.fromkeys((*_RATES, *_PEAKS, "size_iops_sec"), "ullong")
    | {"group_name": "string"}
    | dict.fromkeys(_LENGTHS, "ullong")
)

#: QEMU's ``THROTTLE_VALUE_MAX``.
_MOST = 10**15

#: Limits of which a call sets all or none: what it does not mention beside one is taken away.
_FAMILIES = (_RATES[:3], _RATES[3:], _PEAKS[:3], _PEAKS[3:])


def check_given(values: Limits) -> None:
    """Refuses what no call may set.

    Raises:
        ArgumentUnsupported: More than QEMU can count.
        InvalidArg: A total beside one of its parts.
    """
    for name, value in values.items():
        if name != "group_name" and value > _MOST:
            raise ArgumentUnsupported(
                f"'{name}' is {value}, and {_MOST} is the most that QEMU can hold a disk to",
                domain=ErrorDomain.QEMU,
            )
    for total, read, write in _FAMILIES:
        if values.get(total) and (values.get(read) or values.get(write)):
            raise InvalidArg(
                f"'{total}' cannot be set beside '{read}' or '{write}'", domain=ErrorDomain.QEMU
            )


def limits_of(disk: Disk) -> dict[str, Any]:
    """What the document says, by parameter; 0 where it says nothing."""
    tune = disk.iotune
    names = (*_RATES, *_PEAKS, "size_iops_sec", *_LENGTHS)
    found: dict[str, Any] = {name: getattr(tune, name) or 0 for name in names}
    return found | {"group_name": tune.group_name or ""}


def changed(dom: Domain, disk: Disk, given: Limits) -> IoTune:
    """The limits of a disk after a call that sets *given*.

    A disk that joins a group takes that one's limits where the call says nothing.
    """
    before = disk.iotune
    group = given.get("group_name", before.group_name)
    if group and group != before.group_name:
        before = next((other.iotune for other in _members(dom, group)), before)
    made = IoTune(group_name=group)
    for family in _FAMILIES:
        new = given if any(name in given for name in family) else before.__dict__
        for name in family:
            _set(made, name, new.get(name))
    size = given.get("size_iops_sec", before.size_iops_sec)
    _set(made, "size_iops_sec", size)
    _set_lengths(made, before, given)
    return made


def _set(tune: IoTune, name: str, value: int | None) -> None:
    if value:
        setattr(tune, name, value)


def _set_lengths(made: IoTune, before: IoTune, given: Limits) -> None:
    """How long peaks may last; a length that is taken away is QEMU's own, a second."""
    for part in (_LENGTHS[:3], _LENGTHS[3:]):
        is_given = any(name in given for name in part)
        for name in part:
            old, new = getattr(before, name), given.get(name)
            if not is_given:
                new = old
            elif old and not new:
                peak = name.removesuffix("_length")
                rate = peak.removesuffix("_max")
                new = 1 if getattr(made, peak) or getattr(made, rate) else 0
            _set(made, name, new)


def check_peaks(tune: IoTune) -> None:
    """Refuses peaks below what is allowed all the time, as libvirt does of a guest that runs.

    Raises:
        ConfigUnsupported: Which one.
    """
    for rate, peak in zip(_RATES, _PEAKS, strict=True):
        most, usual = getattr(tune, peak), getattr(tune, rate)
        if most and not usual:
            raise ConfigUnsupported(
                f"'{peak}' cannot be set without '{rate}'", domain=ErrorDomain.QEMU
            )
        if most and usual > most:
            raise ConfigUnsupported(f"'{peak}' is lower than '{rate}'", domain=ErrorDomain.QEMU)


def set_limits(dom: Domain, disk: Disk, tune: IoTune) -> None:
    """Sets the limits of a disk, and of all that share them."""
    disks: Sequence[Disk] = _members(dom, tune.group_name) if tune.group_name else []
    for other in [disk, *disks]:
        other.iotune = tune.copy()


def _members(dom: Domain, group: str) -> list[Disk]:
    return [disk for disk in dom.devices.disks if disk.iotune.group_name == group]
