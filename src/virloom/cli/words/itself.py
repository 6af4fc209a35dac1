# SPDX-License-Identifier: Apache-2.0
"""Commands about the command line itself."""

from __future__ import annotations

import os
from xml.sax.saxutils import escape

from virloom.cli.shell.arguments import Arguments
from virloom.cli.shell.failure import CommandFailed
from virloom.cli.shell.registry import command
from virloom.cli.shell.session import Session


@command("cd")
async def cd(session: Session, arguments: Arguments) -> None:
    """Change the working directory."""
    if not session.interactive:
        raise CommandFailed("cd: command valid only in interactive mode")
    directory = arguments.get("dir") or os.environ.get("HOME", "/")
    try:
        os.chdir(directory)
    except OSError as error:
        raise CommandFailed(f"cd: {directory}: {error.strerror}") from error


@command("pwd")
async def pwd(session: Session, arguments: Arguments) -> None:
    """Print the working directory."""
    session.output.value("directory", os.getcwd())


@command("connect")
async def connect(session: Session, arguments: Arguments) -> None:
    """Connect to another hypervisor.

    Without a name to the one that this host has. It takes the place of the connection there was.
    """
    session.readonly = "readonly" in arguments
    await session.connect(arguments.get("name"))


@command("echo")
async def echo(session: Session, arguments: Arguments) -> None:
    """Print its words, quoted for a shell or for XML where asked."""
    words = arguments.words("string")
    if "shell" in arguments:
        words = [_quoted(word) for word in words]
    if "xml" in arguments:
        words = [escape(word, {"'": "&apos;", '"': "&quot;"}) for word in words]
    text = " ".join(words)
    if "err" in arguments:
        session.complain(text)
    else:
        session.output.raw(text)


def _quoted(word: str) -> str:
    if word and all(c.isalnum() or c in "_-+=:,./@%" for c in word):
        return word
    return "'" + word.replace("'", "'\\''") + "'"


@command("exit")
async def exit_(session: Session, arguments: Arguments) -> None:
    """Leave."""
    session.leaving = True


@command("quit")
async def quit_(session: Session, arguments: Arguments) -> None:
    """Leave."""
    session.leaving = True


@command("help")
async def help_(session: Session, arguments: Arguments) -> None:
    """Print what a command, a group of commands, or all of them do."""
    from virloom.cli.shell import guide

    name = arguments.get("command")
    text = guide.grouped() if name is None else guide.page_of(name)
    if text is None:
        raise CommandFailed(f"command or command group '{name}' doesn't exist")
    session.output.text(text)
