# SPDX-License-Identifier: Apache-2.0
"""On which of the host's processors the threads of a domain may run."""

from __future__ import annotations

from virloom.model.domain import Domain
from virloom.model.domain.tuning import EmulatorPin, IoThreadPin, VcpuPin


def pin_of(model: Domain, vcpu: int) -> str | None:
    """The processors of a vCPU; None for all."""
    for pin in model.cputune.vcpupins:
        if pin.vcpu == vcpu:
            return pin.cpuset
    return model.vcpu.cpuset


def set_pin(model: Domain, vcpu: int, cpuset: str) -> None:
    """Sets the processors of a vCPU."""
    pins = [pin for pin in model.cputune.vcpupins if pin.vcpu != vcpu]
    pins.append(VcpuPin(vcpu=vcpu, cpuset=cpuset))
    model.cputune.vcpupins = sorted(pins, key=lambda pin: pin.vcpu or 0)


def emulator_pin_of(model: Domain) -> str | None:
    """The processors of the emulator's own threads; None for all."""
    pins = model.cputune.emulatorpins
    return pins[0].cpuset if pins else model.vcpu.cpuset


def set_emulator_pin(model: Domain, cpuset: str) -> None:
    """Sets the processors of the emulator's own threads."""
    model.cputune.emulatorpins = [EmulatorPin(cpuset=cpuset)]


def iothread_pin_of(model: Domain, number: int) -> str | None:
    """The processors of a thread for input and output; None where nothing is said."""
    for pin in model.cputune.iothreadpins:
        if pin.iothread == number:
            return pin.cpuset
    return None


def set_iothread_pin(model: Domain, number: int, cpuset: str) -> None:
    """Sets the processors of a thread for input and output."""
    pins = [pin for pin in model.cputune.iothreadpins if pin.iothread != number]
    pins.append(IoThreadPin(iothread=number, cpuset=cpuset))
    model.cputune.iothreadpins = sorted(pins, key=lambda pin: pin.iothread or 0)
