# SPDX-License-Identifier: Apache-2.0
"""Raw commands for QEMU's monitor."""

from __future__ import annotations

import logging
from collections.abc import Sequence

from virloom.drivers.qemu.driver import QemuDriver
from virloom.drivers.qemu.handlers.arguments import check_flags
from virloom.drivers.qemu.handlers.messages import CUSTOM_MONITOR, taint
from virloom.drivers.qemu.monitor.commands.raw import human, qmp
from virloom.drivers.runtime.jobs import Job
from virloom.endpoint.dispatch import Call, serves
from virloom.enums.error import ErrorDomain
from virloom.enums.qemu import DomainQemuMonitorCommandFlags
from virloom.errors import InvalidArg
from virloom.host.fdpass import OwnedFds
from virloom.procedures import qemu as p

logger = logging.getLogger(__name__)

#: Who refuses flags: both calls are one.
_FUNCTION = "qemuDomainQemuMonitorCommandWithFiles"


class RawMonitor:
    """Handlers that pass commands through."""

    def __init__(self, driver: QemuDriver) -> None:
        self._driver = driver

    @serves(p.DOMAIN_MONITOR_COMMAND)
    async def command(
        self, call: Call, args: p.QemuDomainMonitorCommandArgs
    ) -> p.QemuDomainMonitorCommandRet:
        check_flags(call, args.flags, DomainQemuMonitorCommandFlags.HMP, function=_FUNCTION)
        return p.QemuDomainMonitorCommandRet(await self._run(call, args, ()))

    @serves(p.DOMAIN_MONITOR_COMMAND_WITH_FILES)
    async def command_with_files(
        self, call: Call, args: p.QemuDomainMonitorCommandWithFilesArgs
    ) -> p.QemuDomainMonitorCommandWithFilesRet:
        """The descriptor goes with the command; QEMU gives none back."""
        check_flags(call, args.flags, DomainQemuMonitorCommandFlags.HMP)
        with OwnedFds(call.take_fds()) as fds:
            if len(fds) > 1:
                raise InvalidArg(
                    "at most 1 fd can be passed to qemu along with a command",
                    domain=ErrorDomain.QEMU,
                )
            answer = await self._run(call, args, fds.numbers)
        return p.QemuDomainMonitorCommandWithFilesRet(answer)

    async def _run(
        self,
        call: Call,
        args: p.QemuDomainMonitorCommandArgs | p.QemuDomainMonitorCommandWithFilesArgs,
        fds: Sequence[int],
    ) -> str:
        guest = self._driver.find(args.dom)
        async with guest.jobs.hold(Job.MODIFY, call.procedure.name):
            running = guest.require_running()
            logger.warning("domain '%s': a raw monitor command is run", guest.name)
            taint(running, CUSTOM_MONITOR)
            monitor = running.require_monitor()
            if args.flags & DomainQemuMonitorCommandFlags.HMP:
                return await human(monitor, args.cmd)
            return await qmp(monitor, args.cmd, fds)
