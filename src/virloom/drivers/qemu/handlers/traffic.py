# SPDX-License-Identifier: Apache-2.0
"""The limits of interfaces' traffic."""

from __future__ import annotations

from collections.abc import Callable

from virloom.drivers.qemu.admission import rewrite
from virloom.drivers.qemu.driver import QemuDriver
from virloom.drivers.qemu.handlers.arguments import check_exclusive, check_flags
from virloom.drivers.qemu.handlers.documents import affected
from virloom.drivers.qemu.process.running import RunningGuest
from virloom.drivers.runtime import bandwidth
from virloom.drivers.runtime.jobs import Job
from virloom.endpoint.dispatch import Call, serves
from virloom.enums.domain import DomainModificationImpact
from virloom.enums.error import ErrorDomain
from virloom.errors import ConfigUnsupported, OperationUnsupported
from virloom.model.domain import Domain, Interface
from virloom.procedures import domain as p

_BOTH = DomainModificationImpact.LIVE | DomainModificationImpact.CONFIG
_STRING_OKAY = 4  # VIR_TYPED_PARAM_STRING_OKAY

#: Types of interfaces that have a device on the host.
_LIMITED = ("network", "bridge", "direct", "ethernet")


class Traffic:
    """Handlers of the limits of interfaces."""

    def __init__(self, driver: QemuDriver) -> None:
        self._driver = driver

    @serves(p.DOMAIN_SET_INTERFACE_PARAMETERS)
    async def set_parameters(self, call: Call, args: p.DomainSetInterfaceParametersArgs) -> None:
        """At the host's end of the interface, in the document of the next start, or both."""
        check_flags(call, args.flags, _BOTH)
        values = bandwidth.KINDS.check(args.params)
        guest = self._driver.find(args.dom)
        async with guest.jobs.hold(Job.MODIFY, call.procedure.name):
            live, config = affected(guest, args.flags)

            def change(model: Domain) -> None:
                bandwidth.set_limits(bandwidth.find_interface(model, args.device), values)

            if config:
                draft = guest.persistent_model().copy()
                change(draft)  # refused before anything is done
                _check_limited(draft, args.device)
            if live:
                await self._limit(guest.require_running(), args, change)
            if config:
                await rewrite(self._driver, guest, change)

    async def _limit(
        self,
        running: RunningGuest,
        args: p.DomainSetInterfaceParametersArgs,
        change: Callable[[Domain], None],
    ) -> None:
        """Has the host's end of the interface carry no more than a changed document says."""
        device = args.device
        _check_limited(running.model, device)
        from virloom.drivers.qemu.nics.limits import limit_card  # seldom asked for
        from virloom.drivers.qemu.nics.ports import set_port_limits

        draft = running.model.copy()
        change(draft)
        wanted = bandwidth.find_interface(draft, device)
        _check_floor(wanted)
        await set_port_limits(self._driver, wanted, args.params)
        await limit_card(self._driver, running.record, wanted, wanted.bandwidth)
        bandwidth.find_interface(running.model, device).bandwidth = wanted.bandwidth
        running.set_document()
        running.save()

    @serves(p.DOMAIN_GET_INTERFACE_PARAMETERS)
    def get_parameters(
        self, call: Call, args: p.DomainGetInterfaceParametersArgs
    ) -> p.DomainGetInterfaceParametersRet:
        check_exclusive(args.flags)
        check_flags(call, args.flags, _BOTH | _STRING_OKAY)
        guest = self._driver.find(args.dom)
        live, _ = affected(guest, args.flags)
        if args.nparams == 0:
            return p.DomainGetInterfaceParametersRet(*bandwidth.KINDS.answer({}, 0))
        model = guest.model if live else guest.persistent_model()
        values = bandwidth.limits_of(bandwidth.find_interface(model, args.device))
        answer = bandwidth.KINDS.answer(values, args.nparams)
        return p.DomainGetInterfaceParametersRet(*answer)


def _check_limited(model: Domain, device: str) -> None:
    if bandwidth.find_interface(model, device).type not in _LIMITED:
        raise _refused(model, device)


def _check_floor(interface: Interface) -> None:
    limits = interface.bandwidth
    if limits is None or limits.inbound is None or not limits.inbound.floor:
        return
    if interface.source.portid is None:
        raise OperationUnsupported(
            f"Invalid use of 'floor' on interface with MAC address {interface.mac.address}: "
            "only a network is sure of a rate",
            domain=ErrorDomain.QEMU,
        )


def _refused(model: Domain, device: str) -> ConfigUnsupported:
    kind = bandwidth.find_interface(model, device).type
    return ConfigUnsupported(
        f"the traffic of an interface of type '{kind}' cannot be limited", domain=ErrorDomain.QEMU
    )
