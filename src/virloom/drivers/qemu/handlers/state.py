# SPDX-License-Identifier: Apache-2.0
"""What a domain is at this moment, as it is known without asking QEMU."""

from __future__ import annotations

from virloom.drivers.qemu.driver import QemuDriver
from virloom.drivers.qemu.handlers.arguments import check_flags
from virloom.endpoint.dispatch import Call, serves
from virloom.enums.domain import DomainControlErrorReason, DomainControlState
from virloom.procedures import domain as p


class State:
    """Handlers that tell whether a domain runs, why, and what it has."""

    def __init__(self, driver: QemuDriver) -> None:
        self._driver = driver

    @serves(p.DOMAIN_IS_ACTIVE)
    def is_active(self, call: Call, args: p.DomainIsActiveArgs) -> p.DomainIsActiveRet:
        return p.DomainIsActiveRet(int(self._driver.find(args.dom).active))

    @serves(p.DOMAIN_IS_PERSISTENT)
    def is_persistent(self, call: Call, args: p.DomainIsPersistentArgs) -> p.DomainIsPersistentRet:
        return p.DomainIsPersistentRet(int(self._driver.find(args.dom).persistent))

    @serves(p.DOMAIN_IS_UPDATED)
    def is_updated(self, call: Call, args: p.DomainIsUpdatedArgs) -> p.DomainIsUpdatedRet:
        return p.DomainIsUpdatedRet(int(self._driver.find(args.dom).updated))

    @serves(p.DOMAIN_GET_STATE)
    def get_state(self, call: Call, args: p.DomainGetStateArgs) -> p.DomainGetStateRet:
        check_flags(call, args.flags, 0)
        guest = self._driver.find(args.dom)
        return p.DomainGetStateRet(int(guest.state), int(guest.reason))

    @serves(p.DOMAIN_GET_CONTROL_INFO)
    def get_control_info(
        self, call: Call, args: p.DomainGetControlInfoArgs
    ) -> p.DomainGetControlInfoRet:
        check_flags(call, args.flags, 0)
        guest = self._driver.find(args.dom)
        running = guest.require_running()
        if running.monitor_error is not None:
            reason = int(DomainControlErrorReason.MONITOR)
            return p.DomainGetControlInfoRet(int(DomainControlState.ERROR), reason, 0)
        if guest.jobs.owner is not None:
            since = int(guest.jobs.held_for * 1000)
            return p.DomainGetControlInfoRet(int(DomainControlState.OCCUPIED), 0, since)
        return p.DomainGetControlInfoRet(int(DomainControlState.OK), 0, 0)

    @serves(p.DOMAIN_GET_OS_TYPE)
    def get_os_type(self, call: Call, args: p.DomainGetOsTypeArgs) -> p.DomainGetOsTypeRet:
        return p.DomainGetOsTypeRet(self._driver.find(args.dom).model.os.type.value or "hvm")

    @serves(p.DOMAIN_GET_INFO)
    def get_info(self, call: Call, args: p.DomainGetInfoArgs) -> p.DomainGetInfoRet:
        guest = self._driver.find(args.dom)
        model = guest.model
        user, system = guest.running.cpu_times() if guest.running is not None else (0, 0)
        return p.DomainGetInfoRet(
            state=int(guest.state),
            max_mem=model.memory or 0,
            memory=(model.current_memory or model.memory or 0),
            nr_virt_cpu=model.vcpu.current or model.vcpu.value or 1,
            cpu_time=user + system,
        )
