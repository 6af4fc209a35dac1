# SPDX-License-Identifier: Apache-2.0
"""On which processors of the host domains run."""

from __future__ import annotations

from virloom.drivers.runtime.cpumaps import cpus_of, from_wire, to_wire
from virloom.drivers.runtime.pins import (
    emulator_pin_of,
    pin_of,
    set_emulator_pin,
    set_iothread_pin,
    set_pin,
)
from virloom.drivers.test.arguments import IMPACT, check_flags, document
from virloom.drivers.test.driver import InMemoryDriver
from virloom.drivers.test.handlers.processor import vcpus_of
from virloom.drivers.test.lifecycle import threads_of
from virloom.endpoint.dispatch import Call, serves
from virloom.enums.error import ErrorDomain
from virloom.errors import InvalidArg, OperationInvalid
from virloom.procedures import domain as p
from virloom.procedures.types import NonnullDomain


class Pinning:
    """Handlers of pins."""

    def __init__(self, driver: InMemoryDriver) -> None:
        self._driver = driver

    @serves(p.DOMAIN_PIN_VCPU)
    def pin_vcpu(self, call: Call, args: p.DomainPinVcpuArgs) -> None:
        self._pin_vcpu(args.dom, args.vcpu, args.cpumap)

    @serves(p.DOMAIN_PIN_VCPU_FLAGS)
    def pin_vcpu_flags(self, call: Call, args: p.DomainPinVcpuFlagsArgs) -> None:
        check_flags(call, args.flags)
        self._pin_vcpu(args.dom, args.vcpu, args.cpumap)

    def _pin_vcpu(self, ref: NonnullDomain, vcpu: int, cpumap: bytes) -> None:
        """Also to no processor at all."""
        guest = self._driver.find(ref)
        if guest.live is None:
            raise OperationInvalid(
                "cannot pin vcpus on an inactive domain", domain=ErrorDomain.TEST
            )
        if vcpu >= vcpus_of(guest.live):
            raise InvalidArg(
                f"requested vcpu '{vcpu}' is not present in the domain", domain=ErrorDomain.TEST
            )
        set_pin(guest.live, vcpu, from_wire(cpumap))

    @serves(p.DOMAIN_GET_VCPU_PIN_INFO)
    def vcpu_pin_info(
        self, call: Call, args: p.DomainGetVcpuPinInfoArgs
    ) -> p.DomainGetVcpuPinInfoRet:
        model = document(self._driver.find(args.dom), args.flags)
        count = min(vcpus_of(model), args.ncpumaps)
        every = range(self._driver.host.cpus)
        maps = [
            to_wire(cpus_of(pin_of(model, number), every), args.maplen) for number in range(count)
        ]
        return p.DomainGetVcpuPinInfoRet(b"".join(maps), count)

    @serves(p.DOMAIN_PIN_EMULATOR)
    def pin_emulator(self, call: Call, args: p.DomainPinEmulatorArgs) -> None:
        check_flags(call, args.flags, IMPACT)
        model = document(self._driver.find(args.dom), args.flags)
        cpuset = from_wire(args.cpumap)
        if not cpuset:
            raise InvalidArg("Empty cpu list for pinning", domain=ErrorDomain.TEST)
        set_emulator_pin(model, cpuset)

    @serves(p.DOMAIN_GET_EMULATOR_PIN_INFO)
    def emulator_pin_info(
        self, call: Call, args: p.DomainGetEmulatorPinInfoArgs
    ) -> p.DomainGetEmulatorPinInfoRet:
        check_flags(call, args.flags, IMPACT)
        model = document(self._driver.find(args.dom), args.flags)
        cpus = cpus_of(emulator_pin_of(model), range(self._driver.host.cpus))
        return p.DomainGetEmulatorPinInfoRet(to_wire(cpus, args.maplen), 1)

    @serves(p.DOMAIN_PIN_IOTHREAD)
    def pin_iothread(self, call: Call, args: p.DomainPinIothreadArgs) -> None:
        check_flags(call, args.flags, IMPACT)
        model = document(self._driver.find(args.dom), args.flags)
        cpuset = from_wire(args.cpumap)
        if not cpuset:
            raise InvalidArg("Empty iothread cpumap list for pinning", domain=ErrorDomain.TEST)
        if args.iothreads_id not in [thread.id for thread in threads_of(model)]:
            raise InvalidArg(f"iothreadid {args.iothreads_id} not found", domain=ErrorDomain.TEST)
        set_iothread_pin(model, args.iothreads_id, cpuset)
        model.iothreadids.iothreads = threads_of(model)
