# SPDX-License-Identifier: Apache-2.0
"""How fast a guest changes its memory, and what is known of the start of a confidential one."""

from __future__ import annotations

from virloom.drivers.qemu.driver import QemuDriver
from virloom.drivers.qemu.handlers.arguments import check_flags, senseless
from virloom.drivers.runtime.jobs import Job
from virloom.endpoint.dispatch import Call, serves
from virloom.enums.domain import DomainDirtyRateCalcFlags
from virloom.enums.error import ErrorDomain
from virloom.errors import ConfigUnsupported, OperationUnsupported
from virloom.model.domain import Domain
from virloom.procedures import domain as p

_STRING_OKAY = 4  # VIR_TYPED_PARAM_STRING_OKAY

#: QEMU measures for so many seconds at most.
_LONGEST = 60


class Measuring:
    """Handlers of measurements."""

    def __init__(self, driver: QemuDriver) -> None:
        self._driver = driver

    @serves(p.DOMAIN_START_DIRTY_RATE_CALC)
    async def start_dirty_rate(self, call: Call, args: p.DomainStartDirtyRateCalcArgs) -> None:
        """Begins to measure; the statistics tell what came of it."""
        known = DomainDirtyRateCalcFlags
        if args.flags & known.DIRTY_BITMAP and args.flags & known.DIRTY_RING:
            raise senseless(
                "Flags 'VIR_DOMAIN_DIRTYRATE_MODE_DIRTY_BITMAP' and "
                "'VIR_DOMAIN_DIRTYRATE_MODE_DIRTY_RING' are mutually exclusive"
            )
        check_flags(call, args.flags, known.DIRTY_BITMAP | known.DIRTY_RING)
        if not 1 <= args.seconds <= _LONGEST:
            raise ConfigUnsupported(
                f"a guest is measured for 1 to {_LONGEST} seconds, not {args.seconds}",
                domain=ErrorDomain.QEMU,
            )
        guest = self._driver.find(args.dom)
        async with guest.jobs.hold(Job.MODIFY, call.procedure.name):
            running = guest.require_running()
            if args.flags & known.DIRTY_RING and not _has_dirty_ring(running.model):
                raise OperationUnsupported(
                    "the dirty ring is measured only of a guest that has one "
                    "(<kvm><dirty-ring state='on'/>)",
                    domain=ErrorDomain.QEMU,
                )
            await running.execute(
                "calc-dirty-rate", {"calc-time": args.seconds, "mode": _mode(args.flags)}
            )

    @serves(p.DOMAIN_GET_LAUNCH_SECURITY_INFO)
    def launch_security(
        self, call: Call, args: p.DomainGetLaunchSecurityInfoArgs
    ) -> p.DomainGetLaunchSecurityInfoRet:
        """Nothing: a guest with SEV, of which there would be something, cannot be defined here."""
        check_flags(call, args.flags, _STRING_OKAY)
        self._driver.find(args.dom)
        return p.DomainGetLaunchSecurityInfoRet([])

    @serves(p.DOMAIN_SET_LAUNCH_SECURITY_STATE)
    def set_launch_security(self, call: Call, args: p.DomainSetLaunchSecurityStateArgs) -> None:
        if not args.params:
            raise senseless("params in virDomainSetLaunchSecurityState must not be NULL")
        check_flags(call, args.flags, 0)
        guest = self._driver.find(args.dom)
        raise OperationUnsupported(
            f"domain '{guest.name}' has no SEV, so no launch secret can be given to it",
            domain=ErrorDomain.QEMU,
        )


def _has_dirty_ring(model: Domain) -> bool:
    kvm = model.features.kvm
    return bool(kvm is not None and kvm.dirty_ring is not None and kvm.dirty_ring.state)


def _mode(flags: int) -> str:
    """How QEMU measures (``DirtyRateMeasureMode`` of qapi/migration.json)."""
    if flags & DomainDirtyRateCalcFlags.DIRTY_BITMAP:
        return "dirty-bitmap"
    return "dirty-ring" if flags & DomainDirtyRateCalcFlags.DIRTY_RING else "page-sampling"
