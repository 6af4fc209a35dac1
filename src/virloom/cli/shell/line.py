# SPDX-License-Identifier: Apache-2.0
"""From words to calls of commands: virsh's syntax (its manual page, GENERIC COMMANDS and NOTES)."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple

from virloom.cli.shell.arguments import Arguments
from virloom.cli.shell.options import Command, Option, find_command


class LineError(Exception):
    """A line that is no call of a command; nothing of it has been run.

    Its arguments are what there is to complain of.
    """


class Invocation(NamedTuple):
    """A command to be run with its arguments."""

    command: Command
    arguments: Arguments


#: Ends a command in a line of several.
_END = None

#: Nothing at all: the line goes on with the next.
_CONTINUED = "\\\n"


def split(text: str) -> list[list[str]]:
    """The commands of a line, each as its words.

    ``;`` and the end of a line end a command, ``#`` at a word's start begins a comment, quotes and
    the backslash work as in a shell, also at a line's end.

    Raises:
        LineError: A double quote is left open, or a backslash is the last character.
    """
    commands: list[list[str]] = [[]]
    for word in _words(text):
        if word is _END:
            commands.append([])
        else:
            commands[-1].append(word)
    return [words for words in commands if words]


def _words(text: str) -> Iterator[str | None]:
    at = 0
    while at < len(text):
        character = text[at]
        if character in " \t":
            at += 1
        elif text.startswith(_CONTINUED, at):
            at += len(_CONTINUED)
        elif character in ";\n":
            yield _END
            at += 1
        elif character == "#":
            end = text.find("\n", at)
            at = len(text) if end < 0 else end
        else:
            word, at = _word(text, at)
            yield word


def _word(text: str, at: int) -> tuple[str, int]:
    """The word that begins at *at*, and where it ends."""
    word: list[str] = []
    quote = ""
    while at < len(text) and (quote or text[at] not in " \t\n;"):
        character = text[at]
        if quote != "'" and character == "\\":
            at += 1
            if at == len(text):
                raise LineError("dangling \\")
            if text[at] != "\n":
                word.append(text[at])
        elif character == quote:
            quote = ""
        elif not quote and character in "'\"":
            quote = character
        else:
            word.append(character)
        at += 1
    if quote == '"':
        raise LineError('missing "')
    # virsh takes an open single quote as closed by the line's end.
    return "".join(word), at


def parse_line(text: str) -> list[Invocation]:
    """The commands of a line; raises LineError when one of them cannot be called so."""
    return [parse_words(words) for words in split(text)]


def parse_words(words: Sequence[str]) -> Invocation:
    """The command that *words* call.

    Raises:
        LineError: There is no such command, or its options are not those.
    """
    command = find_command(words[0])
    if command is None:
        raise LineError(f"unknown command: '{words[0]}'")
    return _Reading(command, words[1:]).invocation()


class _Reading:
    """The options of one command, word by word."""

    def __init__(self, command: Command, words: Sequence[str]) -> None:
        self._command = command
        self._words = iter(words)
        self._values: dict[str, str | list[str]] = {}
        self._help = False

    def invocation(self) -> Invocation:
        named = True
        for word in self._words:
            if named and word == "--":
                named = False
            elif named and word.startswith("--"):
                self._named(word[2:])
            else:
                self._unnamed(word)
        if self._help:
            helper = find_command("help")
            assert helper is not None
            return Invocation(helper, Arguments({"command": self._command.name}))
        self._check_required()
        return Invocation(self._command, Arguments(self._values))

    def _named(self, text: str) -> None:
        name, equals, value = text.partition("=")
        if name == "help":
            self._help = True
            return
        option, implied = self._option(name)
        if option.kind == "flag":
            if equals:
                raise LineError(f"invalid '=' after option --{name}")
            self._values[option.name] = ""
        elif implied is not None:
            self._values[option.name] = implied
        else:
            self._take(option, value if equals else self._next(option))

    def _option(self, name: str) -> tuple[Option, str | None]:
        found = self._command.find(name)
        if found is None:
            raise LineError(f"command '{self._command.name}' doesn't support option --{name}")
        if found[0].name in self._values and not found[0].repeatable:
            raise LineError(f"option --{found[0].name} already seen")
        return found

    def _next(self, option: Option) -> str:
        word = next(self._words, None)
        if word is None:
            kind = "number" if option.kind == "int" else "string"
            raise LineError(f"expected syntax: --{option.name} <{kind}>")
        return word

    def _unnamed(self, word: str) -> None:
        for option in self._command.options:
            if option.positional and (option.repeatable or option.name not in self._values):
                self._take(option, word)
                return
        raise LineError(f"unexpected data '{word}'")

    def _take(self, option: Option, value: str) -> None:
        if not option.repeatable:
            self._values[option.name] = value
            return
        taken = self._values.setdefault(option.name, [])
        assert isinstance(taken, list)
        taken.append(value)

    def _check_required(self) -> None:
        missing = [
            f"<{option.name}>" if option.kind == "string" else f"--{option.name}"
            for option in self._command.options
            if option.required and option.name not in self._values
        ]
        if missing:
            command = self._command.name
            raise LineError(*(f"command '{command}' requires {form} option" for form in missing))
