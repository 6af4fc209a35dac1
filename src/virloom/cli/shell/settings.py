# SPDX-License-Identifier: Apache-2.0
"""The options before a command, as virsh has them, and ``-o json``."""

from __future__ import annotations

import getopt
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from virloom.cli.shell.arguments import parse_number
from virloom.cli.shell.options import find_command
from virloom.cli.shell.output import JsonOutput, PlainOutput
from virloom.cli.shell.session import Session

_SHORT = "+c:d:e:hk:K:l:o:qrtvV"
_LONG = [
    "connect=", "debug=", "escape=", "help", "keepalive-interval=", "keepalive-count=", "log=",
    "output=", "quiet", "readonly", "timing", "version",
]  # fmt: skip
_LETTERS = {"-" + name.rstrip("=")[0]: "--" + name.rstrip("=") for name in _LONG} | {
    "-k": "--keepalive-interval", "-K": "--keepalive-count", "-v": "--version", "-V": "--about",
}  # fmt: skip
_DEBUG_LEVELS = range(5)
_FORMATS = ("json", "plain")

#: Commands whose own text may have such words in it.
_TAKES_ANY_WORD = (
    "echo", "lxc-enter-namespace", "qemu-agent-command", "qemu-monitor-command",
)  # fmt: skip


class WrongOption(Exception):
    """An option before the command is not one, or its value is wrong."""


@dataclass
class Settings:
    """What the options said."""

    session: Session
    words: list[str]
    """What follows them: a line with commands, or a command's words."""
    show: str | None = None
    """``help``, ``version`` or ``about``: to be printed instead of running anything."""


def read_settings(argv: Sequence[str]) -> Settings:
    """The options at the head of *argv*.

    Raises:
        WrongOption: One of them is wrong.
    """
    # getopt of Python knows no value that may be left out; virsh takes any here.
    argv = ["--version" if word.startswith("--version=") else word for word in argv]
    try:
        options, words = getopt.getopt(argv, _SHORT, _LONG)
    except getopt.GetoptError as error:
        raise WrongOption(_what_is_wrong(error)) from None
    words, formats = _formats_behind(words)
    settings = Settings(Session(), words)
    for given, value in [*options, *formats]:
        name = _LETTERS.get(given, given)
        _ACTIONS[name](settings, given, value)
    return settings


def _formats_behind(words: list[str]) -> tuple[list[str], list[tuple[str, str]]]:
    """``-o json`` taken from among the words of a command, where many look for it.

    No option of virsh's commands is called so.
    """
    if len(words) < 2 or find_command(words[0]) is None or words[0] in _TAKES_ANY_WORD:
        return words, []
    kept, found = words[:1], []
    rest = words[1:]
    while rest:
        value, length = _format_at(rest)
        if value is None:
            kept.append(rest[0])
        else:
            found.append(("--output", value))
        rest = rest[length:]
    return kept, found


def _format_at(words: Sequence[str]) -> tuple[str | None, int]:
    """The format that *words* begin with, None for no format, and how many words tell it."""
    if words[0] in ("-o", "--output") and words[1:2] and words[1] in _FORMATS:
        return words[1], 2
    name, _, value = words[0].partition("=")
    return value if name == "--output" and value in _FORMATS else None, 1


def _what_is_wrong(error: getopt.GetoptError) -> str:
    option = f"-{error.opt}" if len(error.opt) == 1 else f"--{error.opt}"
    if "requires argument" not in error.msg:
        return f"unsupported option '{option}'. See --help."
    long = _LETTERS.get(option, option)
    short = next((letter for letter, name in _LETTERS.items() if name == long), long)
    return f"option '{short}'/'{long}' requires an argument"


def _set_uri(settings: Settings, given: str, value: str) -> None:
    settings.session.uri = value


def _set_debug(settings: Settings, given: str, value: str) -> None:
    level = parse_number(value)
    if level is None:
        raise WrongOption(f"option {given} takes a numeric argument")
    if level not in _DEBUG_LEVELS:
        settings.session.complain(f"ignoring debug level {level} out of range [0-4]")


def _set_escape(settings: Settings, given: str, value: str) -> None:
    if len(value) == 1 or (len(value) == 2 and value[0] == "^"):
        settings.session.escape = value
        return
    raise WrongOption(f"Invalid string '{value}' for escape sequence")


def _check_keepalive(settings: Settings, given: str, value: str) -> None:
    """Our client keeps its connections alive by itself; the value is only held to its form."""
    number = parse_number(value)
    if number is None or not -(2**31) <= number < 2**31:
        raise WrongOption(f"Invalid value for option {given}")


def _set_log(settings: Settings, given: str, value: str) -> None:
    raise WrongOption(f"option {given}: virloom keeps no log of its own; redirect its output")


def _set_output(settings: Settings, given: str, value: str) -> None:
    if value not in _FORMATS:
        raise WrongOption(f"Invalid value for option {given}: '{value}' is neither json nor plain")
    if value == "json":
        settings.session.output = JsonOutput()


def _set_quiet(settings: Settings, given: str, value: str) -> None:
    settings.session.quiet = True
    if isinstance(settings.session.output, PlainOutput):
        settings.session.output.quiet = True


def _set_readonly(settings: Settings, given: str, value: str) -> None:
    settings.session.readonly = True


def _set_timing(settings: Settings, given: str, value: str) -> None:
    settings.session.timing = True


def _showing(what: str) -> Callable[[Settings, str, str], None]:
    def show(settings: Settings, given: str, value: str) -> None:
        settings.show = settings.show or what

    return show


_ACTIONS: dict[str, Callable[[Settings, str, str], None]] = {
    "--connect": _set_uri,
    "--debug": _set_debug,
    "--escape": _set_escape,
    "--keepalive-interval": _check_keepalive,
    "--keepalive-count": _check_keepalive,
    "--log": _set_log,
    "--output": _set_output,
    "--quiet": _set_quiet,
    "--readonly": _set_readonly,
    "--timing": _set_timing,
    "--help": _showing("help"),
    "--version": _showing("version"),
    "--about": _showing("about"),
}
