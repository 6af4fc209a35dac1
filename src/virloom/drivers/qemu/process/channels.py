# SPDX-License-Identifier: Apache-2.0
"""Ports between host and guest, and whether anybody in the guest has them open."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from virloom.drivers.qemu.agent.client import Agent
from virloom.drivers.qemu.monitor.client import connect_unix
from virloom.drivers.qemu.process.resources import alias_of, source_of
from virloom.drivers.qemu.process.running import RunningGuest
from virloom.enums.domain import ConnectDomainEventAgentLifecycleReason as Reason
from virloom.enums.domain import ConnectDomainEventAgentLifecycleState as State
from virloom.enums.domain import DomainEventID
from virloom.enums.error import ErrorDomain
from virloom.errors import AgentUnresponsive, SystemFailure, VirloomError
from virloom.model.domain import Channel, Domain

if TYPE_CHECKING:
    from virloom.drivers.qemu.driver import QemuDriver

logger = logging.getLogger(__name__)

#: The port that an agent in the guest opens.
_AGENT = "org.qemu.guest_agent.0"

CONNECTED, DISCONNECTED = "connected", "disconnected"


def agent_channel(model: Domain) -> Channel | None:
    """The channel of the guest's agent."""
    for channel in model.devices.channels:
        if channel.target.type == "virtio" and channel.target.name == _AGENT:
            return channel
    return None


def tell_start(driver: QemuDriver, running: RunningGuest) -> None:
    """The event of a guest that starts: nobody in it has opened the agent's port."""
    _tell_agent(driver, running, Reason.DOMAIN_STARTED)


def port_changed(
    driver: QemuDriver, running: RunningGuest, name: str, data: Mapping[str, Any]
) -> None:
    """A virtio serial port was opened or closed inside the guest."""
    if not _set_state(running, str(data.get("id", "")), bool(data.get("open"))):
        return
    try:
        running.set_document()
        running.save()
    except VirloomError as exc:
        # Whoever takes the guest over asks QEMU.
        logger.error("domain '%s': %s", running.guest.name, exc)
    channel = agent_channel(running.model)
    if channel is not None and alias_of(channel) == data.get("id"):
        running.close_agent()
        _greet_agent(running, channel)
        _tell_agent(driver, running, Reason.CHANNEL)


def catch_up(driver: QemuDriver, running: RunningGuest, characters: Any) -> None:
    """Notes what has become of the ports meanwhile.

    Args:
        characters: What QEMU answers to ``query-chardev``.
    """
    channel = agent_channel(running.model)
    before = channel.target.state if channel is not None else None
    for item in characters:
        _set_state(running, item["label"].removeprefix("char"), bool(item["frontend-open"]))
    if channel is None:
        return
    _greet_agent(running, channel)
    if channel.target.state != before:
        event = _state(channel), int(Reason.CHANNEL)
        driver.events.emit_missed(DomainEventID.AGENT_LIFECYCLE, running.guest.ref(), *event)


def connect_agent(running: RunningGuest) -> Agent:
    """The connection to the agent: the one there is, or a new one.

    Raises:
        AgentUnresponsive: QEMU does not let us in.
    """
    if running.agent is not None and not running.agent.closed:
        return running.agent
    channel = agent_channel(running.model)
    path = source_of(channel).path if channel is not None else None
    try:
        connection = connect_unix(path or "")
    except SystemFailure as exc:
        raise AgentUnresponsive(
            f"QEMU guest agent is not available due to an error: {exc.detail}",
            domain=ErrorDomain.QEMU,
        ) from exc
    running.agent = Agent(connection, running.guest.name)
    return running.agent


def _greet_agent(running: RunningGuest, channel: Channel) -> None:
    """Connects as soon as the port is open: many an agent ends that finds nobody at the other end.

    Whoever needs the agent tries again.
    """
    if channel.type == "unix" and channel.target.state == CONNECTED:
        try:
            connect_agent(running)
        except VirloomError as exc:
            logger.warning("domain '%s': %s", running.guest.name, exc.message)


def _set_state(running: RunningGuest, alias: str, opened: bool) -> bool:
    """Notes the state of a port; whether it has another one than before."""
    state = CONNECTED if opened else DISCONNECTED
    for channel in running.model.devices.channels:
        if channel.target.type == "virtio" and alias_of(channel) == alias:
            changed = channel.target.state != state
            channel.target.state = state
            return changed
    return False


def _tell_agent(driver: QemuDriver, running: RunningGuest, reason: Reason) -> None:
    channel = agent_channel(running.model)
    if channel is not None:
        event = _state(channel), int(reason)
        driver.events.emit(DomainEventID.AGENT_LIFECYCLE, running.guest.ref(), *event)


def _state(channel: Channel) -> int:
    return int(State.CONNECTED if channel.target.state == CONNECTED else State.DISCONNECTED)
