# SPDX-License-Identifier: Apache-2.0
"""A guest is put to sleep by its agent, and woken by its machine."""

from __future__ import annotations

import asyncio
from typing import Any

from virloom.drivers.qemu.agent.access import asking
from virloom.drivers.qemu.driver import QemuDriver
from virloom.drivers.qemu.handlers.arguments import check_flags
from virloom.drivers.qemu.monitor.commands.status import can_be_woken
from virloom.drivers.qemu.process.running import RunningGuest
from virloom.drivers.runtime.jobs import Job
from virloom.endpoint.dispatch import Call, serves
from virloom.enums.error import ErrorDomain
from virloom.enums.host import NodeSuspendTarget
from virloom.enums.qemu import DomainQemuAgentCommandTimeoutValues
from virloom.errors import AgentUnresponsive, ArgumentUnsupported, InvalidArg, OperationUnsupported
from virloom.model.domain import Domain
from virloom.procedures import domain as p

#: Seconds that a guest has for it.
_LIMIT = float(DomainQemuAgentCommandTimeoutValues.SHUTDOWN)

_COMMANDS = {
    NodeSuspendTarget.MEM: "guest-suspend-ram",
    NodeSuspendTarget.DISK: "guest-suspend-disk",
    NodeSuspendTarget.HYBRID: "guest-suspend-hybrid",
}


class Sleeping:
    """Handlers of guests' sleep."""

    def __init__(self, driver: QemuDriver) -> None:
        self._driver = driver

    @serves(p.DOMAIN_PM_SUSPEND_FOR_DURATION)
    async def suspend(self, call: Call, args: p.DomainPMSuspendForDurationArgs) -> None:
        """Returns when the guest has gone to sleep."""
        check_flags(call, args.flags, 0)
        if args.duration:
            raise ArgumentUnsupported(
                "a guest sleeps until it is woken: its duration can only be 0",
                domain=ErrorDomain.QEMU,
            )
        if args.target not in _COMMANDS:
            raise InvalidArg(f"Unknown suspend target: {args.target}", domain=ErrorDomain.QEMU)
        target = NodeSuspendTarget(args.target)
        guest = self._driver.find(args.dom)
        async with asking(guest, Job.MODIFY, call.procedure.name, domain=ErrorDomain.QEMU) as asked:
            _check_states(asked.running.model, target)
            await _check_machine(asked.running, target)
            asked.running.asleep.clear()
            await asked.agent.execute_to_end(_COMMANDS[target], {}, _LIMIT)
            await _asleep(asked.running)

    @serves(p.DOMAIN_PM_WAKEUP)
    async def wake(self, call: Call, args: p.DomainPMWakeupArgs) -> None:
        check_flags(call, args.flags, 0)
        guest = self._driver.find(args.dom)
        async with guest.jobs.hold(Job.MODIFY, call.procedure.name):
            await guest.require_running().execute("system_wakeup")


async def _asleep(running: RunningGuest) -> None:
    """Returns when the guest sleeps; its agent's port is closed shortly before.

    Raises:
        AgentUnresponsive: It does not, although its agent had nothing against it.
        OperationInvalid: It has ended instead.
    """
    told = asyncio.ensure_future(running.asleep.wait())
    either: set[asyncio.Future[Any]] = {told, running.ended}
    try:
        await asyncio.wait(either, timeout=_LIMIT, return_when=asyncio.FIRST_COMPLETED)
    finally:
        told.cancel()
    if not running.asleep.is_set():
        running.require_current()
        raise AgentUnresponsive(
            f"domain '{running.guest.name}' has not gone to sleep", domain=ErrorDomain.QEMU
        )


async def _check_machine(running: RunningGuest, target: NodeSuspendTarget) -> None:
    """A guest that nobody can wake would be lost; from its disk it boots again.

    Raises:
        OperationUnsupported: The machine cannot.
    """
    woken = await can_be_woken(running.require_monitor())
    running.require_current()
    if target != NodeSuspendTarget.DISK and not woken:
        raise OperationUnsupported(
            f"the machine of domain '{running.guest.name}' cannot be woken",
            domain=ErrorDomain.QEMU,
        )


def _check_states(model: Domain, target: NodeSuspendTarget) -> None:
    """Whether the document lets the guest sleep so.

    Raises:
        OperationUnsupported: It does not.
    """
    states = {"S4": (model.pm.suspend_to_disk, NodeSuspendTarget.MEM)}
    states["S3"] = (model.pm.suspend_to_mem, NodeSuspendTarget.DISK)
    for state, (allowed, other) in states.items():
        if target != other and allowed is not None and allowed.enabled is False:
            raise OperationUnsupported(
                f"{state} state is disabled for domain '{model.name}'", domain=ErrorDomain.QEMU
            )
