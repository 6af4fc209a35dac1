# SPDX-License-Identifier: Apache-2.0
"""All that the guest's agent tells of it, in one call."""

from __future__ import annotations

from virloom.drivers.qemu.agent.access import AgentCall, asking
from virloom.drivers.qemu.agent.answers import MANY, reading
from virloom.drivers.qemu.agent.client import AgentError
from virloom.drivers.qemu.agent.report import KINDS, Figure
from virloom.drivers.qemu.driver import QemuDriver
from virloom.drivers.qemu.handlers.arguments import check_flags
from virloom.drivers.runtime.jobs import Job
from virloom.endpoint.dispatch import Call, serves
from virloom.enums.domain import DomainGuestInfoTypes
from virloom.enums.error import ErrorDomain
from virloom.errors import InternalError, InvalidArg
from virloom.procedures import domain as p
from virloom.procedures.record import typed_value
from virloom.procedures.types import TypedParam


class AgentReport:
    """The handler of a guest's information."""

    def __init__(self, driver: QemuDriver) -> None:
        self._driver = driver

    @serves(p.DOMAIN_GET_GUEST_INFO)
    async def get(self, call: Call, args: p.DomainGetGuestInfoArgs) -> p.DomainGetGuestInfoRet:
        check_flags(call, args.flags, 0)
        known = sum(KINDS)
        if args.types & ~known:
            raise InvalidArg(
                f"unsupported guest information types '{args.types & ~known:#x}'",
                domain=ErrorDomain.QEMU,
            )
        guest = self._driver.find(args.dom)
        figures: list[Figure] = []
        async with asking(guest, Job.QUERY, call.procedure.name, domain=ErrorDomain.QEMU) as asked:
            for kind in KINDS:
                if not args.types or args.types & kind:
                    figures += await _told(asked, kind, wanted=bool(args.types))
        if len(figures) > MANY:
            raise InternalError(
                f"the guest agent tells more than {MANY} figures", domain=ErrorDomain.QEMU
            )
        return p.DomainGetGuestInfoRet(
            [TypedParam(name, typed_value(type, value)) for name, type, value in figures]
        )


async def _told(asked: AgentCall, kind: DomainGuestInfoTypes, *, wanted: bool) -> list[Figure]:
    """The figures of one kind; none where an agent does not know it, and nobody asked for it."""
    command, figures = KINDS[kind]
    try:
        answer = await asked.execute(command)
    except AgentError as exc:
        if exc.unsupported and not wanted:
            return []
        raise
    with reading(command):
        return list(figures(asked.running.model, answer))
