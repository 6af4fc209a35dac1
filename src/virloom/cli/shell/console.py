# SPDX-License-Identifier: Apache-2.0
"""A guest's console on the user's terminal."""

from __future__ import annotations

import asyncio
import signal
import sys
from typing import TYPE_CHECKING

from virloom.cli.attend import attend, signals_caught
from virloom.cli.shell.failure import CommandFailed
from virloom.cli.shell.session import Session
from virloom.cli.terminal import raw_mode
from virloom.client.domain.events import LifecycleEvent
from virloom.enums.domain import DomainEventType

if TYPE_CHECKING:
    from virloom.client.domain.domain import Domain


async def use_console(
    session: Session,
    domain: Domain,
    device: str | None = None,
    *,
    force: bool = False,
    safe: bool = False,
) -> None:
    """Connects the terminal with a console until the escape key, or until the guest ends.

    Raises:
        CommandFailed: There is no terminal.
        VirloomError: The console cannot be opened.
    """
    if not (sys.stdin.isatty() and sys.stdout.isatty()):
        raise CommandFailed("Cannot run interactive console without a controlling TTY")
    session.output.note(f"Connected to domain '{domain.name}'")
    escape = session.escape
    keys = f" (Ctrl + {escape[1]})" if escape[0] == "^" else ""
    session.output.note(f"Escape character is {escape}{keys}")
    sys.stdout.flush()
    connection = await session.connection()
    ended: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    def notice(event: object) -> None:
        if getattr(event, "event", None) == DomainEventType.STOPPED and not ended.done():
            ended.set_result(None)

    stop_watching = await connection.on_event(notice, LifecycleEvent, domain=domain.ref)
    try:
        async with domain.console(device, force=force, safe=safe) as console:
            with signals_caught(signal.SIGTERM, signal.SIGHUP) as stopped, raw_mode(0):
                await attend(
                    ended, stopped, console, input_fd=0, output_fd=1, escape=escape_byte(escape)
                )
    finally:
        stop_watching()
    sys.stdout.write("\n")


def escape_byte(text: str) -> bytes:
    """The key that ``^]`` or a single character names."""
    return bytes([ord(text[1].upper()) ^ 0x40]) if text[0] == "^" else text.encode()
