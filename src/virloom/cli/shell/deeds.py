# SPDX-License-Identifier: Apache-2.0
"""Commands of the same shape, made from what differs: find an object, call it, say so."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any, NamedTuple, TypeVar

from virloom.cli.shell.arguments import Arguments
from virloom.cli.shell.documents import print_document, read_document
from virloom.cli.shell.editing import Edited, edit
from virloom.cli.shell.failure import failing
from virloom.cli.shell.registry import Run, command
from virloom.cli.shell.session import Session
from virloom.client.connection import Connection
from virloom.errors import VirloomError

T = TypeVar("T")

#: Finds the object that an argument names; the word that named it goes with it.
Find = Callable[[Session, Arguments], Awaitable[tuple[T, str]]]


class Words(NamedTuple):
    """What a command says; ``{}`` is the object's name."""

    help: str
    done: str
    failed: str


def deed(
    name: str, find: Find[T], call: Callable[[T, Arguments], Awaitable[object]], words: Words
) -> None:
    """A command that calls something of an object that is there."""

    async def run(session: Session, arguments: Arguments) -> None:
        found, called = await find(session, arguments)
        with failing(words.failed.format(called)):
            await call(found, arguments)
        session.output.note(words.done.format(called))

    _register(name, run, words.help)


def maker(
    name: str,
    make: Callable[[Connection, str, int], Awaitable[T]],
    name_of: Callable[[T], object],
    words: Words,
) -> None:
    """A command that makes an object by the document in ``file``.

    *make* takes 1 for ``--validate``, libvirt's flag for it in all of these calls. In *words*,
    ``{0}`` is the object's name and ``{1}`` the file; what failed has only the file.
    """

    async def run(session: Session, arguments: Arguments) -> None:
        path = arguments.text("file")
        document = read_document(path)
        connection = await session.connection()
        with failing(words.failed.format(path)):
            made = await make(connection, document, arguments.flag("validate"))
        session.output.note(words.done.format(name_of(made), path))

    _register(name, run, words.help)


def printer(
    name: str,
    find: Find[T],
    document_of: Callable[[T, Arguments], Awaitable[str]],
    help: str,
) -> None:
    """A command that prints an object's document, or with ``--xpath`` parts of it."""

    async def run(session: Session, arguments: Arguments) -> None:
        found, _ = await find(session, arguments)
        print_document(session, arguments, await document_of(found, arguments))

    _register(name, run, help)


class Editor(NamedTuple):
    """How a kind of object is edited."""

    title: str
    """What messages call it: ``Network {}``."""
    flags: int
    """What is asked of its document: the inactive one, with secrets."""
    define: Callable[[Connection, str, bool], Awaitable[Any]]
    """Defines one by a document, validated or not; has a name."""
    falls_back: bool = False
    """Whether the document as it is will do for drivers that know no other."""


def editor(name: str, find: Find[Any], how: Editor, help: str) -> None:
    """A command that opens an object's document in the user's editor, and defines it anew."""

    async def run(session: Session, arguments: Arguments) -> None:
        found, _ = await find(session, arguments)
        connection = await session.connection()

        async def read() -> str:
            try:
                return str(await found.xml_desc(how.flags))
            except VirloomError:
                if not how.falls_back:
                    raise
                return str(await found.xml_desc(0))

        async def save(document: str, validate: bool) -> str:
            return str((await how.define(connection, document, validate)).name)

        await edit(session, Edited(how.title, found.name, read, save))

    _register(name, run, help)


def _register(name: str, run: Run, help: str) -> None:
    run.__doc__ = help
    command(name)(run)
