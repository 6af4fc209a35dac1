# SPDX-License-Identifier: Apache-2.0
"""A domain's life: defined, started, stopped."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from virloom.cli.shell import lookup
from virloom.cli.shell.arguments import Arguments, parse_number
from virloom.cli.shell.deeds import Words, deed, maker
from virloom.cli.shell.documents import read_document
from virloom.cli.shell.failure import CommandFailed, failing
from virloom.cli.shell.registry import command
from virloom.cli.shell.session import Session
from virloom.enums import domain as e

if TYPE_CHECKING:
    from virloom.client.domain.domain import Domain

deed(
    "suspend",
    lookup.domain_named,
    lambda domain, _: domain.suspend(),
    Words(
        "Stop a running domain's processors.",
        "Domain '{}' suspended",
        "Failed to suspend domain '{}'",
    ),
)
deed(
    "resume",
    lookup.domain_named,
    lambda domain, _: domain.resume(),
    Words(
        "Let a suspended domain go on.",
        "Domain '{}' resumed",
        "Failed to resume domain '{}'",
    ),
)
deed(
    "reset",
    lookup.domain_named,
    lambda domain, _: domain.reset(),
    Words(
        "Reset a domain, as its reset button does.",
        "Domain '{}' was reset",
        "Failed to reset domain '{}'",
    ),
)


def _destroy_flags(arguments: Arguments) -> int:
    kinds = e.DomainDestroyFlagsValues
    return arguments.flags({"graceful": kinds.GRACEFUL, "remove-logs": kinds.REMOVE_LOGS})


deed(
    "destroy",
    lookup.domain_named,
    lambda domain, arguments: domain.destroy(_destroy_flags(arguments)),
    Words(
        "End a domain at once; for the guest it is a power cut.",
        "Domain '{}' destroyed",
        "Failed to destroy domain '{}'",
    ),
)


@command("autostart")
async def autostart(session: Session, arguments: Arguments) -> None:
    """Start a domain with the host, or no longer."""
    domain, name = await lookup.domain_named(session, arguments)
    on = "disable" not in arguments
    action = "mark" if on else "unmark"
    with failing(f"Failed to {action} domain '{name}' as autostarted"):
        await domain.set_autostart(on)
    session.output.note(f"Domain '{name}' {action}ed as autostarted")


maker(
    "define",
    lambda connection, document, flags: connection.define_xml(document, flags),
    lambda domain: domain.name,
    Words(
        "Define a domain by a document in a file, without starting it.",
        "Domain '{}' defined from {}",
        "Failed to define domain from {}",
    ),
)


_C = e.DomainCreateFlags
_START = {
    "paused": _C.START_PAUSED,
    "autodestroy": _C.START_AUTODESTROY,
    "bypass-cache": _C.START_BYPASS_CACHE,
    "force-boot": _C.START_FORCE_BOOT,
    "validate": _C.START_VALIDATE,
    "reset-nvram": _C.START_RESET_NVRAM,
}


@command("create")
async def create(session: Session, arguments: Arguments) -> None:
    """Start a domain by a document in a file; it is gone when it ends."""
    path = arguments.text("file")
    document = read_document(path)
    files = _descriptors(arguments)
    flags = arguments.flags(_START)
    connection = await session.connection()
    with failing(f"Failed to create domain from {path}"):
        if files:
            domain = await connection.create_xml_with_files(document, files, flags)
        else:
            domain = await connection.create_xml(document, flags)
    session.output.note(f"Domain '{domain.name}' created from {path}")
    await _follow(session, arguments, domain)


@command("start")
async def start(session: Session, arguments: Arguments) -> None:
    """Start a defined domain."""
    name = arguments.text("domain")
    domain = await lookup.domain_called(session, name, by_id=False)
    if domain.id >= 0:
        raise CommandFailed("Domain is already active")
    files = _descriptors(arguments)
    flags = arguments.flags(_START)
    with failing(f"Failed to start domain '{domain.name}'"):
        if files:
            await domain.create_with_files(files, flags)
        else:
            await domain.create(flags)
    session.output.note(f"Domain '{domain.name}' started")
    await _follow(session, arguments, domain)


async def _follow(session: Session, arguments: Arguments, domain: Domain) -> None:
    if "console" in arguments:
        from virloom.cli.shell.console import use_console

        await use_console(session, domain)


def _descriptors(arguments: Arguments) -> list[int]:
    words = (arguments.get("pass-fds") or "").split(",") if "pass-fds" in arguments else []
    numbers = [(word, parse_number(word)) for word in words]
    for word, number in numbers:
        if number is None or number < 0:
            raise CommandFailed(f"Unable to parse FD number '{word}'")
    return [number for _, number in numbers if number is not None]


_SHUTDOWN_MODES = {
    "acpi": e.DomainShutdownFlagValues.ACPI_POWER_BTN,
    "agent": e.DomainShutdownFlagValues.GUEST_AGENT,
    "initctl": e.DomainShutdownFlagValues.INITCTL,
    "signal": e.DomainShutdownFlagValues.SIGNAL,
    "paravirt": e.DomainShutdownFlagValues.PARAVIRT,
}
_REBOOT_MODES = {
    "acpi": e.DomainRebootFlagValues.ACPI_POWER_BTN,
    "agent": e.DomainRebootFlagValues.GUEST_AGENT,
    "initctl": e.DomainRebootFlagValues.INITCTL,
    "signal": e.DomainRebootFlagValues.SIGNAL,
    "paravirt": e.DomainRebootFlagValues.PARAVIRT,
}


def _modes(arguments: Arguments, modes: Mapping[str, int], comma: str = "") -> int:
    """The flags of ``--mode``; virsh's two lists of what is known differ by a *comma*."""
    flags = 0
    for mode in (arguments.get("mode") or "").split(",") if "mode" in arguments else []:
        if mode not in modes:
            raise CommandFailed(
                f"Unknown mode {mode} value, expecting 'acpi', 'agent', 'initctl', 'signal'{comma}"
                " or 'paravirt'"
            )
        flags |= modes[mode]
    return flags


@command("shutdown")
async def shutdown(session: Session, arguments: Arguments) -> None:
    """Ask a domain's guest to power off."""
    flags = _modes(arguments, _SHUTDOWN_MODES, ",")
    domain, name = await lookup.domain_named(session, arguments)
    with failing(f"Failed to shutdown domain '{name}'"):
        await domain.shutdown(flags)
    session.output.note(f"Domain '{name}' is being shutdown")


@command("reboot")
async def reboot(session: Session, arguments: Arguments) -> None:
    """Ask a domain's guest to reboot."""
    flags = _modes(arguments, _REBOOT_MODES)
    domain, name = await lookup.domain_named(session, arguments)
    with failing(f"Failed to reboot domain '{name}'"):
        await domain.reboot(flags)
    session.output.note(f"Domain '{name}' is being rebooted")


_LIFECYCLE = {one.name.lower(): one for one in e.DomainLifecycle}
_ACTIONS = {one.name.lower().replace("_", "-"): one for one in e.DomainLifecycleAction}
_ACTIONS["rename-restart"] = e.DomainLifecycleAction.RESTART_RENAME


@command("set-lifecycle-action")
async def set_lifecycle_action(session: Session, arguments: Arguments) -> None:
    """Change what follows a domain's power-off, reboot or crash."""
    impact = arguments.impact()
    event, action = arguments.text("type"), arguments.text("action")
    if event not in _LIFECYCLE:
        raise CommandFailed(f"Invalid lifecycle type '{event}'.")
    if action not in _ACTIONS:
        raise CommandFailed(f"Invalid lifecycle action '{action}'.")
    domain = await lookup.domain(session, arguments)
    with failing("Unable to change lifecycle action."):
        await domain.set_lifecycle_action(_LIFECYCLE[event], _ACTIONS[action], impact)


@command("dom-fd-associate")
async def dom_fd_associate(session: Session, arguments: Arguments) -> None:
    """Give a domain open files, which its document names, until this connection ends."""
    domain = await lookup.domain(session, arguments)
    kinds = e.DomainFDAssociateFlags
    flags = arguments.flags(
        {"seclabel-restore": kinds.RESTORE, "seclabel-writable": kinds.WRITABLE}
    )
    files = _descriptors(arguments)
    await domain.devices.associate_fds(arguments.text("name"), files, flags)
