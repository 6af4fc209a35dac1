# SPDX-License-Identifier: Apache-2.0
"""Raw commands for QEMU's monitor."""

from __future__ import annotations

import logging

from virloom.drivers.qemu.driver import QemuDriver
from virloom.drivers.qemu.handlers.lifecycle import check_flags
from virloom.drivers.qemu.monitor.commands.raw import human, qmp
from virloom.drivers.runtime.jobs import Job
from virloom.endpoint.dispatch import Call, serves
from virloom.enums.qemu import DomainQemuMonitorCommandFlags
from virloom.procedures import qemu as p

logger = logging.getLogger(__name__)


class RawMonitor:
    """Handlers that pass commands through."""

    def __init__(self, driver: QemuDriver) -> None:
        self._driver = driver

    @serves(p.DOMAIN_MONITOR_COMMAND)
    async def command(
        self, call: Call, args: p.QemuDomainMonitorCommandArgs
    ) -> p.QemuDomainMonitorCommandRet:
        check_flags(call, args.flags, DomainQemuMonitorCommandFlags.HMP)
        guest = self._driver.find(args.dom)
        async with guest.jobs.hold(Job.MODIFY, call.procedure.name):
            running = guest.require_running()
            logger.warning("domain '%s': a raw monitor command is run", guest.name)
            monitor = running.require_monitor()
            hmp = bool(args.flags & DomainQemuMonitorCommandFlags.HMP)
            answer = await (human(monitor, args.cmd) if hmp else qmp(monitor, args.cmd))
            return p.QemuDomainMonitorCommandRet(answer)
