# SPDX-License-Identifier: Apache-2.0
"""Raw commands for QEMU's monitor."""

from __future__ import annotations

import json
import logging
from typing import Any

from virloom.drivers.qemu.driver import QemuDriver
from virloom.drivers.qemu.handlers.lifecycle import check_flags
from virloom.drivers.qemu.monitor.client import QmpError
from virloom.drivers.qemu.process.running import RunningGuest
from virloom.drivers.runtime.jobs import Job
from virloom.endpoint.dispatch import Call, serves
from virloom.enums.error import ErrorDomain
from virloom.enums.qemu import DomainQemuMonitorCommandFlags
from virloom.errors import InvalidArg
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
            if args.flags & DomainQemuMonitorCommandFlags.HMP:
                text = await running.execute("human-monitor-command", {"command-line": args.cmd})
                return p.QemuDomainMonitorCommandRet(str(text))
            return p.QemuDomainMonitorCommandRet(await _run(running, _parsed(args.cmd)))


def _parsed(text: str) -> dict[str, Any]:
    try:
        command = json.loads(text)
    except (ValueError, RecursionError) as exc:
        raise InvalidArg(f"the command is not JSON: {exc}", domain=ErrorDomain.QEMU) from exc
    if not isinstance(command, dict) or not isinstance(command.get("execute"), str):
        raise InvalidArg('the command must be an object with "execute"', domain=ErrorDomain.QEMU)
    if not isinstance(command.get("arguments", {}), dict):
        raise InvalidArg('"arguments" must be an object', domain=ErrorDomain.QEMU)
    return command


async def _run(running: RunningGuest, command: dict[str, Any]) -> str:
    """QEMU's answer as text; what it refuses is an answer too, as with libvirt."""
    answer: dict[str, Any]
    try:
        answer = {"return": await running.execute(command["execute"], command.get("arguments"))}
    except QmpError as exc:
        answer = {"error": {"class": exc.kind, "desc": exc.description}}
    if "id" in command:
        answer["id"] = command["id"]
    return json.dumps(answer, separators=(",", ":"))
