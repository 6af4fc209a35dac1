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
        raise CommandFailed(f"cd: {error.strerror}: {directory}") from error


@command("pwd")
async def pwd(session: Session, arguments: Arguments) -> None:
    """Print the working directory."""
    session.output.value("directory", os.getcwd())


@command("connect")
async def connect(session: Session, arguments: Arguments) -> None:
    """Connect to another hypervisor, or without a name to the same one anew.

    It takes the place of the connection there was, which stays where the other cannot be had.
    The same one stays without the right to change anything where it was.
    """
    uri, readonly = arguments.get("name", empty=True), "readonly" in arguments
    if uri is None:
        uri, readonly = session.uri, readonly or session.readonly
    await session.connect(uri, readonly=readonly)


@command("echo")
async def echo(session: Session, arguments: Arguments) -> None:
    """Print its words, where asked quoted for a shell or for XML, or split at their commas."""
    for pair in (("shell", "xml"), ("shell", "split"), ("xml", "split")):
        arguments.exclusive(*pair)
    words = arguments.words("string")
    if "shell" in arguments:
        words = [_quoted(word) for word in words]
    if "xml" in arguments:
        words = [escape(word, {"'": "&apos;", '"': "&quot;"}) for word in words]
    if "split" in arguments:
        words = [_split(word) for word in words]
    text = " ".join(words)
    if "err" not in arguments:
        session.output.raw(text)
    elif words:
        session.complain(text)


def _split(word: str) -> str:
    """Its parts, a line each; two commas stand for one that does not split."""
    parts = word.replace(",,", "\0").split(",") if word else []
    return "".join(part.replace("\0", ",") + "\n" for part in parts)


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
