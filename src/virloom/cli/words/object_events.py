# SPDX-License-Identifier: Apache-2.0
"""Events of networks, node devices and secrets, printed as they come."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from virloom.cli.shell import finding
from virloom.cli.shell.arguments import Arguments
from virloom.cli.shell.failure import CommandFailed
from virloom.cli.shell.registry import command
from virloom.cli.shell.session import Session
from virloom.cli.shell.watching import Watched, chosen, listed, patience, watch
from virloom.client.network.events import NetworkLifecycleEvent
from virloom.client.node_device import NodeDeviceLifecycleEvent, NodeDeviceUpdateEvent
from virloom.client.secret import SecretLifecycleEvent, SecretValueChangedEvent
from virloom.errors import VirloomError


def lifecycle(kind: type[Any], name_of: Callable[[Any], str]) -> Watched:
    """The event of an object that comes and goes; *name_of* is what follows ``for``."""

    def describe(event: Any) -> str:
        # A number that is no member is of a newer driver.
        what = getattr(event.event, "name", "unknown").capitalize()
        return f"event 'lifecycle' for {name_of(event)}: {what}"

    return Watched(kind, describe)


NETWORK_EVENTS = {
    "lifecycle": lifecycle(NetworkLifecycleEvent, lambda event: f"network {event.network.name}"),
}
DEVICE_EVENTS = {
    "lifecycle": lifecycle(
        NodeDeviceLifecycleEvent, lambda event: f"node device {event.device.name}"
    ),
    "update": Watched(
        NodeDeviceUpdateEvent, lambda event: f"event 'update' for node device {event.device.name}"
    ),
}
SECRET_EVENTS = {
    "lifecycle": lifecycle(SecretLifecycleEvent, lambda event: f"secret {event.secret.uuid}"),
    "value-changed": Watched(
        SecretValueChangedEvent,
        lambda event: f"event 'value-changed' for secret {event.secret.uuid}",
    ),
}


@command("net-event")
async def network_event(session: Session, arguments: Arguments) -> None:
    """Print what happens to networks."""
    await watch_area(session, arguments, "network", NETWORK_EVENTS, finding.network, "networks")


@command("secret-event")
async def secret_event(session: Session, arguments: Arguments) -> None:
    """Print what happens to secrets."""
    await watch_area(session, arguments, "secret", SECRET_EVENTS, finding.secret, "secrets")


@command("nodedev-event")
async def device_event(session: Session, arguments: Arguments) -> None:
    """Print what happens to the host's devices."""
    if listed(session, arguments, DEVICE_EVENTS):
        return
    event, wait = chosen(arguments, DEVICE_EVENTS), patience(arguments)
    only = None
    if "device" in arguments:
        only = (await finding.device(session, arguments))[0].ref
    devices = (await session.connection()).node_devices
    await watch(session, devices.events(event.kind, only=only), event.describe, wait)


async def watch_area(
    session: Session,
    arguments: Arguments,
    option: str,
    events: Mapping[str, Watched],
    find: Callable[[Session, Arguments], Any],
    area: str,
) -> None:
    """What a ``*-event`` command does: waits for events of one object of an area, or of all.

    As in virsh, one that is not there is complained of, and then all are watched.
    """
    if listed(session, arguments, events):
        return
    event, wait = chosen(arguments, events), patience(arguments)
    only, failure = None, None
    if option in arguments:
        try:
            only = (await find(session, arguments))[0].ref
        except CommandFailed as missing:
            session.complain(str(missing))
            failure = missing.__cause__
    assert failure is None or isinstance(failure, VirloomError)
    objects = getattr(await session.connection(), area)
    await watch(session, objects.events(event.kind, only=only), event.describe, wait, failure)
