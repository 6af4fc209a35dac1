# SPDX-License-Identifier: Apache-2.0
"""Runs commands one after another, and says what became of each."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Sequence
from time import perf_counter

from virloom.cli.shell.failure import CommandFailed
from virloom.cli.shell.line import Invocation, LineError, parse_line, parse_words
from virloom.cli.shell.registry import function_of
from virloom.cli.shell.session import Session
from virloom.cli.shell.settings import Settings, WrongOption, read_settings
from virloom.cli.shell.versions import version_text
from virloom.endpoint.release import LIB_VERSION
from virloom.errors import VirloomError

FAILED = 1
"""As virsh's: a command failed, or the line was wrong."""


def run(argv: Sequence[str]) -> int:
    """Run the options and commands of *argv*; returns the exit code of the last command."""
    try:
        settings = read_settings(argv)
    except WrongOption as error:
        Session().complain(str(error))
        return FAILED
    if settings.show is not None:
        return _show(settings.show)
    if not settings.words:
        from virloom.cli.shell.interactive import converse

        return asyncio.run(converse(settings.session))
    return _run_words(settings)


def _run_words(settings: Settings) -> int:
    words = settings.words
    try:
        # One word is a line of its own, with quotes and semicolons; several are a command's words.
        invocations = parse_line(words[0]) if len(words) == 1 else [parse_words(words)]
    except LineError as error:
        for complaint in error.args:
            settings.session.complain(complaint)
        return FAILED
    return asyncio.run(_run_all(settings, invocations))


async def _run_all(settings: Settings, invocations: Sequence[Invocation]) -> int:
    session = settings.session
    try:
        if session.uri is not None and not await connected(session):
            return FAILED
        # As virsh does, which fails where it is given nothing at all.
        if not invocations:
            return 0 if settings.words[0] else FAILED
        return FAILED if not await run_each(session, invocations) else 0
    finally:
        await session.close()


async def connected(session: Session) -> bool:
    """Whether there is a connection; complains where there is none."""
    try:
        await session.connection()
    except CommandFailed as failure:
        _tell(session, failure)
        return False
    return True


async def run_each(session: Session, invocations: Sequence[Invocation]) -> bool:
    """Runs them until one of them leaves; returns whether the last one succeeded."""
    succeeded = False
    for invocation in invocations:
        if invocation.command.group != "virsh" and not await connected(session):
            return False
        started = perf_counter()
        succeeded = await _succeeds(session, invocation)
        elapsed = (perf_counter() - started) * 1000
        if session.leaving:
            return succeeded
        if session.timing:
            session.output.raw(f"\n(Time: {elapsed:.3f} ms)\n")
        session.output.end(blank=not session.without_blank_line)
        session.without_blank_line = False
        sys.stdout.flush()
    return succeeded


async def _succeeds(session: Session, invocation: Invocation) -> bool:
    try:
        await function_of(invocation.command.name)(session, invocation.arguments)
    except (CommandFailed, VirloomError) as failure:
        _tell(session, failure)
        return False
    return True


def _tell(session: Session, failure: CommandFailed | VirloomError) -> None:
    if isinstance(failure, VirloomError):
        session.complain(failure.message)
        return
    if str(failure):
        session.complain(str(failure))
    if isinstance(failure.__cause__, VirloomError):
        session.complain(failure.__cause__.message)


def _show(what: str) -> int:
    from virloom.cli.shell import guide

    if what == "help":
        print(guide.overview())
    elif what == "about":
        print(f"virloom: libvirt's command line {version_text(LIB_VERSION)}, in Python")
    else:
        print(version_text(LIB_VERSION))
    return 0
