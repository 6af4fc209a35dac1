# SPDX-License-Identifier: Apache-2.0
"""The guest ends, or boots again, because its agent has been told so."""

from __future__ import annotations

from virloom.drivers.qemu.agent.access import asking
from virloom.drivers.qemu.domain import Guest
from virloom.drivers.runtime.jobs import Job
from virloom.enums.error import ErrorDomain
from virloom.enums.qemu import DomainQemuAgentCommandTimeoutValues


async def power_by_agent(guest: Guest, owner: str, *, reboot: bool) -> None:
    """Returns when the guest has begun to end, or to boot again.

    Raises:
        OperationInvalid, ArgumentUnsupported, AgentUnresponsive: As
            :func:`~virloom.drivers.qemu.agent.access.asking`, or nothing has happened after a
            minute.
        InternalError: The agent refuses.
    """
    async with asking(guest, Job.MODIFY, owner, domain=ErrorDomain.QEMU) as asked:
        running = asked.running
        running.fake_reboot = False  # what the guest does now is what is wanted of it
        running.save()
        again = reboot or running.model.on_poweroff == "restart"
        await asked.agent.execute_to_end(
            "guest-shutdown",
            {"mode": "reboot" if again else "powerdown"},
            DomainQemuAgentCommandTimeoutValues.SHUTDOWN,
        )
