# SPDX-License-Identifier: Apache-2.0
"""Wishes where threads may run: a vCPU, QEMU's own threads, or one for input and output."""

from __future__ import annotations

import os
from typing import Protocol

from virloom.drivers.qemu.iothreads import iothread_ids
from virloom.drivers.qemu.monitor.commands.iothreads import iothread_threads
from virloom.drivers.qemu.process import tuning
from virloom.drivers.qemu.process.running import RunningGuest
from virloom.drivers.qemu.process.usage import vcpu_threads
from virloom.drivers.qemu.tuning.iothreads import told_apart
from virloom.drivers.qemu.tuning.vcpus import most
from virloom.drivers.runtime.cpumaps import cpus_of
from virloom.drivers.runtime.pins import (
    iothread_pin_of,
    set_emulator_pin,
    set_iothread_pin,
    set_pin,
)
from virloom.enums.error import ErrorDomain
from virloom.errors import InvalidArg
from virloom.host.topology import online_cpus
from virloom.model.domain import Domain


class Wish(Protocol):
    """Which CPUs of the host some threads are kept to.

    Attributes:
        cpuset: The CPUs, as documents have them; empty for none.
        parameter: What the event calls it.
    """

    @property
    def cpuset(self) -> str: ...

    @property
    def parameter(self) -> str: ...

    def check(self, model: Domain, which: str) -> None:
        """Raises InvalidArg where a document, the *which* one, has no such thread."""

    async def place(self, running: RunningGuest) -> None:
        """Moves the threads of a guest that runs.

        Raises:
            SystemFailure: The host refuses.
            VirloomError: QEMU does not answer.
        """

    def note(self, model: Domain) -> None:
        """Writes it into a document."""


class VcpuWish:
    """Of a vCPU, which may be absent yet."""

    def __init__(self, number: int, cpuset: str) -> None:
        self.number = number
        self.cpuset = cpuset
        self.parameter = f"cputune.vcpupin{number}"

    def check(self, model: Domain, which: str) -> None:
        if self.number >= most(model):
            raise InvalidArg(
                f"vCPU {self.number} is beyond the {most(model)} of the {which} domain",
                domain=ErrorDomain.QEMU,
            )

    async def place(self, running: RunningGuest) -> None:
        thread = vcpu_threads(running).get(self.number)
        if thread is not None:
            tuning.pin_thread(thread, self.cpuset, f"vCPU {self.number}")

    def note(self, model: Domain) -> None:
        set_pin(model, self.number, self.cpuset)


class EmulatorWish:
    """Of all threads that are none of the others."""

    parameter = "cputune.emulatorpin"

    def __init__(self, cpuset: str) -> None:
        self.cpuset = cpuset

    def check(self, model: Domain, which: str) -> None:
        """Every guest has some."""

    async def place(self, running: RunningGuest) -> None:
        others = set(vcpu_threads(running).values())
        if iothread_ids(running.model):
            others |= set((await threads_of(running)).values())
        tuning.pin_emulator(running, self.cpuset, others)

    def note(self, model: Domain) -> None:
        set_emulator_pin(model, self.cpuset)


class IoThreadWish:
    """Of a thread for input and output."""

    def __init__(self, number: int, cpuset: str) -> None:
        self.number = number
        self.cpuset = cpuset
        self.parameter = f"cputune.iothreadpin{number}"

    def check(self, model: Domain, which: str) -> None:
        if self.number not in iothread_ids(model):
            raise InvalidArg(
                f"the {which} domain has no I/O thread {self.number}", domain=ErrorDomain.QEMU
            )

    async def place(self, running: RunningGuest) -> None:
        thread = (await threads_of(running)).get(self.number)
        if thread is not None:
            tuning.pin_thread(thread, self.cpuset, f"I/O thread {self.number}")

    def note(self, model: Domain) -> None:
        """The pins are in the order of the threads, which are told apart from now on."""
        order = [thread.id for thread in told_apart(model)]
        set_iothread_pin(model, self.number, self.cpuset)
        model.cputune.iothreadpins.sort(key=lambda pin: order.index(pin.iothread))


async def threads_of(running: RunningGuest) -> dict[int, int]:
    """The thread of each of a running guest's threads for input and output, by number.

    Raises:
        VirloomError: QEMU does not answer.
    """
    threads = await iothread_threads(running.require_monitor())
    running.require_current()
    return threads


async def real_places(running: RunningGuest) -> dict[int, list[int]]:
    """The CPUs that each thread for input and output may use now; raises as that."""
    places = {}
    for number, thread in (await threads_of(running)).items():
        try:
            places[number] = sorted(os.sched_getaffinity(thread))
        except ProcessLookupError:  # it has just gone
            continue
    return places


def said_places(model: Domain) -> dict[int, list[int]]:
    """The CPUs that a document gives each of them."""
    everywhere = online_cpus()
    return {
        number: cpus_of(iothread_pin_of(model, number), everywhere)
        for number in iothread_ids(model)
    }
