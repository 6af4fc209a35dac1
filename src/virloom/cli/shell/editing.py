# SPDX-License-Identifier: Apache-2.0
"""Documents in the user's editor: what all ``*-edit`` commands have in common."""

from __future__ import annotations

import contextlib
import os
import re
import shlex
import shutil
import sys
import tempfile
from collections.abc import Awaitable, Callable, Iterator
from typing import NamedTuple

from virloom.cli.shell.documents import read_document
from virloom.cli.shell.failure import CommandFailed
from virloom.cli.shell.session import Session
from virloom.cli.terminal import raw_mode, read_input
from virloom.errors import VirloomError

# An editor of these characters is a program; any other is a line for the shell.
_PLAIN = re.compile(r"[A-Za-z0-9_./+=:,@%-]*")

_CHANGED_MEANWHILE = "The XML configuration was changed by another user."

_ANSWERS = {
    "y": "yes, back to the editor",
    "n": "no, forget what I have changed",
    "i": "save it without validation",
    "f": "force: save it as it is",
    "?": "this list",
}


class Edited(NamedTuple):
    """What is edited, and how it is read and saved."""

    title: str
    """What it is called in messages: ``Network {}``."""
    name: str
    read: Callable[[], Awaitable[str]]
    """The document as it is now."""
    save: Callable[[str, bool], Awaitable[str]]
    """Saves a document, validated or not; returns the object's name from then on."""
    validates: bool = False
    """Whether it is validated at first, which the user may then turn off."""
    always: bool = False
    """Whether it is saved even if nothing was changed."""
    said: Callable[[str], str] | None = None
    """What is said of one that was saved, by its name from then on; nothing if that is empty."""


async def edit(session: Session, what: Edited) -> None:
    """Lets the user change a document, and saves it.

    At a terminal a failure is followed by the question what to do next. virsh says and returns
    success for one without a terminal; here it is a failure there.

    Raises:
        CommandFailed: The editor failed, or the user gave up.
        VirloomError: It cannot be read, or not saved and there is nobody to ask.
    """
    before = await what.read()
    with kept_in_file(before) as path:
        await _Attempts(session, what, before, path).run()


async def edited(text: str) -> str:
    """The text after the user has changed it; raises CommandFailed when the editor fails."""
    with kept_in_file(text) as path:
        return await run_editor(path)


class _Attempts:
    """Editing and saving until it is done or given up."""

    def __init__(self, session: Session, what: Edited, before: str, path: str) -> None:
        self._session = session
        self._what = what
        self._before = before
        self._path = path
        self._validate = what.validates

    async def run(self) -> None:
        """The whole of it."""
        text, answer = "", "y"
        while True:
            if answer == "y":
                text = await run_editor(self._path)
                if text == self._before and not self._what.always:
                    self._say(self._what.name, "not changed.")
                    return
            try:
                self._say_saved(await self._save(text, checked=answer != "f"))
                return
            except (VirloomError, CommandFailed) as failure:
                answer = await self._next(failure)

    async def _save(self, text: str, *, checked: bool) -> str:
        if checked and await self._what.read() != self._before:
            raise CommandFailed(_CHANGED_MEANWHILE)
        return await self._what.save(text, self._validate)

    async def _next(self, failure: VirloomError | CommandFailed) -> str:
        """What the user wants to do about it: y, i or f."""
        if not sys.stdin.isatty():
            raise failure
        question = str(failure)
        if isinstance(failure, VirloomError):
            self._session.complain(failure.message)
            question = "Failed."
        answer = await _ask(question, "ynif?" if self._validate else "ynf?")
        if answer == "n":
            raise CommandFailed("")
        if answer == "i":
            self._validate = False
        return answer

    def _say_saved(self, name: str) -> None:
        if self._what.said is None:
            self._say(name, "edited.")
        elif message := self._what.said(name):
            self._session.output.note(message)

    def _say(self, name: str, outcome: str) -> None:
        title = self._what.title.format(name)
        self._session.output.note(f"{title} XML configuration {outcome}")


async def _ask(question: str, answers: str) -> str:
    """The key that the user chose; ``n`` for one who leaves."""
    while True:
        sys.stdout.write(f"{question} Try again? [{','.join(answers)}]: ")
        sys.stdout.flush()
        answer = ""
        with raw_mode(sys.stdin.fileno()):
            # Any other key is passed over: the user is still thinking.
            while not answer or answer not in answers:
                typed = await read_input(sys.stdin.fileno())
                answer = typed[:1].decode("ascii", "replace")
                if answer in ("", "\x03", "\x04"):
                    answer = "n"
        sys.stdout.write("\n")
        if answer != "?":
            return answer
        sys.stdout.write("".join(f"{key} - {_ANSWERS[key]}\n" for key in answers))


@contextlib.contextmanager
def kept_in_file(text: str, suffix: str = ".xml") -> Iterator[str]:
    """While entered, a file with this text, for its owner's eyes only.

    Raises:
        CommandFailed: It cannot be made.
    """
    directory = os.environ.get("TMPDIR") or "/tmp"
    try:
        descriptor, path = tempfile.mkstemp(suffix, "virloom", directory)
    except OSError as error:
        raise CommandFailed(
            f"g_mkstemp_full: failed to create temporary file: {error.strerror}"
        ) from error
    try:
        with open(descriptor, "w", encoding="utf-8") as file:
            file.write(text)
        yield path
    finally:
        with contextlib.suppress(FileNotFoundError):
            os.unlink(path)


async def run_editor(path: str) -> str:
    """Opens the user's editor with a file; returns what is in the file then.

    Raises:
        CommandFailed: There is no such editor, or it failed.
    """
    from virloom.host.process import SpawnRequest, start

    argv = editor_command(path)
    process = await start(
        SpawnRequest(argv, stdin=0, stdout=1, stderr=2, umask=-1, new_session=False)
    )
    try:
        code = await process.wait()
    finally:
        process.close()
    if code:
        how = f"exit status {code}" if code > 0 else f"fatal signal {-code}"
        words = " ".join(word if _PLAIN.fullmatch(word) else _quoted(word) for word in argv)
        raise CommandFailed(f"internal error: Child process ({words}) unexpected {how}")
    return read_document(path)


def editor_command(path: str) -> list[str]:
    """The editor of ``$VISUAL``, else ``$EDITOR``, else vi, with the file to edit.

    Raises:
        CommandFailed: It is not installed.
    """
    editor = os.environ.get("VISUAL", os.environ.get("EDITOR", "vi"))
    if not _PLAIN.fullmatch(editor):
        return ["sh", "-c", f"{editor} {shlex.quote(path)}"]
    if shutil.which(editor) is None:
        raise CommandFailed(f"Cannot find '{editor}' in path: {os.strerror(2)}")
    return [editor, path]


def _quoted(word: str) -> str:
    return "'" + word.replace("'", "'\\''") + "'"
