# SPDX-License-Identifier: Apache-2.0
"""Checks of ``<blkiotune>``, ``<cputune>`` and ``<numatune>``."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from virloom.drivers.qemu.iothreads import iothread_ids
from virloom.enums.error import ErrorDomain
from virloom.errors import ConfigUnsupported, InternalError, VirloomError, XmlDetail, XmlError
from virloom.model.cpuset import numbers_in
from virloom.model.domain import (
    Cputune,
    Domain,
    EmulatorPin,
    IoThreadPin,
    IoThreadScheduling,
    VcpuPin,
    VcpuScheduling,
)

_SHARES = (2, 262144)
_PERIOD = (1000, 1000000)
_QUOTA = (1000, 17592186044415)
_WHO = ("", "global_", "emulator_", "iothread_")


def check_given_tuning(dom: Domain) -> None:
    """Ranges, and that each entry is of something that is there."""
    _blkiotune(dom)
    tune = dom.cputune
    _ranges(tune)
    _pins(tune, dom.vcpu.value or 1)
    _iothread_pins(dom, tune)
    _schedules(dom, tune)
    _numatune(dom)


def _blkiotune(dom: Domain) -> None:
    seen: set[str] = set()
    for device in dom.blkiotune.devices:
        if device.path is None or device.path in seen:
            what = f"twice for '{device.path}'" if device.path else "without a path"
            raise ConfigUnsupported(
                f"<device> of <blkiotune> stands {what}", domain=ErrorDomain.DOMAIN
            )
        seen.add(device.path)


def _ranges(tune: Cputune) -> None:
    _within("shares", tune.shares or None, _SHARES)
    for who in _WHO:
        period, quota = getattr(tune, f"{who}period"), getattr(tune, f"{who}quota")
        _within(f"{who}period", period or None, _PERIOD)
        _within(f"{who}quota", quota if quota and quota > 0 else None, _QUOTA)


def _within(name: str, value: int | None, limits: tuple[int, int]) -> None:
    low, high = limits
    if value is not None and not low <= value <= high:
        raise ConfigUnsupported(
            f"<{name}> of <cputune> is {value}, not from {low} to {high}",
            domain=ErrorDomain.DOMAIN,
        )


def _pins(tune: Cputune, vcpus: int) -> None:
    _need_cpus(tune.vcpupins, "vcpupin")
    _need_cpus(tune.emulatorpins, "emulatorpin")
    # A pin of a vCPU that there is not is passed over.
    there = [pin.vcpu for pin in tune.vcpupins if pin.vcpu is None or pin.vcpu < vcpus]
    _once(there, "vCPU", InternalError)
    for name, found in (
        ("emulatorpin", tune.emulatorpins),
        ("emulatorsched", tune.emulatorscheds),
    ):
        if len(found) > 1:
            raise XmlError(f"<{name}> can stand once only", domain=ErrorDomain.DOMAIN)


def _need_cpus(pins: Sequence[VcpuPin | EmulatorPin | IoThreadPin], name: str) -> None:
    if any(pin.cpuset is None for pin in pins):
        raise InternalError(f"<{name}> has no cpuset", domain=ErrorDomain.DOMAIN)


def _once(numbers: Iterable[int | None], what: str, error: type[VirloomError]) -> None:
    seen: set[int | None] = set()
    for number in numbers:
        if number in seen:
            raise error(f"{what} {number} is given twice", domain=ErrorDomain.DOMAIN)
        seen.add(number)


def _iothread_pins(dom: Domain, tune: Cputune) -> None:
    known = iothread_ids(dom) if tune.iothreadpins else []
    for pin in tune.iothreadpins:
        if pin.iothread not in known:
            raise _no_iothread(pin.iothread)
    _need_cpus(tune.iothreadpins, "iothreadpin")
    _once([pin.iothread for pin in tune.iothreadpins], "I/O thread", InternalError)


def _no_iothread(number: int | None) -> ConfigUnsupported:
    return ConfigUnsupported(f"there is no I/O thread {number}", domain=ErrorDomain.DOMAIN)


def _schedules(dom: Domain, tune: Cputune) -> None:
    for sched in (*tune.emulatorscheds, *tune.vcpuscheds, *tune.iothreadscheds):
        if sched.scheduler in ("fifo", "rr") and sched.priority is None:
            raise XmlError(
                f"scheduler '{sched.scheduler}' needs a priority", domain=ErrorDomain.XML
            )
    vcpus = _threads_of(tune.vcpuscheds, "vcpus")
    for number in vcpus:
        if number >= (dom.vcpu.value or 1):
            raise ConfigUnsupported(f"there is no vCPU {number}", domain=ErrorDomain.DOMAIN)
    for number in _threads_of(tune.iothreadscheds, "iothreads"):
        if number not in iothread_ids(dom):
            raise _no_iothread(number)


def _threads_of(scheds: Sequence[VcpuScheduling | IoThreadScheduling], attribute: str) -> list[int]:
    """The threads of all entries, each of which may be named once."""
    seen: list[int] = []
    for sched in scheds:
        text = getattr(sched, attribute)
        if text is None:
            raise XmlError(f"a scheduler has no {attribute}", domain=ErrorDomain.DOMAIN)
        numbers = numbers_in(text)
        if set(numbers) & set(seen):
            raise XmlDetail(f"schedulers for {attribute} overlap", domain=ErrorDomain.DOMAIN)
        seen += numbers
    return seen


def _numatune(dom: Domain) -> None:
    tune = dom.numatune
    memory = tune.memory
    said = memory.mode or memory.nodeset or memory.placement
    automatic = dom.vcpu.placement == "auto"
    if said and not memory.nodeset and memory.placement != "auto":
        if memory.placement == "static" or not automatic:
            raise ConfigUnsupported(
                "<memory> of <numatune> needs a nodeset unless its placement is 'auto'",
                domain=ErrorDomain.DOMAIN,
            )
        automatic = True
    automatic = memory.placement == "auto" or (automatic and not memory.nodeset)
    if tune.memnodes:
        _memnodes(dom, automatic)


def _memnodes(dom: Domain, automatic: bool) -> None:
    cells = len(dom.numa_cells)
    wrong = ""
    seen: set[int] = set()
    for node in dom.numatune.memnodes:
        if not cells:
            wrong = "needs nodes of the guest"
        elif (node.cellid or 0) >= cells:
            wrong = "is of no node of the guest"
        elif node.cellid in seen:
            wrong = "stands twice"
        elif node.nodeset is None:
            wrong = "has no nodeset"
        elif dom.numatune.memory.mode == "restrictive" and node.mode != "restrictive":
            wrong = "must be restrictive, as <memory> is"
        if wrong:
            raise XmlError(f"<memnode cellid='{node.cellid}'> {wrong}", domain=ErrorDomain.DOMAIN)
        seen.add(node.cellid or 0)
    if automatic:
        raise ConfigUnsupported(
            "<memnode> does not go with automatic placement", domain=ErrorDomain.DOMAIN
        )
