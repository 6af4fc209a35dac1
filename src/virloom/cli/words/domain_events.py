# SPDX-License-Identifier: Apache-2.0
"""Events of domains, printed as they come."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from virloom.cli.shell import lookup
from virloom.cli.shell.arguments import Arguments
from virloom.cli.shell.failure import CommandFailed
from virloom.cli.shell.output import shown_value
from virloom.cli.shell.registry import command
from virloom.cli.shell.session import Session
from virloom.cli.shell.states import word
from virloom.cli.shell.watching import Watched, listed, patience, watch
from virloom.client.domain import events as ev
from virloom.client.params import ParamValue
from virloom.enums.domain import DomainMemoryFailureFlags

_EVENTS = (
    "Defined", "Undefined", "Started", "Suspended", "Resumed", "Stopped", "Shutdown",
    "PMSuspended", "Crashed",
)  # fmt: skip
_DETAILS: tuple[tuple[str, ...], ...] = (
    ("Added", "Updated", "Renamed", "Snapshot"),
    ("Removed", "Renamed"),
    ("Booted", "Migrated", "Restored", "Snapshot", "Event wakeup"),
    (
        "Paused", "Migrated", "I/O Error", "Watchdog", "Restored", "Snapshot", "API error",
        "Post-copy", "Post-copy Error",
    ),
    ("Unpaused", "Migrated", "Snapshot", "Post-copy", "Post-copy Error"),
    ("Shutdown", "Destroyed", "Crashed", "Migrated", "Saved", "Failed", "Snapshot"),
    ("Finished", "Finished after guest request", "Finished after host request"),
    ("Memory", "Disk"),
    ("Panicked", "Crashloaded"),
)  # fmt: skip
_WATCHDOG = ("none", "pause", "reset", "poweroff", "shutdown", "debug", "inject-nmi")
_IO_ERROR = ("none", "pause", "report")
_PHASES = ("connect", "initialize", "disconnect")
_FAMILIES = ("IPv4", "IPv6", "unix")
_BLOCK_JOBS = (
    "Unknown job", "Block Pull", "Block Copy", "Block Commit", "Active Block Commit", "Backup",
)  # fmt: skip
_BLOCK_STATES = ("completed", "failed", "canceled", "ready")
_DISK = ("changed", "dropped")
_TRAY = ("opened", "closed")
_AGENT = ("unknown", "connected", "disconnected")
_AGENT_REASONS = ("unknown", "domain started", "channel event")
_METADATA = ("description", "title", "element")
_RECIPIENTS = ("hypervisor", "guest")
_FAILURE_ACTIONS = ("ignore", "inject", "fatal", "reset")


def _lifecycle(event: ev.LifecycleEvent) -> str:
    details: Sequence[str] = _DETAILS[event.event] if 0 <= event.event < len(_DETAILS) else ()
    return f": {word(_EVENTS, event.event)} {word(details, event.detail)}"


def _io_error(event: ev.IOErrorEvent) -> str:
    return f": {event.src_path} ({event.dev_alias}) {word(_IO_ERROR, event.action)}"


def _address(address: ev.GraphicsAddress) -> str:
    return f"[{word(_FAMILIES, address.family)} {address.node} {address.service}]"


def _graphics(event: ev.GraphicsEvent) -> str:
    head = (
        f": {word(_PHASES, event.phase)} local{_address(event.local)}"
        f" remote{_address(event.remote)} {event.auth_scheme}"
    )
    lines = [f"\tsubject[{at}]: {k}={v}" for at, (k, v) in enumerate(event.subject)]
    return "\n".join([head, *lines])


def _block_job(path: str, event: ev.BlockJobEvent | ev.BlockJob2Event) -> str:
    return f": {word(_BLOCK_JOBS, event.type)} for {path} {word(_BLOCK_STATES, event.status)}"


def _disk_change(event: ev.DiskChangeEvent) -> str:
    sources = f"{event.old_src_path or '(null)'} -> {event.new_src_path or '(null)'}"
    return f" disk {event.dev_alias}: {sources}: {word(_DISK, event.reason)}"


def _params(values: Mapping[str, ParamValue]) -> str:
    return ":\n" + "\n".join(f"\t{name}: {shown_value(value)}" for name, value in values.items())


def _agent(event: ev.AgentLifecycleEvent) -> str:
    reason = word(_AGENT_REASONS, event.reason)
    return f": state: '{word(_AGENT, event.state)}' reason: '{reason}'"


def _memory_failure(event: ev.MemoryFailureEvent) -> str:
    flags = DomainMemoryFailureFlags
    return (
        f":\nrecipient: {word(_RECIPIENTS, event.recipient)}"
        f"\naction: {word(_FAILURE_ACTIONS, event.action)}\nflags:"
        f"\n\taction required: {int(bool(event.flags & flags.ACTION_REQUIRED))}"
        f"\n\trecursive: {int(bool(event.flags & flags.RECURSIVE))}"
    )


def _nothing(event: Any) -> str:
    return ""


def _alias(event: Any) -> str:
    return f": {event.dev_alias}"


_TELLERS: dict[str, tuple[type[ev.DomainEvent], Callable[[Any], str]]] = {
    "lifecycle": (ev.LifecycleEvent, _lifecycle),
    "reboot": (ev.RebootEvent, _nothing),
    "rtc-change": (ev.RtcChangeEvent, lambda event: f": {event.offset}"),
    "watchdog": (ev.WatchdogEvent, lambda event: f": {word(_WATCHDOG, event.action)}"),
    "io-error": (ev.IOErrorEvent, _io_error),
    "graphics": (ev.GraphicsEvent, _graphics),
    "io-error-reason": (
        ev.IOErrorReasonEvent,
        lambda event: f"{_io_error(event)} due to {event.reason}",
    ),
    "control-error": (ev.ControlErrorEvent, _nothing),
    "block-job": (ev.BlockJobEvent, lambda event: _block_job(event.path, event)),
    "disk-change": (ev.DiskChangeEvent, _disk_change),
    "tray-change": (
        ev.TrayChangeEvent,
        lambda event: f" disk {event.dev_alias}: {word(_TRAY, event.reason)}",
    ),
    "pm-wakeup": (ev.PMWakeupEvent, _nothing),
    "pm-suspend": (ev.PMSuspendEvent, _nothing),
    "balloon-change": (ev.BalloonChangeEvent, lambda event: f": {event.actual}KiB"),
    "pm-suspend-disk": (ev.PMSuspendDiskEvent, _nothing),
    "device-removed": (ev.DeviceRemovedEvent, _alias),
    "block-job-2": (ev.BlockJob2Event, lambda event: _block_job(event.dst, event)),
    "tunable": (ev.TunableEvent, lambda event: _params(event.params)),
    "agent-lifecycle": (ev.AgentLifecycleEvent, _agent),
    "device-added": (ev.DeviceAddedEvent, _alias),
    "migration-iteration": (
        ev.MigrationIterationEvent,
        lambda event: f": iteration: '{event.iteration}'",
    ),
    "job-completed": (ev.JobCompletedEvent, lambda event: _params(event.params)),
    "device-removal-failed": (ev.DeviceRemovalFailedEvent, _alias),
    "metadata-change": (
        ev.MetadataChangeEvent,
        lambda event: f": type {word(_METADATA, event.type)}, uri {event.nsuri or '<null>'}",
    ),
    "block-threshold": (
        ev.BlockThresholdEvent,
        lambda event: f": dev: {event.dev}({event.path or ''}) {event.threshold} {event.excess}",
    ),
    "memory-failure": (ev.MemoryFailureEvent, _memory_failure),
    "memory-device-size-change": (
        ev.MemoryDeviceSizeChangeEvent,
        lambda event: f":\nalias: {event.alias}\nsize: {event.size}\n",
    ),
}


def _describe(event: ev.DomainEvent) -> str:
    for name, (kind, tell) in _TELLERS.items():
        if type(event) is kind:
            return f"event '{name}' for domain '{event.domain.name}'{tell(event)}"
    return f"event of a kind that this client does not know for domain '{event.domain.name}'"


EVENTS = {name: Watched(kind, _describe) for name, (kind, _) in _TELLERS.items()}


@command("event")
async def event(session: Session, arguments: Arguments) -> None:
    """Print what happens to domains."""
    if listed(session, arguments, EVENTS):
        return
    name, wait = arguments.get("event"), patience(arguments)
    if name is None and "all" not in arguments:
        raise CommandFailed("one of --list, --all, or --event <type> is required")
    if name is not None and name not in EVENTS:
        raise CommandFailed(f"unknown event type {name}")
    connection = await session.connection()
    only = (await lookup.domain(session, arguments)).ref if "domain" in arguments else None
    kind = None if name is None or "all" in arguments else EVENTS[name].kind
    await watch(session, connection.events(kind, domain=only), _describe, wait)
