# SPDX-License-Identifier: Apache-2.0
"""The shell: lines from a terminal, with history, or from a pipe."""

from __future__ import annotations

import asyncio
import contextlib
import os
import sys
from collections.abc import Iterator
from pathlib import Path

from virloom.cli.shell.completion import candidates
from virloom.cli.shell.line import LineError, parse_line
from virloom.cli.shell.runner import FAILED, connected, run_each
from virloom.cli.shell.session import Session

_WELCOME = """\
Welcome to virloom, the virtualization interactive terminal.

Type:  'help' for help with commands
       'quit' to quit
"""

_HISTORY_LINES = 500
"""What virsh keeps unless VIRSH_HISTSIZE says otherwise."""


async def converse(session: Session) -> int:
    """Runs what is typed until ``quit`` or the input's end."""
    session.interactive = True
    try:
        if session.uri is not None and not await connected(session):
            return FAILED
        session.output.note(_WELCOME)
        with _edited_lines(session, asyncio.get_running_loop()):
            await _lines(session)
    finally:
        await session.close()
    return 0


async def _lines(session: Session) -> None:
    while not session.leaving:
        sys.stdout.flush()
        line = await asyncio.to_thread(_ask, f"virloom {'>' if session.readonly else '#'} ")
        if line is None:
            break
        try:
            invocations = parse_line(line)
        except LineError as error:
            for complaint in error.args:
                session.complain(complaint)
            continue
        if invocations:
            await run_each(session, invocations)
    session.output.raw("\n")


def _ask(prompt: str) -> str | None:
    if sys.stdin.isatty():
        with contextlib.suppress(EOFError):
            return input(prompt)
        return None
    # As virsh does, so that a script's transcript shows what was asked.
    line = sys.stdin.readline()
    if not line:
        sys.stdout.write(prompt)
        return None
    typed = line.rstrip("\r\n")
    sys.stdout.write(f"{prompt}{typed}\n")
    return typed


@contextlib.contextmanager
def _edited_lines(session: Session, loop: asyncio.AbstractEventLoop) -> Iterator[None]:
    """While entered, a terminal's lines can be edited, completed, and are remembered."""
    if not sys.stdin.isatty():
        yield
        return
    import readline

    home = os.environ.get("XDG_CACHE_HOME") or os.path.expanduser("~/.cache")
    file = Path(home) / "virloom" / "history"
    with contextlib.suppress(FileNotFoundError):
        readline.read_history_file(file)
    readline.set_history_length(_HISTORY_LINES)
    readline.set_completer_delims(" \t\n;")
    readline.set_completer(_Completer(session, loop).word)
    readline.parse_and_bind("tab: complete")
    try:
        yield
    finally:
        readline.set_completer(None)
        file.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        readline.write_history_file(file)


class _Completer:
    """Answers readline, in the thread that reads the line."""

    def __init__(self, session: Session, loop: asyncio.AbstractEventLoop) -> None:
        self._session = session
        self._loop = loop
        self._found: list[str] = []

    def word(self, text: str, number: int) -> str | None:
        """The candidate with this number, None when there are no more."""
        if number == 0:
            self._found = self._ask(text)
        return self._found[number] + " " if number < len(self._found) else None

    def _ask(self, text: str) -> list[str]:
        import readline

        line = readline.get_line_buffer()[: readline.get_begidx()]
        before = line.rpartition(";")[2].split()
        asked = candidates(self._session, [*before, text])
        return asyncio.run_coroutine_threadsafe(asked, self._loop).result()
