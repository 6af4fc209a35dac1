# SPDX-License-Identifier: Apache-2.0
"""Whether a guest's agent can be asked, and asking it: one call at a time."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Any

from virloom.drivers.qemu.agent.client import WAIT, Agent, Limits
from virloom.drivers.qemu.domain import Guest
from virloom.drivers.qemu.process.channels import CONNECTED, agent_channel, connect_agent
from virloom.drivers.qemu.process.running import RunningGuest
from virloom.drivers.runtime.jobs import Job
from virloom.enums.domain import DomainAgentResponseTimeoutValues, DomainState
from virloom.enums.error import ErrorDomain
from virloom.errors import (
    AgentUnresponsive,
    ArgumentUnsupported,
    OperationInvalid,
)


class AgentCall:
    """What a call may ask of an agent, while it holds the agent's job."""

    def __init__(self, running: RunningGuest, agent: Agent) -> None:
        self.running = running
        self.agent = agent

    async def execute(self, command: str, arguments: Mapping[str, Any] | None = None) -> Any:
        """Does a command within the domain's time; raises as :meth:`Agent.execute`."""
        limits = limits_of(self.running.guest.agent_timeout)
        result = await self.agent.execute(command, arguments, limits)
        self.running.require_current()
        return result


@asynccontextmanager
async def asking(
    guest: Guest, kind: Job, owner: str, *, domain: ErrorDomain = ErrorDomain.DOMAIN
) -> AsyncIterator[AgentCall]:
    """Holds the domain's agent job, and gives the way to its agent.

    Args:
        domain: Of the error of a domain that is not running.

    Raises:
        OperationInvalid: The guest does not run.
        ArgumentUnsupported: It has no channel for an agent.
        AgentUnresponsive: Nobody has opened the channel in the guest.
    """
    guest.require_running(domain)
    async with guest.jobs.hold_agent(kind, owner):
        running = guest.require_running(domain)
        require_agent(running)
        yield AgentCall(running, connect_agent(running))


def require_agent(running: RunningGuest) -> None:
    """Raises as :func:`asking` where there is no agent to be asked."""
    if running.guest.state != DomainState.RUNNING:
        raise OperationInvalid("domain is not running", domain=ErrorDomain.QEMU)
    channel = agent_channel(running.model)
    if channel is None:
        raise ArgumentUnsupported("QEMU guest agent is not configured", domain=ErrorDomain.QEMU)
    if channel.type != "unix" or channel.target.state != CONNECTED:
        raise AgentUnresponsive("QEMU guest agent is not connected", domain=ErrorDomain.QEMU)


def has_agent(running: RunningGuest) -> bool:
    """Whether an agent has opened its channel."""
    channel = agent_channel(running.model)
    return channel is not None and channel.target.state == CONNECTED


def limits_of(timeout: int) -> Limits:
    """What a time-out of libvirt's means: seconds, or one of DomainAgentResponseTimeoutValues."""
    if timeout == DomainAgentResponseTimeoutValues.BLOCK:
        return Limits(WAIT, None)
    if timeout == DomainAgentResponseTimeoutValues.DEFAULT:
        return Limits(WAIT, WAIT)
    return Limits(min(WAIT, timeout), timeout)
