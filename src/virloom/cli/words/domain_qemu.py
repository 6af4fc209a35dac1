# SPDX-License-Identifier: Apache-2.0
"""The way around libvirt: QEMU's own monitor, and the namespaces of containers."""

from __future__ import annotations

import os
from typing import Any

from virloom.cli.shell import jsontext, lookup, watching
from virloom.cli.shell.arguments import Arguments, parse_number
from virloom.cli.shell.failure import CommandFailed, failing
from virloom.cli.shell.registry import command
from virloom.cli.shell.session import Session
from virloom.client.domain.events import MonitorEvent
from virloom.enums.qemu import DomainQemuMonitorCommandFlags
from virloom.errors import InternalError


@command("qemu-monitor-command")
async def qemu_monitor_command(session: Session, arguments: Arguments) -> None:
    """Run a command of QEMU's monitor.

    It is JSON, or the name of a command with the members of its arguments; with --hmp one of the
    human monitor.
    """
    arguments.exclusive("hmp", "pretty")
    arguments.exclusive("hmp", "return-value")
    domain = await lookup.domain(session, arguments)
    words = arguments.words("cmd")
    hmp = "hmp" in arguments
    text = " ".join(words) if hmp else _wrapped(words)
    files = _descriptors(arguments)
    if files:
        flags = DomainQemuMonitorCommandFlags.HMP if hmp else 0
        result, got = await domain.monitor_command_with_files(text, files, flags)
        for descriptor in got:
            os.close(descriptor)
    else:
        result = await domain.monitor_command(text, hmp=hmp)
    _print(session, arguments, result)


def _print(session: Session, arguments: Arguments, result: str) -> None:
    write = jsontext.pretty if "pretty" in arguments else jsontext.compact
    if "return-value" in arguments:
        answer = jsontext.read(result)
        if "return" not in answer:
            raise CommandFailed("'return' member missing")
        session.output.raw(write(answer["return"]))
    elif "pretty" in arguments:
        session.output.raw(write(jsontext.read(result)))
    else:
        session.output.text(result)


def _descriptors(arguments: Arguments) -> list[int]:
    text = arguments.get("pass-fds", empty=True)
    found: list[int] = []
    for part in text.split(",") if text else ():
        number = parse_number(part, base=10)
        if number is None:
            raise CommandFailed(f"Unable to parse FD number '{part}'")
        try:
            os.fstat(number)
        except OSError as error:
            raise CommandFailed(f"Cannot duplicate FD {number}: {error.strerror}") from error
        found.append(number)
    return found


def _wrapped(words: list[str]) -> str:
    text = " ".join(words)
    try:
        if isinstance(jsontext.read(text), dict):
            return text
    except ValueError:
        pass
    command: dict[str, Any] = {"execute": words[0]}
    members = ",".join(words[1:])
    if members:
        if not members.startswith("{"):
            members = f"{{{members}}}"
        try:
            command["arguments"] = jsontext.read(members)
        except ValueError as error:
            failure = InternalError(f"cannot parse json {members}: {error}")
            raise CommandFailed(
                f"failed to wrap arguments '{' '.join(words[1:])}' into a QMP command wrapper"
            ) from failure
    return jsontext.compact(command)


@command("qemu-monitor-event")
async def qemu_monitor_event(session: Session, arguments: Arguments) -> None:
    """Wait for events of QEMU's monitor, and print them."""
    wait = watching.patience(arguments)
    name = arguments.get("event")
    connection = await session.connection()
    domain = await lookup.domain(session, arguments) if "domain" in arguments else None
    stream = connection.monitor_events(
        name,
        domain=None if domain is None else domain.ref,
        regex="regex" in arguments,
        nocase="no-case" in arguments,
    )

    def describe(event: MonitorEvent) -> str:
        details = event.details
        if details is not None and "pretty" in arguments:
            details = jsontext.pretty(jsontext.read(details))
        when = "" if wait.timestamp else f" at {event.seconds}.{event.micros:06}"
        shown = "<null>" if details is None else details
        return f"event {event.event}{when} for domain '{event.domain.name}': {shown}"

    await watching.watch(session, stream, describe, wait)


@command("qemu-attach")
async def qemu_attach(session: Session, arguments: Arguments) -> None:
    """Take over a QEMU that was started by hand."""
    pid = arguments.uint("pid")
    assert pid is not None
    connection = await session.connection()
    with failing(f"Failed to attach to pid {pid}"):
        domain = await connection.attach_process(pid)
    session.output.note(f"Domain '{domain.name}' attached to pid {pid}")


@command("lxc-enter-namespace")
async def lxc_enter_namespace(session: Session, arguments: Arguments) -> None:
    """Run a program within a container."""
    domain = await lookup.domain(session, arguments)
    descriptors = await domain.open_namespace()
    try:
        await _within(descriptors, arguments.words("cmd"))
    finally:
        for descriptor in descriptors:
            os.close(descriptor)


async def _within(namespaces: list[int], words: list[str]) -> None:
    """Runs a program in the name spaces, with this one's input and output."""
    from virloom.cli.shell.namespaces import run_within

    status = await run_within(namespaces, words)
    if status:
        raise CommandFailed("")
